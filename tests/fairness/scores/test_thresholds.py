"""Automatic thresholds: who is wrongly investigated, with nationality as a feature and without."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, special, stats

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.scores.simulated_scores import SimulatedScores, simulated_scores
from plausible.fairness.scores.thresholds import thresholds
from plausible.inference.errors import DataError, UnknownName

Cells = tuple[int, int, int, int]


def counts(**cells: Cells) -> Counts:
    given = {name: dict(zip(CONFUSION, x, strict=True)) for name, x in cells.items()}
    return Counts.of(given, group="nationality")


@pytest.fixture(scope="module")
def claims() -> SimulatedScores:
    return simulated_scores(people=100_000)


def test_nationality_raises_the_share_of_wrongly_investigated(claims: SimulatedScores) -> None:
    blind = claims.counts(0.8, without=True)
    analysis = thresholds(claims.counts(0.8), without=blind, reference="national")
    assert claims.weights["nationality"] > 0.5
    assert "is higher for foreign" in analysis.findings[0].text
    left = analysis["wrongly_investigated_without_group", "foreign", "national"]
    gap = analysis.findings[0].estimate
    assert gap is not None and 0 < left.high < gap.low
    assert "Simulated" in " ".join(analysis.assumptions)


def test_simulated_groups_do_not_differ_in_faults(claims: SimulatedScores) -> None:
    shares = [claims.fault[claims.group == g] for g in (0, 1)]
    gap = shares[0].mean() - shares[1].mean()
    spread = sum(x.var() / len(x) for x in shares) ** 0.5
    assert abs(gap) < 4.4 * spread
    exact = integrate.quad(lambda x: special.expit(-3 + 3 * x) * stats.norm.pdf(x), -8, 8)[0]
    assert abs(claims.fault.mean() - exact) < 4.4 * (exact * (1 - exact) / 100_000) ** 0.5


def test_the_logistic_score_is_at_its_maximum_likelihood(claims: SimulatedScores) -> None:
    # On new claims with the record of the past, the score must be calibrated in sum: with the
    # sign of the gradient turned, or too few steps, these moments are off by much more.
    wrong = np.where(claims.group == 1, 0.2, 0.02) * ~claims.fault
    recorded = claims.fault + wrong
    spread = (recorded * (1 - recorded) + claims.scored * (1 - claims.scored)).sum() ** 0.5
    for who in (claims.group == 0, claims.group == 1):
        off = (claims.scored - recorded)[who].sum()
        # The error of the fit on 50,000 past claims adds to that of 100,000 new ones.
        assert abs(off) < 4.4 * spread * (1 + 100_000 / 50_000) ** 0.5


def test_thresholds_are_compared_and_tabled(claims: SimulatedScores) -> None:
    cuts = {t: claims.counts(t) for t in (0.5, 0.6, 0.7, 0.9)}
    analysis = thresholds(claims.counts(0.8), others=cuts, reference="national")
    (said,) = (f.text for f in analysis.findings if "Of 5 thresholds" in f.text)
    assert "from 0.5 to 0.9" in said and "than if they are national at 5" in said
    frame = analysis.tables[0].frame
    assert list(frame["threshold"]) == [t for t in (0.5, 0.6, 0.7, 0.8, 0.9) for _ in "ab"]
    for name in ("national", "foreign"):
        cases = frame[frame["group"] == name]["investigated"]
        assert (np.diff(cases) < 0).all()
    assert [p.name for p in analysis.figures()] == ["wrongly-investigated", "thresholds"]


def test_counts_are_of_scores_above_the_threshold() -> None:
    given = SimulatedScores(
        fault=np.array([True, False, True, False]),
        group=np.array([0, 0, 1, 1]),
        scored=np.array([0.8, 0.81, 0.9, 0.1]),
        scored_without=np.zeros(4),
        weights={},
    ).counts(0.8)
    cells = [given[cell].tolist() for cell in CONFUSION]
    assert cells == [[0, 1], [1, 0], [1, 0], [0, 1]]


def test_rates_are_exact_and_sentences_reverse() -> None:
    high = thresholds(counts(a=(800, 200, 5, 50), b=(900, 100, 5, 50)), reference="b")
    low = thresholds(counts(a=(900, 100, 5, 50), b=(800, 200, 5, 50)), reference="b")
    same = thresholds(counts(a=(900, 100, 5, 50), b=(900, 100, 5, 50)), reference="b")
    assert high.estimates[0].low == pytest.approx(stats.beta(201, 801).ppf(0.025))
    assert "is higher for a" in high.findings[0].text
    assert "is lower for a" in low.findings[0].text
    assert "do not tell" in same.findings[0].text
    assert "798 (" in high.findings[2].text  # 1,000 times 201 of 252


def test_a_score_without_the_group_can_still_carry_it_or_not() -> None:
    with_it = counts(a=(800, 200, 5, 50), b=(900, 100, 5, 50))
    for without, word in (
        (counts(a=(850, 150, 5, 50), b=(900, 100, 5, 50)), "still higher for a"),
        (counts(a=(950, 50, 5, 50), b=(900, 100, 5, 50)), "lower for a"),
        (counts(a=(900, 100, 5, 50), b=(900, 100, 5, 50)), "do not tell"),
    ):
        texts = [f.text for f in thresholds(with_it, without=without, reference="b").findings]
        (said,) = (t for t in texts if t.startswith("Scored without"))
        assert word in said


def test_a_difference_that_turns_round_without_the_group_is_not_still_there() -> None:
    with_it = counts(a=(800, 200, 5, 50), b=(900, 100, 5, 50))
    analysis = thresholds(with_it, without=counts(a=(950, 50, 5, 50), b=(900, 100, 5, 50)))
    assert not any("still" in f.text for f in analysis.findings)


def test_one_group_and_groups_without_innocents() -> None:
    analysis = thresholds(counts(a=(90, 10, 1, 1), b=(0, 0, 3, 4)))
    assert "no other group to compare" in analysis.findings[0].text
    assert any("Nothing is said about b" in text for text in analysis.assumptions)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: thresholds(counts(a=(0, 0, 3, 4))), DataError, "nothing to find"),
        (
            lambda: thresholds(counts(a=(1, 1, 1, 1)), without=counts(b=(1, 1, 1, 1))),
            DataError,
            "about b, not about a",
        ),
        (lambda: thresholds(Counts.of({"a": {"trials": 1}})), UnknownName, "true_negative"),
        (lambda: simulated_scores(past=5), DataError, "100 claims"),
    ],
)
def test_bad_input_is_named(make: Callable[[], object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()
