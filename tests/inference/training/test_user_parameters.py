"""A user's own parameters: where they live, how they come back, what they reach."""

import math

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro.infer import Predictive
from torch import Tensor, nn

from plausible.inference import Fit, fit
from plausible.inference.program import as_program
from plausible.models import (
    ELBO,
    Adam,
    MaximumLikelihood,
)
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.bounds import elbo
from plausible.models.objectives.plates import find_layout


def test_params_come_back_constrained_and_the_scope_runs_with_them() -> None:
    x = toys.normal_data(100)
    objective = ELBO(optimizer=Adam(0.05))
    result = fit(toys.mean_model, x, guide=toys.mean_guide, objective=objective, steps=300)
    assert sorted(result.params) == ["loc", "scale"]
    assert result.params["scale"] > 0 and not result.params["scale"].requires_grad
    assert not pyro.get_param_store().keys()
    with result.scope():
        draws = Predictive(toys.mean_model, guide=toys.mean_guide, num_samples=400)(x)["mu"]
    # The standard error of the mean of 400 draws of sd 0.1 is 0.005; four of them are allowed.
    assert draws.mean().item() == pytest.approx(result.params["loc"].item(), abs=0.02)


def least_squares(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients with the constant last, and the maximum likelihood scale of the residuals."""
    design = torch.cat([x, torch.ones(len(x), 1)], 1)
    coefficients = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
    return coefficients, (y - design @ coefficients).square().mean().sqrt()


def test_maximum_likelihood_of_a_plain_function_is_least_squares() -> None:
    x, y = toys.regression_data()
    coefficients, scale = least_squares(x, y)
    net = nn.Linear(2, 1)
    result = fit(
        toys.closed_over(net), (x, y), objective=MaximumLikelihood(optimizer=Adam(0.05)), steps=1000
    )
    # Full batches have no noise; 1e-3 is what Adam leaves after 1000 steps.
    assert torch.allclose(net.weight[0], coefficients[:2], atol=1e-3)
    assert torch.allclose(net.bias, coefficients[2:], atol=1e-3)
    assert result.params["scale"].item() == pytest.approx(scale.item(), rel=5e-3)
    assert torch.equal(result.params["net$$$weight"], net.weight)
    exact = 0.5 * math.log(2 * math.pi) + scale.log().item() + 0.5
    assert result.loss[-1].item() == pytest.approx(exact, abs=1e-4)  # nats per datum


def test_maximum_likelihood_of_a_pyro_module_is_least_squares() -> None:
    x, y = toys.regression_data()
    coefficients, scale = least_squares(x, y)
    model = toys.Heteroscedastic()
    result = fit(model, (x, y), objective=ELBO(optimizer=Adam(0.05)), steps=1000)
    assert torch.allclose(model.linear.weight[0], coefficients[:2], atol=1e-3)
    assert model.scale.item() == pytest.approx(scale.item(), rel=5e-3)
    assert result.params["scale"].item() == pytest.approx(model.scale.item(), rel=1e-6)


class ExampleVAE(nn.Module):
    """In the manner of Pyro's tutorial: methods of a module that name their networks."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.encoder = nn.Linear(2, 4), nn.Linear(4, 4)

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", x.shape[0]):
            z = pyro.sample("latent", dist.Normal(torch.zeros(len(x), 2), 1.0).to_event(1))
            pyro.sample("obs", dist.Normal(self.decoder(z), 1.0).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        with pyro.plate("data", x.shape[0]):
            loc, log_scale = self.encoder(x).chunk(2, -1)
            pyro.sample("latent", dist.Normal(loc, log_scale.exp()).to_event(1))


def test_methods_of_a_module_are_trained_as_functions_are() -> None:
    x = toys.normal_data(50, 4)
    results: list[tuple[Fit, ExampleVAE]] = []
    for wrap in (lambda f: f, lambda f: lambda x: f(x)):  # known module, unknown module
        torch.manual_seed(0)
        vae = ExampleVAE()
        result = fit(wrap(vae.model), x, guide=wrap(vae.guide), batch_size=16, steps=30)
        results.append((result, vae))
    (first, known), (second, unknown) = results
    assert torch.equal(first.loss, second.loss)
    assert torch.equal(known.decoder.weight, unknown.decoder.weight)
    assert torch.equal(first.params["decoder$$$weight"], known.decoder.weight)
    torch.manual_seed(0)
    assert not torch.equal(ExampleVAE().decoder.weight, known.decoder.weight)


def test_lazy_layers_are_made_before_they_are_trained() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.LazyLinear(1))

        def forward(self, x: Tensor, y: Tensor) -> None:
            with pyro.plate("data", len(x)):
                pyro.sample("y", dist.Normal(self.net(x)[:, 0], 1.0), obs=y)

    model = Lazy()
    result = fit(model, toys.regression_data(), objective=ELBO(optimizer=Adam(0.05)), steps=50)
    assert result.loss[-1] < result.loss[0] and model.net[0].weight.shape == (4, 2)


# Discrete latents: the gradient by scores.


def switch_loss(slope: Tensor, x: Tensor) -> Tensor:
    """The negative ELBO per datum of the switch model, k summed exactly."""
    logits = slope * x
    q = torch.stack([torch.sigmoid(-logits), torch.sigmoid(logits)])
    log_q = torch.stack([-nn.functional.softplus(logits), -nn.functional.softplus(-logits)])
    k = torch.tensor([[0.0], [1.0]])
    prior = torch.tensor([[0.7], [0.3]]).log()
    log_p = prior + dist.Normal(3.0 * k, 1.0).log_prob(x)
    return -(q * (log_p - log_q)).sum(0).mean()


def test_the_score_function_gradient_is_that_of_exact_enumeration() -> None:
    x = toys.normal_data(40_000)
    exact_slope = torch.tensor(1.2, requires_grad=True)
    exact = switch_loss(exact_slope, x)
    exact.backward()
    program = as_program(toys.switch_model, toys.switch_guide)
    gradients, values = [], []
    with pyro.get_param_store().scope():
        batch = Batch((x,), {}, len(x))
        layout = find_layout(program, batch)
        slope = next(p for _, p in program.named_parameters())
        with torch.no_grad():
            slope.fill_(1.2)
        for _ in range(20):
            loss = -elbo(program, Batch((x,), {}, len(x), layout)) / len(x)
            gradients.append(torch.autograd.grad(loss, slope)[0])
            values.append(loss.detach())
    # 20 independent estimates give the standard error; four of them are allowed.
    for found, known in ((gradients, exact_slope.grad), (values, exact.detach())):
        estimates = torch.stack(found)
        error = estimates.std() / math.sqrt(len(found))
        assert known is not None and error < 0.02 * known.abs()
        assert (estimates.mean() - known).abs() < 4 * error


def switch_exact_guide(x: Tensor) -> None:
    slope = pyro.param("slope", torch.tensor(0.1))
    shift = pyro.param("shift", torch.tensor(0.0))
    with pyro.plate("data", len(x)):
        pyro.sample("k", dist.Bernoulli(logits=slope * x + shift))


def test_discrete_latents_get_their_exact_posterior() -> None:
    """ln odds of k given x: ln(0.3 / 0.7) + 3 x - 4.5, which the guide can follow."""
    k = torch.bernoulli(torch.full((2000,), 0.3), generator=toys.seeded(8))
    x = 3 * k + torch.randn(2000, generator=toys.seeded(9))
    objective = ELBO(optimizer=Adam(0.1))
    result = fit(toys.switch_model, x, guide=switch_exact_guide, objective=objective, steps=800)
    # The gradient's noise vanishes at the exact posterior, where every reward is the same.
    assert result.params["slope"].item() == pytest.approx(3.0, abs=0.15)
    assert result.params["shift"].item() == pytest.approx(math.log(3 / 7) - 4.5, abs=0.25)
    evidence = torch.logsumexp(
        torch.stack(
            [
                math.log(0.7) + dist.Normal(0.0, 1.0).log_prob(x),
                math.log(0.3) + dist.Normal(3.0, 1.0).log_prob(x),
            ]
        ),
        0,
    )
    assert result.loss[-1].item() == pytest.approx(-evidence.mean().item(), abs=0.01)
