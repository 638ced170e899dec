"""The posterior of a correlation, and what drift and chance make of one (G7)."""

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from plausible.fairness.correlation.chance import as_large_by_chance
from plausible.fairness.correlation.correlation import correlation
from plausible.fairness.correlation.correlation_posterior import CorrelationPosterior, pearson
from plausible.fairness.estimation.estimates import Estimate
from plausible.inference.errors import DataError

# Divorces per 1,000 people in Maine and pounds of margarine per head in the US, 2000 to 2009:
# divorce_margarine of https://cran.r-project.org/package=dslabs.
DIVORCES = [5.0, 4.7, 4.6, 4.4, 4.3, 4.1, 4.2, 4.2, 4.2, 4.1]
MARGARINE = [8.2, 7.0, 6.5, 5.3, 5.2, 4.0, 4.6, 4.5, 4.2, 3.7]


def brute_force(r: float, n: int, a: float) -> tuple[float, float]:
    """Posterior mean and P(ρ > 0) by integrating the bivariate normal likelihood itself.

    With means integrated out, n - 1 degrees of freedom and sums of squares of 1 are left.
    """
    rho = np.linspace(-0.9995, 0.9995, 401)[:, None, None]
    s = np.linspace(-4, 4, 121)[None, :, None]
    t = np.linspace(-4, 4, 121)[None, None, :]
    left = 1 - rho**2
    quadratic = (np.exp(-2 * s) + np.exp(-2 * t) - 2 * rho * r * np.exp(-s - t)) / left
    log = -(n - 1) * (s + t + np.log(left) / 2) - (n - 1) / 2 * quadratic + (a - 1) * np.log(left)
    mass = np.exp(log - log.max()).sum((1, 2))
    rho = rho[:, 0, 0]
    total = integrate.simpson(mass, x=rho)
    positive = rho >= 0
    return (
        float(integrate.simpson(mass * rho, x=rho) / total),
        float(integrate.simpson(mass[positive], x=rho[positive]) / total),
    )


@pytest.mark.parametrize(("r", "n", "a"), [(0.3, 12, 1.0), (-0.6, 8, 2.0), (0.5, 20, 0.0)])
def test_posterior_agrees_with_integration_of_the_likelihood(r: float, n: int, a: float) -> None:
    # Scales of the brute force are in units of the sample's. Seen failing with the power
    # n - 3/2 of (1 - ρ r) set to n - 1.
    mean, above = brute_force(r, n, a)
    found = CorrelationPosterior(r, n, a).estimate("")
    assert found.value == pytest.approx(mean, abs=2e-4)
    assert found.above == pytest.approx(above, abs=2e-4)


def test_ranks_of_the_true_correlation_are_uniform() -> None:
    # True correlations from the uniform prior. A chance failure: 1 in 1,000. Seen failing with
    # rows + 8 in the posterior.
    random = np.random.default_rng(0)
    ranks = []
    for _ in range(400):
        rho = random.uniform(-1, 1)
        x, e = random.normal(size=(2, 7))
        y = rho * x + np.sqrt(1 - rho**2) * e
        ranks.append(CorrelationPosterior(pearson(x, y), 7).below(rho))
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_large_samples_agree_with_fisher() -> None:
    n, r = 10_000, 0.4
    low, high = CorrelationPosterior(r, n).quantile([0.025, 0.975])
    ends = np.tanh(np.arctanh(r) + np.array([-1.96, 1.96]) / np.sqrt(n - 3))
    np.testing.assert_allclose([low, high], ends, atol=2e-4)


def test_draws_and_quantiles_belong_together() -> None:
    posterior = CorrelationPosterior(-0.7, 15)
    draws = posterior.draws(seed=2)
    # The probability below each draw is uniform.
    below = [posterior.below(float(x)) for x in draws[:2_000]]
    assert stats.kstest(below, "uniform").pvalue > 1e-3


