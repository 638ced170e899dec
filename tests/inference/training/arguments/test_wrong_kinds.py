"""Things of another kind, as people bring them from Pyro and PyTorch: what to write instead."""

from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.optim
import pytest
import torch
import toys
from pyro.infer import (
    SVI,
    RenyiELBO,
    Trace_ELBO,
    TraceEnum_ELBO,
    TraceMeanField_ELBO,
)
from torch import Tensor, nn
from torch.optim import lr_scheduler

from plausible.inference import fit, sample_posterior
from plausible.models import (
    ELBO,
    SGD,
    VAE,
    Adam,
    CosineDecay,
    DataError,
    ModelError,
    Objective,
    PlausibleError,
    Player,
    Regressor,
    TrainingError,
)

X = toys.normal_data(9)
WEIGHTS = [nn.Parameter(torch.zeros(2))]


def pyro_decay() -> Any:
    of = {"optimizer": torch.optim.Adam, "optim_args": {"lr": 0.1}, "gamma": 0.9}
    return pyro.optim.ExponentialLR(of)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pyro.optim.Adam({"lr": 0.02}), r"pyro.optim's Adam\..*optimizer=Adam\(lr=0.02\)"),
        (pyro.optim.ClippedAdam({"lr": 0.02}), r"optimizer=ClippedAdam\(lr=0.02\)"),
        (pyro.optim.RMSprop(lambda name: {}), r"pyro.optim's RMSprop.*Adam\(lr=0.001\)"),
        (torch.optim.SGD(WEIGHTS, lr=0.3), r"torch.optim's SGD.*optimizer=SGD\(lr=0.3\)"),
        (torch.optim.AdamW, r"torch.optim's AdamW.*optimizer=AdamW\(lr=0.001\)"),
        (
            lr_scheduler.StepLR(torch.optim.SGD(WEIGHTS, lr=0.3), 9),
            "is the scheduler StepLR.*in the place of the learning rate.*GeometricDecay",
        ),
        (pyro_decay(), "is the scheduler ExponentialLR.*GeometricDecay"),
        (0.05, r"optimizer=0.05 is a number.*optimizer=Adam\(lr=0.05\)"),
        (CosineDecay(0.1, 9), r"is a schedule.*optimizer=Adam\(lr=CosineDecay\(start=0.1"),
        (SGD, r"is the class SGD: write SGD\(\)"),
        ("adam", "must be an optimiser, but got 'adam'"),
        (None, "must be an optimiser, but got None"),
    ],
)
def test_what_is_no_optimiser_of_ours_is_told_which_is(given: Any, message: str) -> None:
    for objective in (ELBO(optimizer=given), Own(given)):
        with pytest.raises(ModelError, match=message) as caught:
            fit(toys.mean_model, X, guide=toys.mean_guide, steps=2, objective=objective)
        assert "\n" not in str(caught.value)


class Own(Objective):
    """A user's own objective, which hands on what it was given."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer

    def players(self) -> tuple[Player, ...]:
        return (Player("loss", lambda m, s: m.parameters(), lambda m, b, s: 0, self.optimizer),)


@pytest.mark.parametrize("rate", ["0.1", None, lr_scheduler.StepLR, lambda step: 0.1])
def test_a_learning_rate_is_a_number_or_a_schedule(rate: Any) -> None:
    with pytest.raises(ModelError, match="is a positive number or a schedule"):
        Adam(rate)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beta": "high"}, "beta is a number or a schedule .*'high'"),
        ({"reconstruction": CosineDecay(1.0, 9)}, "reconstruction is a number"),
        ({"particles": 1.5}, "whole number of particles.*1.5"),
    ],
)
def test_weights_and_particles_are_numbers(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ELBO(**arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Trace_ELBO(), r"pyro.infer's Trace_ELBO: here that is ELBO\(\)"),
        (Trace_ELBO(num_particles=8), r"here that is ELBO\(particles=8\)"),
        (TraceMeanField_ELBO(), r"TraceMeanField_ELBO: here that is ELBO\(\).*closed-form KL"),
        (TraceEnum_ELBO, r"pyro.infer's TraceEnum_ELBO: here that is ELBO\(\)"),
        (RenyiELBO(0.5, num_particles=3), r"here that is Renyi\(0.5, 3\)"),
        (RenyiELBO, r"here that is Renyi\(alpha, particles\)"),
        (
            SVI(toys.mean_model, toys.mean_guide, pyro.optim.Adam({"lr": 0.1}), Trace_ELBO()),
            r"pyro.infer.SVI, which fit takes the place of.*guide=guide",
        ),
        (nn.MSELoss(), "must be an Objective.*Player"),
    ],
)
def test_what_is_no_objective_of_ours_is_told_which_is(given: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        fit(toys.mean_model, X, guide=toys.mean_guide, steps=2, objective=given)
    assert "\n" not in str(caught.value)


def by_numpy(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    scale = torch.as_tensor(np.exp(mu.numpy()))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(0.0, scale), obs=x)


def test_a_latent_value_handed_to_numpy_is_a_sentence_wherever_a_gradient_is_needed() -> None:
    message = r"handed to NumPy, through which no gradient passes.*torch\.exp, not np\.exp"
    for run in (
        lambda: fit(by_numpy, X, guide=toys.mean_guide, steps=2),
        lambda: sample_posterior(by_numpy, X, chains=1, draws=9, tune=9, progress=False),
    ):
        with pytest.raises(PlausibleError, match=message) as caught:
            run()
        assert "\n" not in str(caught.value) and "detach" not in str(caught.value)
        assert isinstance(caught.value, (ModelError, TrainingError))


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(2, dtype=torch.complex64))

    def forward(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(self.w.abs().sum(), 1.0), obs=x)


@pytest.mark.parametrize("optimizer", [Adam(), SGD(0.1)])
def test_complex_parameters_are_refused_with_the_real_form(optimizer: Any) -> None:
    objective = ELBO(optimizer=optimizer)
    with pytest.raises(ModelError, match=r"'model_module.w' is complex.*torch.view_as_real\(w\)"):
        fit(Complex(), X, objective=objective, steps=2)
    frozen = Complex().requires_grad_(False)
    frozen.shift = nn.Parameter(torch.zeros(()))  # trains what is real next to what is frozen
    with pytest.raises(ModelError, match="does not depend on any parameter"):
        fit(frozen, X, objective=objective, steps=2)


def test_a_complex_loss_is_refused() -> None:
    def model(x: Tensor) -> None:
        pyro.factor("f", pyro.param("a", torch.tensor(1.0)) * torch.tensor(1.0 + 1.0j))

    with pytest.raises(ModelError, match=r"is complex \(torch.complex64\)"):
        fit(model, X, steps=2)


@pytest.mark.parametrize("kind", ["vae", "regressor"])
def test_log_prob_names_data_of_another_type_than_the_weights(kind: str) -> None:
    x = torch.zeros(5, 3)
    vae, regressor = VAE((3,), latent_size=1), Regressor((3,))
    model: Any = vae if kind == "vae" else regressor
    rest = () if kind == "vae" else (torch.zeros(5),)
    assert model.log_prob(x, *rest).shape == (5,)
    with pytest.raises(DataError, match=r"are torch.float64, but .* x.to\(torch.float32\)"):
        model.log_prob(x.double(), *rest)
    with pytest.raises(DataError, match="takes tensors, but got a ndarray"):
        model.log_prob(x.numpy(), *rest)
    assert model.double().log_prob(x.double(), *rest).dtype == torch.float64
