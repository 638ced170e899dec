"""The integrated posterior of a population: against dense quadrature, limits and exact sums."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats

from plausible.fairness.base_rates import population as module
from plausible.fairness.base_rates.beta_binomial import BetaBinomial
from plausible.fairness.base_rates.pooled_findings import Pool
from plausible.fairness.base_rates.population import log_density, population

Array = NDArray[np.float64]


def dense(k: Array, n: Array, points: int = 1200) -> tuple[Array, Array, Array]:
    """m, s and their weights by the midpoint rule in m and s themselves."""
    m, s = np.meshgrid(*2 * [(np.arange(points) + 0.5) / points], indexing="ij")
    c = s**-2 - 1
    log = np.zeros_like(m)
    for hits, trials in zip(k, n, strict=True):
        log += special.betaln(m * c + hits, (1 - m) * c + trials - hits)
    log -= len(k) * special.betaln(m * c, (1 - m) * c)
    weights = np.exp(log - log.max())
    return m, s, weights / weights.sum()


TABLES = {
    "few": ([3, 8, 2, 20, 0], [20, 40, 5, 60, 3]),
    "no events": ([0, 0, 0], [5, 9, 2]),
    "far apart": ([0, 9, 1, 12], [10, 10, 11, 12]),
    "single cases": ([0, 1, 0, 0, 1, 0], [1, 1, 1, 1, 1, 1]),
}


@pytest.mark.parametrize("name", TABLES)
def test_moments_are_those_of_dense_quadrature(name: str) -> None:
    # Seen failing with c = 1 / s², and without the Jacobian of the logits.
    k, n = (np.array(x) for x in TABLES[name])
    grid, (m, s, weights) = population(k, n), dense(k, n)
    for of in (
        lambda m, s: m + 0 * s,
        lambda m, s: s + 0 * m,
        lambda m, s: m**2 + 0 * s,
        lambda m, s: s**2 + 0 * m,
        lambda m, s: s * np.sqrt(m * (1 - m)),
        lambda m, s: (m * (s**-2 - 1) + k[0]) / (s**-2 - 1 + n[0]),
    ):
        # The midpoint rule is off by up to 4e-5 here, and by less with more points.
        assert grid.expectation(of) == pytest.approx((weights * of(m, s)).sum(), rel=1e-4)


def test_draws_have_the_distribution_of_the_grid() -> None:
    # 5 standard errors of the shares below the deciles: false once in a million.
    k, n = (np.array(x) for x in TABLES["few"])
    m, s, weights = dense(k, n)
    size = 40_000
    drawn = population(k, n).draw(size, np.random.default_rng(0))
    for values, draws in zip((m, s), drawn, strict=True):
        order = np.argsort(values, axis=None)
        cumulative = np.cumsum(weights.ravel()[order])
        for p in np.arange(1, 10) / 10:
            end = values.ravel()[order][np.searchsorted(cumulative, p)]
            assert (draws < end).mean() == pytest.approx(p, abs=5 * (p * (1 - p) / size) ** 0.5)
    exact = (weights * (m - (weights * m).sum()) * (s - (weights * s).sum())).sum()
    assert np.cov(*drawn)[0, 1] == pytest.approx(exact, abs=5 * m.std() * s.std() / size**0.5)


def test_equal_rates_of_many_cases_leave_the_conjugate_posterior_of_one_rate() -> None:
    # Units that are all alike leave a spread near 0, and an average that is Beta(1 + k, 1 + n - k)
    # but for the spread that is left. Its standard deviation is 1e-4.
    k, n = np.full(50, 80_000), np.full(50, 400_000)
    grid = population(k, n)
    mean = grid.expectation(lambda m, s: m + 0 * s)
    deviation = math.sqrt(grid.expectation(lambda m, s: (m - mean) ** 2 + 0 * s))
    alone = stats.beta(1.0 + k.sum(), 1.0 + (n - k).sum())
    assert mean == pytest.approx(0.2, abs=1e-6)
    assert alone.std() < deviation < 1.2 * alone.std()
    assert grid.expectation(lambda m, s: s + 0 * m) < 1e-3


def test_rates_that_are_known_leave_the_posterior_of_a_beta_sample() -> None:
    # With a billion cases each the rates are known, and m and s have the posterior of a Beta
    # sample: a needle of the binomial likelihood does not escape the grid.
    rates = np.array([0.11, 0.14, 0.09, 0.2, 0.13, 0.17])
    n = np.full(6, 10**9)
    points = 1200
    m, s = np.meshgrid(*2 * [(np.arange(points) + 0.5) / points], indexing="ij")
    c = s**-2 - 1
    log = sum(stats.beta(m * c, (1 - m) * c).logpdf(r) for r in rates)
    weights = np.exp(log - log.max())
    grid = population((rates * n).astype(np.int64), n)
    for of in (lambda m, s: m + 0 * s, lambda m, s: s + 0 * m, lambda m, s: s**2 + 0 * m):
        exact = np.average(of(m, s), weights=weights)
        assert grid.expectation(of) == pytest.approx(exact, rel=1e-4)


def exact_log(k: int, n: int, m: Fraction, s: Fraction) -> float:
    """The log-probability of k of n, without the binomial coefficient, by exact products."""
    c = 1 / s**2 - 1
    a, b = m * c, (1 - m) * c
    top = math.prod(a + j for j in range(k)) * math.prod(b + j for j in range(n - k))
    ratio = Fraction(top) / math.prod(c + j for j in range(n))
    return math.log(ratio.numerator) - math.log(ratio.denominator)


@pytest.mark.parametrize("spread", [Fraction(1, 10**d) for d in (1, 2, 3, 4, 6, 8)])
def test_no_digit_is_lost_as_the_spread_goes_to_nothing(spread: Fraction) -> None:
    # Seen failing with differences of the logarithms of Gammas: at 1e-8 nothing was right.
    m, cases = Fraction(3, 10), [(30, 200), (75, 200), (0, 40), (7, 7)]
    exact = [exact_log(k, n, m, spread) for k, n in cases]
    k, n = np.array(cases).T
    assert log_density(k, n, float(m), float(spread)) == pytest.approx(sum(exact), rel=1e-12)
    size = float(1 / spread**2 - 1)
    a, b = (torch.tensor(x * size, dtype=torch.float64) for x in (0.3, 0.7))
    counted = torch.tensor(k, dtype=torch.float64), torch.tensor(n, dtype=torch.float64)
    binomial = [math.log(math.comb(n, k)) for k, n in cases]
    log = BetaBinomial(a, b, counted[1]).log_prob(counted[0])
    assert log.tolist() == pytest.approx(np.add(exact, binomial), rel=1e-12)


def test_gradients_of_the_log_probability_keep_their_digits() -> None:
    # The slope in the size c is that of sums of logarithms, (j / z) / (z + j) each.
    size = torch.tensor(1e9, dtype=torch.float64, requires_grad=True)
    k, n = (torch.tensor(x, dtype=torch.float64) for x in (30, 200))
    BetaBinomial(0.3 * size, 0.7 * size, n).log_prob(k).backward()
    exact = sum(
        sign * -sum(j / (share * 1e9 * (share * 1e9 + j)) * share for j in range(count))
        for sign, share, count in ((1, 0.3, 30), (1, 0.7, 170), (-1, 1.0, 200))
    )
    assert size.grad is not None and size.grad.item() == pytest.approx(exact, rel=1e-3)


def test_many_units_fit_into_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    n = random.integers(1, 500, 3000)
    k = random.binomial(n, random.beta(4, 16, 3000))
    whole = population(k, n)
    monkeypatch.setattr(module, "_CHUNK", 50_000)
    parts = population(k, n)
    np.testing.assert_allclose(whole.log, parts.log, atol=1e-8)
    mean = whole.expectation(lambda m, s: m + 0 * s)
    # 4 standard errors of a mean of 3,000 rates whose standard deviation is 0.087.
    assert mean == pytest.approx(0.2, abs=4 * 0.1 / 3000**0.5)


def test_ranks_of_the_truth_are_uniform() -> None:
    # Simulation-based calibration with 200 tables; the chi-square test fails once in 1,000 seeds.
    # Seen failing with the concentration 1 / s².
    random = np.random.default_rng(1)
    trials, bins = np.array([5, 20, 50, 10, 100]), 10
    ranks: dict[str, list[float]] = {"mean": [], "spread": [], "rate": []}
    for table in range(200):
        mean, spread = random.uniform(size=2)
        size = spread**-2 - 1
        rates = random.beta(mean * size, (1 - mean) * size, size=len(trials))
        k = random.binomial(trials, rates)
        m, s = population(k, trials).draw(400, random)
        pool = Pool(k[:, None], trials[:, None], m[:, None], s[:, None], seed=table)
        truths = {"mean": (m, mean), "spread": (s, spread), "rate": (pool.rates(2), rates[2])}
        for name, (draws, truth) in truths.items():
            ranks[name].append((draws < truth).mean())
    for name, shares in ranks.items():
        counted = np.histogram(shares, bins=bins, range=(0, 1))[0]
        assert stats.chisquare(counted).pvalue > 0.001, (name, counted)
