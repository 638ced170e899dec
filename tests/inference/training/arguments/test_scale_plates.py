"""Models that scale by N/B themselves: `scale_plates=False` leaves it to them."""

from pathlib import Path
from typing import Any

import pyro
import pyro.contrib.gp as gp
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro import poutine
from torch import Tensor

from plausible.inference import fit
from plausible.models import (
    ELBO,
    Adam,
    CheckpointError,
    ImportanceWeighted,
    ModelError,
    Objective,
    Renyi,
)

STILL = Adam(lr=1e-30)
ROWS = toys.ROWS[:, :1]


def by_hand(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)), poutine.scale(scale=len(ROWS) / len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0).expand([1]).to_event(1), obs=x)


def by_hand_without_a_plate(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    pyro.factor("x", -0.5 * (x - mu).square().sum() * len(ROWS) / len(x))


def unscaled(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0).expand([1]).to_event(1), obs=x)


def point_guide(x: Tensor) -> None:
    pyro.sample("mu", dist.Delta(pyro.param("point", torch.tensor(0.7))))


@pytest.mark.parametrize("objective", [ELBO(optimizer=STILL), Renyi(0.5, 1, optimizer=STILL)])
@pytest.mark.parametrize("model", [by_hand, by_hand_without_a_plate])
def test_minibatches_average_to_the_loss_of_all_data(model: Any, objective: Objective) -> None:
    given: dict[str, Any] = {"guide": point_guide, "objective": objective}
    whole = fit(model, ROWS, **given, steps=1).loss[0]
    with pytest.raises(ModelError):
        fit(model, ROWS, **given, batch_size=8, epochs=1)
    batches = fit(model, ROWS, **given, batch_size=8, epochs=1, scale_plates=False).loss
    assert batches.mean().item() == pytest.approx(whole.item(), rel=1e-5)
    same = fit(model, ROWS, **given, steps=1, scale_plates=False, validation=ROWS[:9])
    assert same.loss[0] == whole


def test_a_gaussian_process_of_pyro_counts_its_data_itself() -> None:
    """Its bound, written out: KL of the inducing values, and the mean log density of N data."""
    x, y = ROWS[:, 0], ROWS[:, 0].sin()
    inducing, scale = torch.linspace(-2.0, 2.0, 4), torch.tensor(0.3)
    process = gp.models.VariationalSparseGP(
        x, y, gp.kernels.RBF(1), inducing, gp.likelihoods.Gaussian(variance=scale), num_data=40
    )

    def model(x: Tensor, y: Tensor) -> None:
        process.set_data(x, y)
        process.model()

    def guide(x: Tensor, y: Tensor) -> None:
        process.guide()

    still = ELBO(optimizer=STILL)
    given: dict[str, Any] = {"guide": guide, "objective": still, "epochs": 1, "batch_size": 8}
    batches = fit(model, (x, y), **given, scale_plates=False).loss
    with pyro.get_param_store().scope():  # where Pyro keeps the parameters of what it calls
        covariance, cross = process.kernel(inducing), process.kernel(inducing, x)
    prior = dist.MultivariateNormal(torch.zeros(4), covariance)
    guess = dist.MultivariateNormal(torch.zeros(4), torch.eye(4))
    weights = torch.linalg.solve(covariance, cross)
    variance = 1.0 - (cross * weights).sum(0) + weights.square().sum(0)
    fitted = dist.Normal(0.0, (variance + scale).sqrt()).log_prob(y)
    exact = (torch.distributions.kl_divergence(guess, prior) - fitted.sum()) / 40
    # The jitter of 1e-6 on the diagonal moves the fifth digit.
    assert batches.mean().item() == pytest.approx(exact.item(), rel=1e-3)


def test_a_model_that_does_not_scale_is_found_out() -> None:
    with pytest.raises(ModelError, match=r"scale_plates=False leaves the scaling .* 'x' is twice"):
        fit(unscaled, ROWS, guide=point_guide, batch_size=8, steps=1, scale_plates=False)


def test_weights_of_single_data_need_plates() -> None:
    given: dict[str, Any] = {"batch_size": 8, "steps": 1, "scale_plates": False}
    with pytest.raises(ModelError, match="Single data have no importance weights"):
        fit(by_hand, ROWS, guide=toys.mean_guide, objective=ImportanceWeighted(2), **given)


def test_a_run_goes_on_with_the_scaling_that_it_began_with(tmp_path: Path) -> None:
    given: dict[str, Any] = {"guide": point_guide, "batch_size": 8}
    fit(by_hand, ROWS, **given, steps=2, scale_plates=False, out=tmp_path)
    with pytest.raises(CheckpointError, match="scale_plates=False, but now it is True"):
        fit(by_hand, ROWS, **given, steps=4, resume=tmp_path)
    assert fit(by_hand, ROWS, **given, steps=4, scale_plates=False, resume=tmp_path).steps == 4
