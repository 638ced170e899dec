"""The problems made of formulas: draws follow them, and their floors are those of the entropy."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from torch import Tensor

from plausible.inference.data import (
    HETEROSCEDASTIC,
    INVERSE_SINE,
    INVERSE_WAVE,
    NoisyInverse,
    clusters,
    clusters_density,
    problem,
    ring,
    ring_density,
)
from plausible.models import UnknownName
from plausible.models.distributions.normal_mixture import NormalMixture

PROBLEMS = pytest.mark.parametrize("source", [INVERSE_SINE, INVERSE_WAVE], ids=["sine", "wave"])


def conditional(source: NoisyInverse, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ln p(t given x), and mean and variance of t given x, by sums over a grid of causes."""
    grid = torch.linspace(source.low, source.high, 4001, dtype=torch.double)
    noise: torch.distributions.Distribution
    width = torch.tensor(source.noise, dtype=torch.double)
    if source.uniform:
        # A hair wider than the noise, so that rounding never puts a datum outside.
        wide = width + 1e-6
        noise = torch.distributions.Uniform(-wide, wide, validate_args=False)
    else:
        noise = torch.distributions.Normal(torch.zeros_like(width), width)
    x, t = x.double(), t.double()
    scores = torch.cat([noise.log_prob(part - source.curve(grid)) for part in x.split(500)])
    weights = scores.softmax(-1)
    mean = weights @ grid
    log_p = noise.log_prob(x.squeeze(-1) - source.curve(t))
    marginal = scores.logsumexp(-1) - math.log(len(grid))
    log_prior = -math.log(source.high - source.low)
    return log_p + log_prior - marginal, mean, weights @ grid**2 - mean**2


@PROBLEMS
def test_the_floors_are_what_the_true_conditional_density_scores_on_draws(
    source: NoisyInverse,
) -> None:
    """Four standard errors of 8,000 draws; the sums over causes add less than 1e-3."""
    log_p, mean, variance = conditional(source, *(pair := source.draw(8000, seed=1)))
    half = 0.5 * math.log(2 * math.pi)
    apart = (pair[1].double() - mean).square()
    single = half + 0.5 * variance.log() + 0.5 * apart / variance
    fixed = math.exp(2 * (source.least_squares - half - 0.5))  # the variance that it stands for
    for scores, floor in (
        (-log_p, source.floor),
        (single, source.single_normal),
        (half + 0.5 * math.log(fixed) + 0.5 * apart / fixed, source.least_squares),
    ):
        error = float(scores.std()) / len(scores) ** 0.5
        assert float(scores.mean()) == pytest.approx(floor, abs=4 * error + 1e-3)


@pytest.mark.parametrize(
    ("source", "floor", "single", "least_squares"),
    [(INVERSE_SINE, -1.282, -0.654, -0.212), (INVERSE_WAVE, 1.288, None, 2.949)],
    ids=["sine", "wave"],
)
def test_the_floors_are_those_that_others_computed(
    source: NoisyInverse, floor: float, single: float | None, least_squares: float
) -> None:
    """To the digits that are known; the single normal's -.654 was rounded from a coarser sum."""
    assert source.floor == pytest.approx(floor, abs=5e-4)
    assert source.least_squares == pytest.approx(least_squares, abs=5e-4 + 1e-4)
    if single is not None:
        assert source.single_normal == pytest.approx(single, abs=2e-3)


def test_the_sines_floors_by_the_shares_of_causes_below_a_value() -> None:
    """p(x) is the share of causes with |x - f(t)| < .1, over .2: sorted, and counted by bisection.

    Seen failing with the noise's entropy ln(2 · 0.1) left out, and with mean for variance.
    """
    t = (np.arange(400_000) + 0.5) / 400_000
    f = t + 0.3 * np.sin(2 * np.pi * t)
    order = np.argsort(f)
    below = [np.concatenate([[0.0], np.cumsum(t[order] ** k)]) for k in range(3)]
    x = np.linspace(f.min() - 0.1, f.max() + 0.1, 20_001)[1:-1]
    ends = [np.searchsorted(f[order], x + shift) for shift in (0.1, -0.1)]
    mass, first, second = (sums[ends[0]] - sums[ends[1]] for sums in below)
    weight = mass / mass.sum()
    density = mass / len(t) / 0.2
    variance = second / mass - (first / mass) ** 2
    entropy = 0.5 * np.log(2 * np.pi * np.e)
    floor = np.log(0.2) + (weight * np.log(density)).sum()
    assert INVERSE_SINE.floor == pytest.approx(floor, abs=2e-4)
    single = entropy + 0.5 * (weight * np.log(variance)).sum()
    assert INVERSE_SINE.single_normal == pytest.approx(single, abs=5e-4)
    least_squares = entropy + 0.5 * np.log((weight * variance).sum())
    assert INVERSE_SINE.least_squares == pytest.approx(least_squares, abs=2e-4)


