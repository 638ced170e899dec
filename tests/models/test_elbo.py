"""The tensor-only bound against Pyro's own estimators: same seed, same loss, same gradients."""

import math
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoMultivariateNormal,
    AutoNormal,
)
from torch import Tensor

from plausible.inference.program import UserProgram
from plausible.models import VAE, ImportanceWeighted, ModelError, Normal
from plausible.models.elbo import elbo, log_weights
from plausible.models.plates import Batch, find_layout

X = torch.tensor([[0.3, -1.2], [0.8, 0.1], [-0.5, 2.0], [1.5, 0.4], [0.2, 0.9]])
MASK = X[:, 0] > 0


def normal_model(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(torch.zeros(2), 2.0).to_event(1))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(loc, 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z, 0.5).to_event(1), obs=x)


def normal_guide(x: Tensor) -> None:
    a = pyro.param("a", torch.tensor([0.1, -0.2]))
    b = pyro.param("b", torch.tensor(0.7), constraint=dist.constraints.positive)
    c = pyro.param("c", torch.tensor(0.3))
    loc = pyro.sample("loc", dist.Normal(a, b).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(c * x + loc * 0.1, b).to_event(1))


def gamma_model(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(0.0, rate.reciprocal()), obs=x[:, 0])


def log_normal_guide(x: Tensor) -> None:
    a = pyro.param("a", torch.tensor(0.3))
    pyro.sample("rate", dist.LogNormal(a, 0.4))


def masked_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)), poutine.mask(mask=MASK), poutine.scale(scale=0.7):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 0.5), obs=x[:, 1])
    pyro.factor("penalty", -(z**2).sum() * 0.1)


def masked_guide(x: Tensor) -> None:
    a = pyro.param("a", torch.tensor(0.3))
    with pyro.plate("data", len(x)), poutine.mask(mask=MASK), poutine.scale(scale=0.7):
        pyro.sample("z", dist.Normal(a * x[:, 1], 0.6))


def reversed_guide(x: Tensor) -> None:
    """z first, then loc given z: a closed form of each site would not be the KL of the pair."""
    a = pyro.param("a", torch.tensor(0.3))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(a * x, 0.5).to_event(1))
    pyro.sample("loc", dist.Normal(z.mean(0), 0.4).to_event(1))


def discrete_model(x: Tensor) -> None:
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(0.3))
        z = pyro.sample("z", dist.Normal(k, 1.0))
        pyro.sample("x", dist.Normal(2 * k - 1 + z, 1.0), obs=x[:, 0])


def discrete_guide(x: Tensor) -> None:
    a = pyro.param("a", torch.tensor([0.2, -0.1, 0.4, 0.9, -1.0]))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Bernoulli(logits=a))
        pyro.sample("z", dist.Normal(a * k, 0.5))


def auxiliary_guide(x: Tensor) -> None:
    a = pyro.param("a", torch.tensor([0.1, -0.2]))
    u = pyro.sample("u", dist.Normal(a, 1.0).to_event(1), infer={"is_auxiliary": True})
    pyro.sample("loc", dist.Normal(u, 0.5).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(x * 0.5, 0.7).to_event(1))


CASES: dict[str, tuple[Any, Any, Any]] = {
    "closed-form KL": (normal_model, normal_guide, TraceMeanField_ELBO()),
    "sampled KL": (gamma_model, log_normal_guide, TraceMeanField_ELBO()),
    "mask, scale and factor": (masked_model, masked_guide, TraceMeanField_ELBO()),
    "guide in another order": (normal_model, reversed_guide, Trace_ELBO()),
    "score function": (discrete_model, discrete_guide, Trace_ELBO()),
    "auxiliary site": (normal_model, auxiliary_guide, TraceMeanField_ELBO()),
}


def loss_and_gradients(loss: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    pyro.set_rng_seed(7)
    value = loss()
    leaves = dict(pyro.get_param_store().named_parameters())
    gradients = torch.autograd.grad(value, list(leaves.values()))
    return value.detach(), dict(zip(leaves, gradients, strict=True))


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradients_equal_those_of_pyro(case: str) -> None:
    # Seen failing with the scale of the KL dropped, and with a closed form in the reversed guide.
    model, guide, theirs = CASES[case]
    with pyro.get_param_store().scope():
        batch = Batch((X,), {}, len(X))
        program = UserProgram(model, guide)
        batch = Batch((X,), {}, len(X), find_layout(program, batch))
        value, gradients = loss_and_gradients(lambda: -elbo(program, batch))
        expected, their_gradients = loss_and_gradients(
            lambda: theirs.differentiable_loss(model, guide, X)
        )
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == their_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, their_gradients[name], rtol=1e-4, atol=1e-5)


