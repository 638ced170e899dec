"""Generator networks: their draws are those of the Pyro model, and what is drawn is known."""

import math
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.autoguide import AutoNormal
from torch import Tensor, nn

from plausible.inference import fit
from plausible.models import ELBO, Adam, DataError, ModelError, Normal, UnknownName
from plausible.models.base import from_config
from plausible.models.generators.generator import ConditionalGenerator, GeneratorNetwork

NAMES = ("normal", "diagonal-normal", "laplace", "bernoulli", "continuous-bernoulli")
IMAGE = (3, 9, 8)


def linear(generator: GeneratorNetwork | ConditionalGenerator) -> nn.Linear:
    return generator.network.layers[-1]  # type: ignore[union-attr, return-value, index]


@pytest.mark.parametrize("likelihood", [None, *NAMES])
@pytest.mark.parametrize("network", ["mlp", "transposed", "upsample"])
def test_every_network_and_likelihood_samples_and_decodes(
    likelihood: str | None, network: Any
) -> None:
    generator = GeneratorNetwork(IMAGE, 4, likelihood, network, hidden=(16,))
    assert generator.sample(7).shape == (7, *IMAGE)
    z = torch.randn(2, 5, 4)
    p = generator.decode(z)
    assert (p.batch_shape, p.event_shape) == ((2, 5), IMAGE)
    torch.testing.assert_close(generator.generate(z), p.mean)
    conditional = ConditionalGenerator((6,), IMAGE, 4, likelihood, network, hidden=(16,))
    assert conditional.sample(torch.randn(5, 6), draws=3).shape == (3, 5, *IMAGE)


def test_samples_are_those_of_the_trace_z_first_and_x_given_z_after_it() -> None:
    generator = GeneratorNetwork((3,), 2, "diagonal-normal", hidden=(8,))
    trace = poutine.trace(generator.model).get_trace(size=11)
    torch.manual_seed(1)
    drawn = generator.sample(11)
    torch.manual_seed(1)
    z = torch.distributions.Normal(torch.zeros(11, 2), 1.0).sample()
    torch.testing.assert_close(drawn, generator.decode(z).sample())
    assert [name for name in trace.nodes if name in "zx"] == ["z", "x"]
    z, x = trace.nodes["z"]["value"], trace.nodes["x"]["value"]
    trace.compute_log_prob()
    prior = dist.Normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(trace.nodes["z"]["log_prob"], prior)
    torch.testing.assert_close(trace.nodes["x"]["log_prob"], generator.decode(z).log_prob(x))


@pytest.mark.parametrize("scale", [None, 0.5])
def test_ancestral_samples_of_a_linear_generator_have_the_exact_mean_and_covariance(
    scale: float | None,
) -> None:
    """x ~ N(b, W Wᵀ + s² I); elementwise, 5 standard errors. Seen failing with √s in place of s."""
    generator = GeneratorNetwork((3,), 2, Normal(scale) if scale else None, hidden=())
    n, (w, b) = 40_000, (linear(generator).weight.detach(), linear(generator).bias.detach())
    exact = w @ w.T + (scale or 0.0) ** 2 * torch.eye(3)
    x = generator.sample(n)
    spread = exact.diagonal()
    assert ((x.mean(0) - b).abs() < 5 * (spread / n).sqrt()).all()
    error = ((spread[:, None] * spread + exact.square()) / n).sqrt()
    assert ((x.T.cov() - exact).abs() < 5 * error).all()


def test_without_an_output_distribution_x_is_a_function_of_z_and_has_no_density() -> None:
    generator = GeneratorNetwork((2,), 2)
    trace = poutine.trace(generator.model).get_trace(size=6)
    z = trace.nodes["z"]["value"]
    torch.testing.assert_close(trace.nodes["x"]["value"], generator.generate(z))
    assert trace.nodes["x"]["infer"]["_deterministic"]
    assert float(trace.log_prob_sum()) == pytest.approx(
        float(dist.Normal(0.0, 1.0).log_prob(z).sum()), rel=1e-5
    )
    with pytest.raises(ModelError, match=r"cannot score data.*likelihood='normal'"):
        generator.model(torch.zeros(6, 2))
    with pytest.raises(ModelError, match="cannot score data"):
        ConditionalGenerator((1,), (2,)).model(torch.zeros(6, 1), torch.zeros(6, 2))


def test_one_condition_has_many_outputs_from_the_exact_conditional_distribution() -> None:
    """With a linear network x given c is N(W_z W_zᵀ + s² I around W_c c + b), 5 standard errors.

    Seen failing with the condition left out of the network's input.
    """
    generator = ConditionalGenerator((2, 2), (3,), 2, Normal(0.3), hidden=())
    w, b = linear(generator).weight.detach(), linear(generator).bias.detach()
    condition = torch.randn(2, 2, 2)
    n = 20_000
    x = generator.sample(condition, draws=n)
    exact = w[:, :2] @ w[:, :2].T + 0.09 * torch.eye(3)
    spread = exact.diagonal()
    error = ((spread[:, None] * spread + exact.square()) / n).sqrt()
    for k in range(2):
        centre = w[:, 2:] @ condition[k].flatten() + b
        assert ((x[:, k].mean(0) - centre).abs() < 5 * (spread / n).sqrt()).all()
        assert ((x[:, k].T.cov() - exact).abs() < 5 * error).all()


