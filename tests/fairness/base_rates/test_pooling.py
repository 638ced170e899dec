"""Partial pooling: what is said about the units, and NUTS on the same model as a Pyro program."""

import math

import arviz as az
import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats

from plausible.fairness.base_rates.beta_binomial import beta_binomial
from plausible.fairness.base_rates.pooled_findings import Pool, of_groups, of_strata
from plausible.fairness.base_rates.pooling import pooled
from plausible.fairness.base_rates.population import log_density
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.analysis import Analysis
from plausible.inference import sample_posterior
from plausible.inference.errors import DataError

Array = NDArray[np.float64]
K, N = np.array([3, 8, 2, 20, 0]), np.array([20, 40, 5, 60, 3])


def counts(k: NDArray[np.int64], n: NDArray[np.int64]) -> Counts:
    cells = {f"g{i}": {"trials": int(n[i]), "events": int(k[i])} for i in range(len(k))}
    return Counts.of(cells, group="team", names={"trials": "stops", "events": "searches"})


def grid(
    k: NDArray[np.int64], n: NDArray[np.int64], points: int = 300
) -> tuple[Array, Array, Array]:
    """Average rates, spreads and their posterior weights on a grid, by the closed likelihood."""
    m, s = np.meshgrid(*2 * [(np.arange(points) + 0.5) / points], indexing="ij")
    c = s**-2 - 1
    a, b = (m * c)[..., None], ((1 - m) * c)[..., None]
    log = (special.betaln(a + k, b + n - k) - special.betaln(a, b)).sum(axis=-1)
    weights = np.exp(log - log.max())
    return m.ravel(), s.ravel(), weights.ravel() / weights.sum()


def exact_pool(k: NDArray[np.int64], n: NDArray[np.int64], points: int = 300) -> Pool:
    """A pool of one population whose draws come from the grid."""
    m, s, weights = grid(k, n, points)
    at = np.random.default_rng(0).choice(len(m), size=4000, p=weights)
    return Pool(k[:, None], n[:, None], m[at, None], s[at, None])


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return pooled(counts(K, N))


