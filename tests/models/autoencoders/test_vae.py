"""The VAE: its bound, its exact relatives, its gradient, its networks and its refusals."""

import math
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.inference import fit
from plausible.models import (
    ELBO,
    VAE,
    Adam,
    DataError,
    ImportanceWeighted,
    Likelihood,
    ModelError,
    Normal,
    UnknownName,
)
from plausible.models.autoencoders.linear_gaussian import evidence, posterior, ppca_log_likelihood
from plausible.models.base import from_config
from plausible.models.objectives.batch import Batch, draws_at_once
from plausible.models.objectives.bounds import elbo
from plausible.models.objectives.plates import find_layout


def with_layout(vae: VAE, x: Tensor) -> Batch:
    batch = Batch((x,), {}, len(x))
    return Batch((x,), {}, len(x), find_layout(vae, batch))


def latent_line(n: int, d: int = 6, q: int = 2) -> Tensor:
    """Data of a linear-Gaussian model with well separated directions."""
    generator = torch.Generator().manual_seed(5)
    weight = torch.linalg.qr(torch.randn(d, q, generator=generator)).Q * torch.tensor([2.0, 1.2])
    z = torch.randn(n, q, generator=generator)
    return z @ weight.T + 0.5 * torch.randn(n, d, generator=generator) + 1.0


def prior_proposals() -> VAE:
    """A linear VAE whose encoder ignores the data: q is the prior, weights are bounded."""
    vae = VAE((6,), 2, Normal(), hidden=())
    torch.nn.init.zeros_(vae.encoder.layers[0].weight)
    torch.nn.init.constant_(vae.decoder.layers[0].weight, 0.5)
    return vae


def exact_elbo(vae: VAE, x: Tensor) -> Tensor:
    """The bound of a linear-Gaussian VAE without sampling: every expectation in closed form."""
    q = vae.encode(x).base_dist
    linear = vae.decoder.layers[0]
    s = vae.likelihood.current_scale(x)
    mean = q.loc @ linear.weight.T + linear.bias
    spread = (q.variance.unsqueeze(-2) * linear.weight.square()).sum(-1)
    expected = -0.5 * (((x - mean) ** 2 + spread) / s**2 + 2 * s.log() + math.log(2 * math.pi))
    kl = kl_divergence(q, dist.Normal(torch.zeros_like(q.loc), 1.0)).sum(-1)
    return expected.sum(-1) - kl


def to_posterior(vae: VAE, x: Tensor) -> Tensor:
    """KL(q(z given x) || p(z given x)), exact."""
    q = vae.encode(x)
    full = dist.MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    return kl_divergence(full, posterior(vae, x))


@pytest.mark.parametrize("scale", [0.3, 1.0, "learned"])
def test_elbo_plus_kl_to_the_posterior_is_the_log_evidence(scale: float | str) -> None:
    """ln p(x) = ELBO + KL(q || p(z given x)) at random weights: 1e-4 is rounding."""
    vae = VAE((6,), 2, Normal(scale), hidden=())
    x = latent_line(50)
    with torch.no_grad():
        total = exact_elbo(vae, x) + to_posterior(vae, x)
        torch.testing.assert_close(total, evidence(vae).log_prob(x), rtol=1e-4, atol=1e-4)
        assert float(to_posterior(vae, x).mean()) > 0.1  # the identity is not met trivially


def test_the_sampled_bound_has_the_exact_expectation() -> None:
    vae = VAE((6,), 2, Normal(), hidden=())
    x = latent_line(20)
    batch = with_layout(vae, x)
    with torch.no_grad():
        draws = torch.stack([elbo(vae, batch) for _ in range(3000)])
        exact = exact_elbo(vae, x).sum()
    error = float(draws.std()) / math.sqrt(len(draws))
    assert abs(float(draws.mean() - exact)) < 4 * error


def test_the_reparametrised_gradient_has_the_exact_expectation() -> None:
    """Gradient draws of encoder and decoder against the closed form's; 4 standard errors each."""
    vae = VAE((6,), 1, Normal(), hidden=())
    x = latent_line(10)
    batch = with_layout(vae, x)
    weights = [p for p in vae.parameters() if p.requires_grad]

    def gradient(loss: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])

    draws = torch.stack([gradient(elbo(vae, batch)) for _ in range(2000)])
    exact = gradient(exact_elbo(vae, x).sum())
    error = draws.std(0) / math.sqrt(len(draws)) + 1e-6
    # 26 weights: the largest of 26 standard normals exceeds 4.5 once in 5,000 runs.
    assert float(((draws.mean(0) - exact) / error).abs().max()) < 4.5