def test_margarine_and_divorces() -> None:
    analysis = correlation(
        MARGARINE,
        DIVORCES,
        names=("margarine eaten", "the divorce rate"),
        times=range(2000, 2010),
        searched=10**6,
    )
    assert analysis.details["r"] == pytest.approx(0.9926, abs=5e-5)
    whole = analysis["correlation"]
    assert 0.90 < whole.low < whole.high < 1
    # The changes still go together (r = .927): a trend alone does not make this pair.
    changes = analysis["of_changes"]
    assert changes.direction == 1
    texts = " ".join(f.text for f in analysis.findings)
    assert "not independent" in texts and "A common trend alone does not explain that" in texts
    # Random walks correlate as strongly far more often than independent rows do.
    assert analysis["random_walks"].low > 10 * as_large_by_chance(0.9926, 10)


def test_common_trend_that_differencing_takes_away() -> None:
    random = np.random.default_rng(4)
    years = np.arange(60)
    x, y = years + random.normal(size=(2, 60)) * 3
    texts = [f.text for f in correlation(x, y, times=years).findings]
    assert "Where x is higher, y is higher" in texts[0]
    assert any("once trends are taken out, these data do not tell" in text for text in texts)


def test_rows_are_put_in_the_order_of_time() -> None:
    order = np.random.default_rng(0).permutation(10)
    x, y, t = (np.array(z)[order] for z in (MARGARINE, DIVORCES, range(10)))
    mixed, sorted_ = correlation(x, y, times=t), correlation(MARGARINE, DIVORCES, times=range(10))
    assert [f.text for f in mixed.findings] == [f.text for f in sorted_.findings]


def test_turning_a_column_round_reverses_the_sentence() -> None:
    x = np.random.default_rng(1).normal(size=30)
    y = x + np.random.default_rng(2).normal(size=30)
    one, other = correlation(x, y), correlation(x, -y)
    assert one.findings[0].text.startswith("Where x is higher, y is higher")
    assert other.findings[0].text.startswith("Where x is higher, y is lower")
    a, b = one.findings[0].estimate, other.findings[0].estimate
    assert isinstance(a, Estimate) and isinstance(b, Estimate)
    assert (a.low, a.high) == pytest.approx((-b.high, -b.low), abs=1e-6)


def test_unrelated_columns_do_not_tell() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20))
    assert "do not tell" in correlation(x, y).findings[0].text


def test_missing_rows_are_counted() -> None:
    x = [1.0, 2, 3, 4, np.nan, 5]
    analysis = correlation(x, [2.0, 1, 4, np.nan, 3, 5])
    assert analysis.details["rows"] == 4
    assert any("2 rows in which a value is missing" in text for text in analysis.assumptions)


def test_figures_draw() -> None:
    for times in (None, range(10)):
        (picture,) = correlation(MARGARINE, DIVORCES, names=("$x", "y_1"), times=times).figures()
        picture.figure.canvas.draw()
        assert "$x" in picture.alt


def test_changes_that_are_all_alike_are_refused_with_a_sentence() -> None:
    years, x = list(range(2000, 2008)), [0.1 * i for i in range(8)]
    y = [3.0, 1, 4, 1, 5, 9, 2, 6]
    with pytest.raises(DataError, match="films changes by the same amount"):
        correlation(x, y, names=("films", "drownings"), times=years)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1.0, 2], [2.0, 1]),
        ([1.0, 2, 3], [2.0, 4, 6]),
        ([1.0, 1, 1, 1], [2.0, 4, 6, 7]),
        ([0.1, 0.1, 0.1, 0.1], [2.0, 4, 6, 7]),
        ([1.0, 2, 3], [2.0, 4]),
    ],
)
def test_columns_without_an_answer_are_errors(x: list[float], y: list[float]) -> None:
    with pytest.raises(DataError):
        correlation(x, y)


def test_rows_without_a_time_are_left_out() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 12))
    times = [*range(11), np.nan]
    analysis = correlation(x, y, times=times)
    assert analysis.details["rows"] == 11 and analysis.details["rows_left_out"] == 1
    assert analysis.details["r"] == pytest.approx(np.corrcoef(x[:11], y[:11])[0, 1])


@pytest.mark.parametrize(("x", "y", "name"), [([4] * 6, range(6), "p"), (range(6), [0.1] * 6, "q")])
def test_a_column_that_does_not_vary_is_named(x: Any, y: Any, name: str) -> None:
    # "The correlation is nan" before.
    value = "4" if name == "p" else "0.1"
    with pytest.raises(DataError, match=rf"{name} is {value} in every row"):
        correlation(x, y, names=("p", "q"))
