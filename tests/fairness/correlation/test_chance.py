"""The largest chance correlation: exact distribution, closed forms, simulation (G7)."""

import numpy as np
import pytest
from scipy import special, stats

from plausible.fairness.correlation.chance import as_large_by_chance, chance, largest_by_chance
from plausible.inference.errors import DataError


@pytest.mark.parametrize("n", [3, 10, 200])
def test_one_feature_has_the_known_mean(n: int) -> None:
    # E|r| = Γ((n-1)/2) / (√π Γ(n/2)).
    exact = np.exp(special.gammaln((n - 1) / 2) - special.gammaln(n / 2)) / np.sqrt(np.pi)
    assert float(largest_by_chance(1, n)) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (30, 12), (500, 40)])
def test_mean_and_quantiles_agree_with_direct_draws_of_columns(m: int, n: int) -> None:
    random = np.random.default_rng(7)
    y = random.normal(size=n)
    largest = []
    for _ in range(400):
        X = random.normal(size=(n, m))
        X = X - X.mean(0)
        r = X.T @ (y - y.mean()) / np.linalg.norm(X, axis=0) / np.linalg.norm(y - y.mean())
        largest.append(np.abs(r).max())
    error = np.std(largest) / 20
    # Seen failing with Beta(1/2, (n - 1)/2).
    assert float(largest_by_chance(m, n)) == pytest.approx(np.mean(largest), abs=4 * error)
    ranks = [(largest_by_chance(m, n, np.linspace(0.001, 0.999, 999)) < x).mean() for x in largest]
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3


def test_wide_data_make_it_larger_and_tall_data_smaller() -> None:
    wide = [float(largest_by_chance(m, 30)) for m in (1, 10, 100, 10_000)]
    tall = [float(largest_by_chance(100, n)) for n in (5, 50, 500, 50_000)]
    assert wide == sorted(wide) and tall == sorted(tall, reverse=True)


def test_probability_of_a_correlation_agrees_with_scipy() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 15))
    test = stats.pearsonr(x, y)
    assert as_large_by_chance(test.statistic, 15) == pytest.approx(test.pvalue, rel=1e-9)


def test_what_is_picked_by_chance_is_gone_in_withheld_rows() -> None:
    analysis = chance((1, 50), (10, 60), repeats=100, pairs=15)
    frame = analysis.tables[0].frame
    simulated = [e for e in analysis.estimates if e.quantity == "largest"]
    for e, exact in zip(simulated, frame["closed form"], strict=True):
        assert e.value == pytest.approx(exact, abs=4 * (e.high - e.low) / 3.92)
    withheld = [e for e in analysis.estimates if e.quantity == "withheld"]
    for e in withheld:
        # Four standard errors. Seen failing with the withheld rows those of the choice.
        assert abs(e.value) < 4 * (e.high - e.low) / 3.92
    assert "nothing of it is left" in analysis.findings[0].text


def test_largest_of_all_pairs_is_near_that_of_as_many_independent_ones() -> None:
    analysis = chance((1,), (20,), repeats=200, pairs=30)
    pairs = analysis.estimates[-1]
    # Pairs that share a column hardly depend on each other: two per cent, and four errors.
    exact = float(largest_by_chance(435, 20))
    assert pairs.value == pytest.approx(exact, abs=4 * (pairs.high - pairs.low) / 3.92 + 0.02)


def test_figure_draws() -> None:
    (picture,) = chance((1, 5), (10, 20), repeats=5, pairs=4).figures()
    picture.figure.canvas.draw()
    assert "1 feature, 10 rows: 0.27" in picture.alt


@pytest.mark.parametrize(("m", "n"), [(0, 10), (1, 2)])
def test_too_few_features_or_rows_are_errors(m: int, n: int) -> None:
    with pytest.raises(DataError):
        largest_by_chance(m, n)


def test_one_number_of_rows_is_told_once() -> None:
    texts = [f.text for f in chance((5,), (10,), repeats=20, pairs=3).findings]
    assert len(set(texts)) == len(texts) == 2
