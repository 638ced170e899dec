"""Held-out figures against closed forms."""

import math

import pyro.distributions as dist
import pytest
import torch
from torch.distributions import kl_divergence

from plausible.inference.evaluation.bounds import Bound, evaluate
from plausible.models import VAE, DataError, Normal
from plausible.models.autoencoders.linear_gaussian import evidence


def test_bounds_of_a_linear_vae_agree_with_their_closed_forms() -> None:
    """KL exactly; the importance-weighted bound with ln p(x), its bias at 2,000 draws below .02."""
    vae = VAE((4,), 2, Normal(), hidden=())
    torch.nn.init.zeros_(vae.encoder.layers[0].weight)  # proposals as wide as the prior
    x = evidence(vae).sample((300,))
    result = evaluate(vae, x, particles=2000)
    with torch.no_grad():
        exact = evidence(vae).log_prob(x)
        q = vae.encode(x).base_dist
        kl = kl_divergence(q, dist.Normal(torch.zeros(2), 1.0)).sum(-1)
    assert result.kl.mean == pytest.approx(float(kl.mean()), abs=1e-5)
    assert result.log_likelihood.mean == pytest.approx(float(exact.mean()), abs=0.02)
    expected_error = float(exact.std()) / math.sqrt(300)
    assert result.log_likelihood.error == pytest.approx(expected_error, rel=0.05)
    assert result.elbo.mean == pytest.approx(result.reconstruction.mean - result.kl.mean, abs=1e-4)
    assert result.elbo.mean < result.log_likelihood.mean


def test_evaluation_moves_nothing_and_repeats_itself() -> None:
    vae = VAE((4,), 2, Normal())
    x = torch.randn(20, 4)
    weights = {name: value.clone() for name, value in vae.state_dict().items()}
    state = torch.get_rng_state()
    first, second = evaluate(vae, x, seed=3), evaluate(vae, x, seed=3)
    assert first == second
    assert evaluate(vae, x, seed=4) != first
    assert torch.equal(torch.get_rng_state(), state)
    assert vae.training
    assert all(torch.equal(value, weights[name]) for name, value in vae.state_dict().items())


def test_the_error_of_a_bound_is_that_of_its_mean() -> None:
    """Over 500 repetitions the means spread as the errors say, within 4 errors of a spread."""
    bounds = [Bound.of(torch.randn(50) * 3) for _ in range(500)]
    spread = torch.tensor([b.mean for b in bounds]).std()
    stated = torch.tensor([b.error for b in bounds]).mean()
    assert float(spread / stated) == pytest.approx(1.0, abs=4 / math.sqrt(2 * 500))


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(DataError, match="no data"):
        evaluate(VAE((4,), 2, Normal()), torch.zeros(0, 4))