def test_a_trained_linear_vae_reaches_the_exact_ppca_likelihood() -> None:
    """With all data a step and a falling rate, the bound closes to within its own noise, .02 nats.

    Every stationary maximum of the bound of a linear VAE is the PPCA solution (Lucas et al. 2019),
    and its diagonal posterior is then exact. Seen failing with beta = 2.
    """
    x = latent_line(1000)
    vae = VAE((6,), 2, Normal("learned"), hidden=())
    for lr, steps in ((2e-2, 600), (3e-3, 600), (5e-4, 400)):
        fit(vae, x, steps=steps, batch_size=None, objective=ELBO(optimizer=Adam(lr)))
    best = ppca_log_likelihood(x, 2)
    with torch.no_grad():
        reached = float(evidence(vae).log_prob(x).mean())
        bound = float(exact_elbo(vae, x).mean())
    assert reached <= best + 1e-4
    assert best - reached < 0.02
    assert best - bound < 0.03


def test_ppca_likelihood_equals_that_of_its_closed_form_solution() -> None:
    """Independent of the formula: the density at W = U (L - s2 I)^1/2, evaluated point by point."""
    x = latent_line(500).double()
    values, vectors = torch.linalg.eigh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x))
    noise = values[:-2].mean()
    weight = vectors[:, -2:] * (values[-2:] - noise).sqrt()
    covariance = weight @ weight.T + noise * torch.eye(6, dtype=torch.double)
    density = dist.MultivariateNormal(x.mean(0), covariance).log_prob(x).mean()
    assert ppca_log_likelihood(x, 2) == pytest.approx(float(density), abs=1e-9)


def test_closed_form_kl_equals_monte_carlo_kl() -> None:
    vae = VAE((6,), 3, Normal(), hidden=(8,))
    x = latent_line(5)
    with torch.no_grad():
        q = vae.encode(x)
        prior = dist.Normal(torch.zeros(3), 1.0).to_event(1)
        closed = kl_divergence(q, prior.expand(q.batch_shape))
        z = q.sample((20_000,))
        draws = q.log_prob(z) - prior.log_prob(z)
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - closed).abs() < 4 * error).all()


def test_more_particles_tighten_the_bound_up_to_the_evidence() -> None:
    vae = prior_proposals()
    x = latent_line(40)
    exact = evidence(vae).log_prob(x).detach()
    one, many = (torch.stack([vae.log_prob(x, k) for _ in range(20)]) for k in (1, 2000))
    assert float((exact - one).mean()) > 0.1
    # The bias at K particles is about Var(w) / 2K; here below .05 nats.
    assert float((exact - many).mean()) == pytest.approx(0.0, abs=0.05)


def test_log_prob_in_chunks_is_the_same_estimate() -> None:
    vae = prior_proposals()
    x = latent_line(30)
    whole, parts = vae.log_prob(x, 3000), vae.log_prob(x, 3000, chunk=700)
    assert parts.shape == (30,)
    assert float((whole - parts).abs().max()) < 0.5  # two estimates with their own draws
    assert float((whole - parts).mean()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("pixels", "most"), [(6, 10_000), (2**20, 8)])
def test_fewer_draws_are_decoded_at_a_time_the_larger_they_are(pixels: int, most: int) -> None:
    """Seen failing with 10,000 draws whatever their size: 40 GB for images of a megapixel."""
    vae = VAE((pixels,), 1, Normal(), hidden=())
    counts = []
    decode = vae.decode

    def decoding(z: Tensor) -> Any:
        counts.append(z.shape[:-1].numel())
        return decode(z)

    vae.decode = decoding  # type: ignore[method-assign]
    vae.log_prob(torch.zeros(1, pixels), particles=20)
    assert max(counts) == min(most, 20) and sum(counts) == 20
    assert draws_at_once(None, torch.zeros(1).expand(3, 2**25)) == 1
    with pytest.raises(ModelError, match="chunk is the number of draws at a time"):
        vae.log_prob(torch.zeros(1, pixels), chunk=0)