def test_the_program_has_the_density_that_is_integrated() -> None:
    counted = tuple(torch.tensor(x, dtype=torch.float64)[:, None] for x in (K, N))
    binomial = sum(math.log(math.comb(n, k)) for k, n in zip(K.tolist(), N.tolist(), strict=True))
    for m, s in ((0.3, 0.2), (0.05, 0.9), (0.7, 1e-6)):
        point = torch.tensor([[m], [s]], dtype=torch.float64)
        values = dict(zip(("mean", "spread"), point, strict=True))
        trace = pyro.poutine.trace(pyro.condition(beta_binomial, values)).get_trace(*counted)
        log = trace.log_prob_sum().item()
        assert log - binomial == pytest.approx(log_density(K, N, m, s), rel=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::plausible.inference.PosteriorWarning")  # so few draws
def test_nuts_on_the_program_agrees_with_numerical_integration() -> None:
    counted = tuple(torch.tensor(x, dtype=torch.float64)[:, None] for x in (K, N))
    sampled = sample_posterior(
        beta_binomial, counted, chains=2, draws=250, tune=200, compile=False, progress=False
    )
    m, s, weights = grid(K, N)
    for name, values in (("mean", m), ("spread", s)):
        draws = sampled.posterior[name].values[..., 0]
        exact = weights @ values
        spread = (weights @ (values - exact) ** 2) ** 0.5
        # 4.4 standard errors of a mean over so many effective draws: false once in 100,000 runs.
        assert abs(draws.mean() - exact) < 4.4 * spread / float(az.ess(draws)) ** 0.5
        below = (draws < exact + spread).astype(float)
        share = weights[values < exact + spread].sum()
        error = (share * (1 - share) / float(az.ess(below))) ** 0.5
        assert abs(below.mean() - share) < 4.4 * error


def test_pooled_rates_are_their_integrals() -> None:
    # E(rate) = E((m c + k) / (c + n)), for rates so far apart that c is small: without the -1 in it
    # those of the first group are off by 0.06.
    events, trials = np.array([0, 5, 1, 6]), np.array([4, 6, 5, 6])
    m, s, weights = grid(events, trials)
    c, pool = s**-2 - 1, exact_pool(events, trials)
    for i, (k, n) in enumerate(zip(events, trials, strict=True)):
        exact = weights @ ((m * c + k) / (c + n))
        draws = pool.rates(i)
        assert draws.mean() == pytest.approx(exact, abs=4.4 * draws.std() / len(draws) ** 0.5)


def test_how_the_numbers_come_about_is_told_in_words(analysis: Analysis) -> None:
    assert any(
        "integrated on a grid" in a and "40,000 independent draws" in a
        for a in analysis.assumptions
    )
    assert any("favours equal rates" in a for a in analysis.assumptions)
    assert analysis.question.endswith("differ by team, and where?")


def test_the_weighted_spread_is_that_of_the_other_prior(analysis: Analysis) -> None:
    (said,) = (a for a in analysis.assumptions if "favours equal rates" in a)
    m, s, weights = grid(K, N)
    other = weights * (1 - s) ** 2
    exact = (other / other.sum()) @ (s * (m * (1 - m)) ** 0.5)
    value = float(said.rsplit("Beta(1, 3): ", 1)[1].split(" %")[0]) / 100
    assert value == pytest.approx(exact, rel=0.15)
    assert value < float(said.split("of the spread: ")[1].split(" %")[0]) / 100


def test_the_picture_shows_raw_and_pooled(analysis: Analysis) -> None:
    (picture,) = analysis.figures()
    picture.figure.canvas.draw()
    assert "g2: 40.0 % raw" in picture.alt and "g4: 0.0 % raw" in picture.alt


def test_groups_that_differ_are_named_and_the_reverse_reverses() -> None:
    n = np.full(12, 400)
    k = np.full(12, 40)
    k[3], k[7] = 120, 4
    answer = of_groups(counts(k, n), exact_pool(k, n), "rate")
    turned = of_groups(counts(n - k, n), exact_pool(n - k, n), "rate")
    assert "1 lies above the average rate: g3; 1 lies below" in answer.findings[1].text
    assert "1 lies above the average rate: g7; 1 lies below" in turned.findings[1].text
    equal = np.full(12, 40)
    same = of_groups(counts(equal, n), exact_pool(equal, n), "rate")
    assert "For 12 the data do not tell" in same.findings[1].text


def test_pooling_draws_small_groups_farther() -> None:
    n, k = np.array([5, 500, 200, 200, 200]), np.array([4, 100, 40, 50, 30])
    pool = exact_pool(k, n)
    rates = [pool.rates(i).mean() for i in range(5)]
    centre = pool.mean.mean()
    moved = [abs(r - k[i] / n[i]) for i, r in enumerate(rates)]
    assert moved[0] > 10 * moved[1] and rates[0] > centre
    text = of_groups(counts(k, n), pool, "rate").findings[2].text
    assert text.startswith("Pooling moves g0 most: from 4 of 5, 80.0 %")


def in_strata(high: str) -> tuple[Counts, Pool]:
    """Twenty places in which one group has three times the rate of the other in all but one."""
    random = np.random.default_rng(0)
    rows, tables = [], {}
    for name in "ab":
        share = 0.3 if name == high else 0.1
        k = random.binomial(300, share, size=20)
        k[0] = 30 if name == high else 90
        tables[name] = exact_pool(k, np.full(20, 300))
        rows += [(name, f"place {s}", 300, int(k[s])) for s in range(20)]
    frame = pd.DataFrame(rows, columns=["group", "by", "trials", "events"])
    given = Counts(frame, by="place")
    stacked = [np.hstack([getattr(tables[g], part) for g in "ab"]) for part in ("mean", "spread")]
    return given, Pool(given.cells("events"), given.cells("trials"), *stacked, names=("a", "b"))


@pytest.mark.parametrize(
    ("high", "side", "above", "below"), [("a", "higher", 19, 1), ("b", "lower", 1, 19)]
)
def test_strata_are_counted_by_side(high: str, side: str, above: int, below: int) -> None:
    given, pool = in_strata(high)
    answer = of_strata(given, pool, "rate", 1, 2)
    assert f"the rate is {side} for a than for b" in answer.findings[0].text
    assert f"a lies above b in {above} and below in {below}" in answer.findings[1].text
    assert f"By raw rates it would be above in {above}" in answer.findings[1].text
    (picture,) = answer.draw()
    picture.figure.canvas.draw()
    assert len(answer.tables[0].frame) == 20


def test_intervals_cover_simulated_rates() -> None:
    # 150 rates from one population; a binomial count of covered ones, 3.3 standard errors.
    random = np.random.default_rng(2)
    truth = stats.beta(3, 17).rvs(150, random_state=random)
    n = random.integers(5, 80, 150)
    k = random.binomial(n, truth)
    pool = exact_pool(k, n, points=100)
    ends = [np.quantile(pool.rates(i), [0.05, 0.95]) for i in range(150)]
    covered = np.mean([low <= t <= high for (low, high), t in zip(ends, truth, strict=True)])
    assert abs(covered - 0.9) < 3.3 * (0.09 / 150) ** 0.5


@pytest.mark.parametrize(
    ("k", "n", "said"),
    [([3], [5], "there is 1"), ([3, 0], [5, 0], "there is 1"), ([0, 0], [0, 0], "no stops")],
)
def test_too_little_to_pool_is_named(k: list[int], n: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        pooled(counts(np.array(k), np.array(n)))


def test_ten_groups_in_a_hundred_strata_are_pooled() -> None:
    # Ten groups in 100 strata, the first with a rate of 30 %, the others with 20 %.
    random = np.random.default_rng(0)
    g, s = (x.ravel() for x in np.meshgrid(range(10), range(100)))
    n = random.integers(5, 200, len(g))
    k = random.binomial(n, np.where(g == 0, 0.3, 0.2))
    names = [f"g{i}" for i in g]
    frame = pd.DataFrame({"group": names, "by": s, "trials": n, "events": k})
    analysis = pooled(Counts(frame, by="place"), reference="g1")
    assert analysis.details == {"units": 100, "populations": 7}
    gaps = {e.group: e for e in analysis.estimates if e.reference}
    largest = sorted((x for x in range(10) if x != 1), key=lambda x: -n[g == x].sum())[:6]
    assert set(gaps) == {f"g{x}" for x in largest}
    for name, gap in gaps.items():
        assert gap.low < (0.1 if name == "g0" else 0) < gap.high
    assert any("Of 10 groups, the largest are compared" in a for a in analysis.assumptions)