@PROBLEMS
def test_draws_are_pairs_of_single_precision_that_a_seed_repeats(source: NoisyInverse) -> None:
    state = torch.get_rng_state()
    x, t = source.draw(500, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert x.shape == (500, 1) and t.shape == (500,)
    assert x.dtype == t.dtype == torch.float32
    assert source.low <= float(t.min()) and float(t.max()) <= source.high
    again, other = source.draw(500, seed=3), source.draw(500, seed=4)
    assert torch.equal(again[0], x) and not torch.equal(other[0], x)


def test_problems_have_names() -> None:
    assert problem("sine") is INVERSE_SINE and problem("wave") is INVERSE_WAVE
    with pytest.raises(UnknownName, match="Did you mean 'wave'"):
        problem("wawe")


def test_the_noisy_curves_floors_by_quadrature() -> None:
    entropy = 0.5 * math.log(2 * math.pi * math.e)

    def scale(x: float) -> float:
        return 0.05 + 0.45 * math.sin(math.pi * x) ** 4

    assert HETEROSCEDASTIC.floor == pytest.approx(
        entropy + quad(lambda x: math.log(scale(x)), 0, 1)[0], abs=1e-5
    )
    assert HETEROSCEDASTIC.fixed_scale == pytest.approx(
        entropy + 0.5 * math.log(quad(lambda x: scale(x) ** 2, 0, 1)[0]), abs=1e-5
    )


def test_the_noisy_curves_draws_have_its_mean_and_its_scale_everywhere() -> None:
    """Standardised residuals in ten parts: mean 0 and variance 1 within four standard errors."""
    x, y = HETEROSCEDASTIC.draw(50_000, seed=2)
    place = x.squeeze(-1)
    rest = (y - torch.sin(2 * math.pi * place)) / HETEROSCEDASTIC.scale(place)
    for part in range(10):
        here = rest[(place * 10).long() == part]
        assert abs(float(here.mean())) < 4 / len(here) ** 0.5
        assert abs(float(here.var()) - 1) < 4 * (2 / len(here)) ** 0.5


def by_scipy(density: NormalMixture, points: np.ndarray) -> np.ndarray:
    parts = [
        math.log(weight) + multivariate_normal(centre, np.diag(scale**2)).logpdf(points)
        for weight, centre, scale in zip(
            density.weights.double().numpy(),
            density.loc.double().numpy(),
            density.scale.double().expand(density.loc.shape).numpy(),
            strict=True,
        )
    ]
    return logsumexp(parts, axis=0)


@pytest.mark.parametrize(
    ("draw", "density"),
    [(clusters, clusters_density()), (ring, ring_density())],
    ids=["clusters", "ring"],
)
def test_points_in_the_plane_have_the_stated_density(draw, density: NormalMixture) -> None:  # type: ignore[no-untyped-def]
    """Far-apart components: the entropy is that of the weights plus the mean of the components'.

    The mean score of 20,000 draws is minus that, within four standard errors and what the
    components overlap; and scipy scores them alike.
    """
    points = draw(20_000, seed=5)
    assert points.dtype == torch.float32 and points.shape == (20_000, 2)
    assert torch.equal(draw(20_000, seed=5), points)
    assert not torch.equal(draw(20_000, seed=6), points)
    scores = density.log_prob(points).double()
    np.testing.assert_allclose(
        scores.numpy(), by_scipy(density, points.double().numpy()), atol=2e-3
    )
    weights, scale = density.weights, density.scale.expand(density.loc.shape)
    each = math.log(2 * math.pi * math.e) + scale.log().sum(-1)
    entropy = float((weights * (each - weights.log())).sum())
    error = float(scores.std()) / len(scores) ** 0.5
    assert float(scores.mean()) == pytest.approx(-entropy, abs=4 * error + 2e-3)


def test_the_ring_has_eight_narrow_modes_on_radius_two() -> None:
    points = ring(40_000).double()
    turns = torch.arange(8, dtype=torch.double) * math.pi / 4
    centres = 2 * torch.stack([turns.cos(), turns.sin()], -1)
    nearest = torch.cdist(points, centres).argmin(-1)
    counts = nearest.bincount(minlength=8)
    assert float((counts - 5000).abs().max()) < 4 * (40_000 / 8 * 7 / 8) ** 0.5
    rest = points - centres[nearest]
    assert float(rest.std()) == pytest.approx(0.02, rel=4 / (2 * 80_000) ** 0.5)