def test_the_importance_weighted_objective_is_the_mean_of_log_mean_weights() -> None:
    vae = VAE((6,), 2, Normal(), hidden=())
    x = latent_line(30)
    batch = with_layout(vae, x)
    objective = ImportanceWeighted(particles=50)
    (player,) = objective.players()
    with torch.no_grad():
        losses = torch.stack([player.loss(vae, batch, objective.state(vae)) for _ in range(200)])
        bounds = torch.stack([vae.log_prob(x, 50).mean() for _ in range(200)])
    error = math.hypot(float(losses.std()), float(bounds.std())) / math.sqrt(200)
    assert abs(float(losses.mean() + bounds.mean())) < 4 * error


@pytest.mark.parametrize("objective", [ELBO(), ImportanceWeighted(5)])
@pytest.mark.parametrize("network", ["mlp", "convolutional"])
def test_training_raises_the_held_out_bound(objective: ELBO, network: str) -> None:
    """Stripes of random phase: from an untrained VAE to one better than independent pixels."""
    phase = torch.rand(300, 1, 1, 1) * 6.28
    grid = torch.arange(8) * 1.57
    x = (torch.sin(grid + phase).expand(-1, 1, 8, 8) > 0).float()
    vae = VAE((1, 8, 8), 2, network=network, hidden=(32,))
    p = x.mean(0).clamp(0.01, 0.99)
    independent = float(dist.Bernoulli(p).log_prob(x).sum((1, 2, 3)).mean())
    before = float(vae.log_prob(x[200:], 20).mean())
    fit(vae, x[:200], epochs=25, batch_size=50, objective=type(objective)(optimizer=Adam(3e-3)))
    after = float(vae.log_prob(x[200:], 20).mean())
    assert before < independent < after - 10


@pytest.mark.parametrize("name", ["normal", "diagonal-normal", "laplace", "bernoulli",
                                  "continuous-bernoulli", "binary-cross-entropy"])  # fmt: skip
@pytest.mark.parametrize("network", ["mlp", "convolutional"])
def test_every_likelihood_and_network_samples_encodes_and_decodes(name: str, network: str) -> None:
    vae = VAE((3, 9, 11), 4, name, network, hidden=(16,))
    x = (torch.rand(5, 3, 9, 11) > 0.5).float()
    assert vae.sample(7).shape == (7, 3, 9, 11)
    assert vae.encode(x).event_shape == (4,)
    assert vae.decode(torch.zeros(2, 5, 4)).batch_shape == (2, 5)
    assert vae.reconstruct(x).shape == x.shape
    assert vae.log_prob(x, 3).shape == (5,)
    assert math.isfinite(float(fit(vae, x, steps=2).loss[-1]))


def test_samples_come_from_the_model() -> None:
    """Mean and covariance of ancestral samples against the exact evidence, 5 standard errors."""
    vae = VAE((3,), 2, Normal(0.5), hidden=())
    x = vae.sample(40_000)
    p = evidence(vae)
    error = p.variance.sqrt() / math.sqrt(len(x))
    assert ((x.mean(0) - p.mean).abs() < 5 * error).all()
    torch.testing.assert_close(x.T.cov(), p.covariance_matrix.detach(), rtol=0.05, atol=0.05)


def test_its_config_builds_the_same_model() -> None:
    vae = VAE((1, 8, 8), 3, Normal("learned", min_scale=0.01), "convolutional", hidden=(7,))
    twin = from_config(vae.config())
    assert isinstance(twin, VAE)
    assert isinstance(twin.likelihood, Likelihood)
    assert twin.likelihood.config() == vae.likelihood.config()
    shapes = {name: p.shape for name, p in vae.named_parameters()}
    assert {name: p.shape for name, p in twin.named_parameters()} == shapes


def test_what_cannot_be_built_is_refused_in_a_sentence() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'bernoulli'"):
        VAE((4,), likelihood="bernouli")
    with pytest.raises(UnknownName, match="Did you mean 'mlp'"):
        VAE((4,), network="mpl")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="at least 1, but got 0"):
        VAE((4,), 0)
    with pytest.raises(DataError, match=r"shape \(N, 4\), but got \(3, 5\)"):
        VAE((4,)).log_prob(torch.zeros(3, 5))
    with pytest.raises(ModelError, match="particles >= 1"):
        VAE((4,)).log_prob(torch.zeros(3, 4), 0)
    with pytest.raises(ModelError, match="guide needs data"):
        VAE((4,)).guide(size=3)


def test_a_vae_in_double_precision_samples_and_scores_in_it() -> None:
    # Seen failing with a prior of the default type.
    vae = VAE((5,), 2, "normal", hidden=(4,)).double()
    x = vae.sample(3)
    assert x.dtype == vae.log_prob(x).dtype == torch.float64