def test_one_condition_has_many_outputs_without_an_output_distribution_too() -> None:
    generator = ConditionalGenerator((4,), (2,), 3)
    c = torch.randn(1, 4)
    x = generator.sample(c, draws=50).squeeze(1)
    assert len(x.unique(dim=0)) == 50
    z = torch.randn(50, 3)
    broadcast = generator.generate(z, c)
    torch.testing.assert_close(broadcast, generator.generate(z, c.expand(50, 4)))
    assert generator.generate(torch.randn(7, 1, 3), torch.randn(5, 4)).shape == (7, 5, 2)
    number = ConditionalGenerator((), (2,), 3)
    assert number.sample(torch.randn(5)).shape == (1, 5, 2)


def test_it_can_be_trained_with_a_guide_and_then_fits_the_data() -> None:
    """A linear generator with a guide for each datum: the fit's noise scale is PCA's, 3 %.

    The bound with a mean-field guide for each datum is exact at one latent dimension, so its
    maximum is that of probabilistic principal component analysis.
    """
    direction, n = torch.tensor([0.6, 0.8]), 500
    x = torch.randn(n, 1) * 2 * direction + 0.5 * torch.randn(n, 2)
    generator = GeneratorNetwork((2,), 1, Normal("learned"), hidden=())
    fit(
        generator,
        x,
        guide=AutoNormal(generator.model),
        steps=700,
        batch_size=None,
        objective=ELBO(optimizer=Adam(3e-2)),
    )
    least = float(torch.linalg.eigvalsh(x.T.cov(correction=0))[0]) ** 0.5
    assert generator.likelihood is not None
    scale = float(generator.likelihood.current_scale(x).detach())  # type: ignore[operator]
    assert scale == pytest.approx(least, rel=0.03)


def test_its_config_builds_the_same_generator() -> None:
    for generator in (
        GeneratorNetwork(IMAGE, 3, Normal("learned"), "upsample", (7,), init="glorot"),
        ConditionalGenerator((2,), IMAGE, 3, network="transposed", hidden=(7,)),
    ):
        twin = from_config(generator.config())
        assert type(twin) is type(generator)
        shapes = {name: p.shape for name, p in generator.named_parameters()}
        assert {name: p.shape for name, p in twin.named_parameters()} == shapes


def test_parameters_are_the_modules_own_and_sampling_moves_none() -> None:
    generator = GeneratorNetwork((2,), 2, "normal")
    before = [p.detach().clone() for p in generator.parameters()]
    assert not generator.sample(5).requires_grad
    assert generator.generate(torch.randn(5, 2)).requires_grad
    for parameter, old in zip(generator.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


def refused(error: type[Exception], match: str, *batch: Tensor, **options: Any) -> None:
    with pytest.raises(error, match=match):
        GeneratorNetwork((2,), **options).check(*batch)


def test_what_cannot_be_built_or_drawn_is_refused_in_a_sentence() -> None:
    with pytest.raises(ModelError, match="at least 1, but got 0"):
        GeneratorNetwork((2,), 0)
    with pytest.raises(UnknownName, match="Did you mean 'normal'"):
        GeneratorNetwork((2,), likelihood="normall")
    with pytest.raises(UnknownName, match="Accepted: mlp, transposed, upsample"):
        GeneratorNetwork((2,), network="unet")  # type: ignore[arg-type]
    generator = GeneratorNetwork((2,), 2, "normal")
    with pytest.raises(ModelError, match="Give the data x, or the size"):
        generator.model()
    with pytest.raises(ModelError, match="positive number of draws"):
        generator.sample(0)
    with pytest.raises(ModelError, match=r"no guide.*guide= to fit"):
        fit(generator, torch.zeros(5, 2), steps=1)
    refused(DataError, "one tensor of data, but got 2", torch.zeros(3, 2), torch.zeros(3, 2))
    refused(DataError, r"shape \(N, 2\), but got \(3, 4\)", torch.zeros(3, 4))
    refused(DataError, "not finite", torch.full((3, 2), math.nan))
    refused(
        DataError, "floating-point numbers, but the data are torch.int64", torch.ones(3, 2).long()
    )
    refused(DataError, "accepts 0 and 1", torch.full((3, 2), 0.5), likelihood="bernoulli")


def test_conditions_that_do_not_fit_are_refused_in_a_sentence() -> None:
    generator = ConditionalGenerator((3,), (2,), 2, "normal")
    with pytest.raises(DataError, match=r"conditions of shape \(N, 3\), but got \(5, 2\)"):
        generator.sample(torch.zeros(5, 2))
    with pytest.raises(ModelError, match="positive number of draws"):
        generator.sample(torch.zeros(5, 3), draws=0)
    with pytest.raises(DataError, match=r"conditions and data, \(c, x\), but got 1"):
        generator.check(torch.zeros(5, 3))
    with pytest.raises(DataError, match=r"data of shape \(N, 2\)"):
        generator.check(torch.zeros(5, 3), torch.zeros(5, 4))