def test_the_score_function_gradient_is_unbiased() -> None:
    """Against the exact gradient, by enumerating the two values of a Bernoulli latent."""
    x = torch.tensor([0.8])

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(2 * k - 1, 1.0), obs=x)

    logit = torch.tensor([0.4], requires_grad=True)

    def guide(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("k", dist.Bernoulli(logits=logit))

    program = UserProgram(model, guide)
    batch = Batch((x,), {}, 1, find_layout(program, Batch((x,), {}, 1)))
    draws = torch.stack(
        [torch.autograd.grad(elbo(program, batch), logit)[0][0] for _ in range(4000)]
    )
    q = torch.sigmoid(logit)
    log_joint = [
        math.log(p) + dist.Normal(float(2 * k - 1), 1.0).log_prob(x)
        for k, p in ((0, 0.7), (1, 0.3))
    ]
    exact = (1 - q) * (log_joint[0] - (1 - q).log()) + q * (log_joint[1] - q.log())
    (expected,) = torch.autograd.grad(exact.sum(), logit)
    error = float(draws.std() / math.sqrt(len(draws)))
    assert abs(float(draws.mean() - expected)) < 4 * error


def test_minibatches_are_scaled_so_that_their_mean_is_the_full_bound() -> None:
    """The bound without noise (mean latents) is linear in the data, so batches average exactly."""
    with pyro.get_param_store().scope():
        program = UserProgram(normal_model, normal_guide)
        full = Batch((X[:4],), {}, 4)
        layout = find_layout(program, full)
        halves = [Batch((X[i : i + 2],), {}, 4, layout) for i in (0, 2)]
        whole = elbo(program, Batch(full.args, {}, 4, layout), sampled=False)
        parts = torch.stack([elbo(program, half, sampled=False) for half in halves])
    torch.testing.assert_close(parts.mean(), whole)


def test_weights_of_the_bound_are_weights_of_its_two_terms() -> None:
    vae = VAE((2,), 1, Normal(), hidden=())
    batch = Batch((X,), {}, len(X), find_layout(vae, Batch((X,), {}, len(X))))

    def at(w: float, beta: float | Tensor) -> Tensor:
        torch.manual_seed(3)
        return elbo(vae, batch, reconstruction=w, beta=beta)

    torch.testing.assert_close(at(0.3, torch.tensor(0.6)), 0.3 * at(1.0, 0.0) + 0.6 * at(0.0, 1.0))


def test_importance_weights_average_to_the_evidence() -> None:
    """E[w] = p(x): the mean weight of a linear VAE against its exact evidence, within 4 errors."""
    from plausible.models.linear_gaussian import evidence

    vae = VAE((2,), 1, Normal(), hidden=())
    batch = Batch((X,), {}, len(X), find_layout(vae, Batch((X,), {}, len(X))))
    with torch.no_grad():
        vae.encoder.layers[0].weight.zero_()  # q is the prior: weights are bounded, errors honest
        weights = log_weights(vae, batch, 20_000).exp()
    assert weights.shape == (20_000, 5)
    error = weights.std(0) / math.sqrt(20_000)
    assert ((weights.mean(0) - evidence(vae).log_prob(X).exp()).abs() < 4 * error).all()


def test_importance_weights_need_every_site_in_the_plate() -> None:
    with pyro.get_param_store().scope():
        program = UserProgram(normal_model, normal_guide)
        batch = Batch((X,), {}, len(X), find_layout(program, Batch((X,), {}, len(X))))
        with pytest.raises(ModelError, match="'loc' lies outside the plate"):
            log_weights(program, batch, 3)


@pytest.mark.parametrize(
    "kind", [AutoNormal, AutoDiagonalNormal, AutoMultivariateNormal, AutoDelta]
)
def test_autoguides_of_a_constrained_latent_keep_their_jacobian(kind: Any) -> None:
    """Against Trace_ELBO, at equal draws; Pyro's closed form drops the density of a Delta."""
    guide = kind(gamma_model)
    with pyro.get_param_store().scope():
        guide(X)
        program = UserProgram(gamma_model, guide)
        batch = Batch((X,), {}, len(X), find_layout(program, Batch((X,), {}, len(X))))
        pyro.set_rng_seed(7)
        value = -elbo(program, batch)
        pyro.set_rng_seed(7)
        expected = Trace_ELBO().differentiable_loss(gamma_model, guide, X)
        leaves = list(guide.parameters())
        ours = torch.autograd.grad(value, leaves)
        theirs = torch.autograd.grad(expected, leaves)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5)
    for gradient, their_gradient in zip(ours, theirs, strict=True):
        torch.testing.assert_close(gradient, their_gradient, rtol=1e-4, atol=1e-4)


def test_importance_weights_refuse_a_guide_that_is_not_reparametrised() -> None:
    with pyro.get_param_store().scope():
        program = UserProgram(discrete_model, discrete_guide)
        with pytest.raises(ModelError, match="'k' is not reparametrised"):
            ImportanceWeighted(3).prepare(program, Batch((X,), {}, len(X)), None)


def test_a_model_that_scales_its_batch_itself_is_refused() -> None:
    """Its minibatches would count N/B twice."""

    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)), poutine.scale(scale=5 / len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("loc", dist.Normal(0.0, 1.0))

    parts = [Batch((X[:size, 0],), {}, 5) for size in (3, 2)]
    with pytest.raises(ModelError, match="'x' has a scale that follows the batch"):
        find_layout(UserProgram(model, guide), *parts)
