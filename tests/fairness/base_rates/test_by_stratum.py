"""Groups are compared within each stratum and over all of them, whatever the raw rates say."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plausible.fairness.audit import Audit
from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.base_rates.by_stratum import by_stratum
from plausible.fairness.base_rates.standardised import Strata, mantel_haenszel
from plausible.fairness.cases.causes.admissions import ADMISSIONS
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import Rates
from plausible.inference.errors import DataError, UnknownName


def counted(cells: dict[tuple[str, str], tuple[int, ...]]) -> Counts:
    measures = ("trials", "events", "hits")
    rows = [
        {"by": by, "group": group, **dict(zip(measures, row, strict=False))}
        for (by, group), row in cells.items()
    ]
    return Counts(pd.DataFrame(rows), by="course")


# In both strata A has the higher rate, and over all B has: most of B are where rates are high.
CELLS: dict[tuple[str, str], tuple[int, ...]] = {
    ("easy", "A"): (100, 90),
    ("easy", "B"): (900, 720),
    ("hard", "A"): (900, 270),
    ("hard", "B"): (100, 15),
}
COUNTS = counted(CELLS)
# The table of the issue: 28 points lower for women, who lead in both departments.
APPLIED = pd.DataFrame(
    {
        "dept": ["A", "A", "B", "B"],
        "sex": ["m", "w", "m", "w"],
        "applied": [800, 100, 200, 700],
        "admitted": [480, 70, 20, 105],
    }
)
COLUMNS = Columns("sex", trials="applied", events="admitted", by="dept")


def test_a_reversal_within_strata_leads_and_is_said() -> None:
    total = COUNTS.total()
    assert Rates(total["events"], total["trials"]).difference("", 0, 1).direction == -1
    analysis = by_stratum(COUNTS, "A", "B")
    assert [e.direction for e in analysis.estimates[:2]] == [1, 1]
    lead = analysis.findings[0].text
    assert "is higher for A than for B: a difference of" in lead and "it is the reverse" in lead
    assert "Counted for each course, it is higher for A in all 2 with both" in lead
    assert "2 can be told to lie above zero and 0 below" in analysis.findings[1].text


def test_every_stratum_has_the_difference_of_its_own_counts() -> None:
    # Seen failing with the groups in the other order.
    estimates = by_stratum(COUNTS, "A", "B").estimates[:2]
    for estimate, stratum in zip(estimates, COUNTS.strata, strict=True):
        (n, k), (m, j) = (CELLS[stratum, group] for group in "AB")
        alone = Rates([k, j], [n, m]).difference("", 0, 1)
        assert (estimate.value, estimate.low) == (alone.value, alone.low)
        assert estimate.stratum == f"course {stratum}"


def test_a_report_does_not_headline_a_raw_difference_that_strata_turn_round() -> None:
    # Seen failing before: the first finding was "lower for w … −28.1 points" and nothing else.
    report = Audit(APPLIED, COLUMNS).report()
    lead = report.analyses[0].findings[0].text
    assert "higher for w than for m: a difference of +7." in lead
    assert "Whatever the dept, it is the reverse, −28." in lead
    assert "Counted for each dept, it is higher for w in all 2 with both" in lead
    for analysis in report.analyses:
        for finding in analysis.findings:
            e = finding.estimate
            if e is not None and e.measure == "difference" and "w" in (e.group, e.reference):
                raw = {e.quantity} & {"rate", "event_given_group"} and not e.stratum
                assert not raw or "Within the same dept it is the reverse" in finding.text


def test_the_figures_of_berkeley() -> None:
    analysis = by_stratum(ADMISSIONS, reference="men")
    e = analysis["standardised", "women", "men"]
    assert (e.value, e.low, e.high) == pytest.approx((0.040, 0.004, 0.074), abs=6e-4)
    other = by_stratum(ADMISSIONS, reference="women")
    assert other["mantel_haenszel", "men", "women"].value == pytest.approx(0.905, abs=5e-4)
    odds = analysis["mantel_haenszel", "women", "men"]
    # R: mantelhaen.test(UCBAdmissions) gives 0.9046968 with the interval 0.7719074 to 1.0603298.
    assert (1 / odds.value, 1 / odds.high, 1 / odds.low) == pytest.approx(
        (0.9046968, 0.7719074, 1.0603298), rel=1e-6
    )
    assert "how clear the difference is depends on the weights" in analysis.findings[0].caveat


def test_a_standardised_difference_has_the_moments_of_its_sum() -> None:
    # 60 strata: more than are drawn one by one.
    random = np.random.default_rng(0)
    n = random.integers(20, 400, (60, 2))
    k = random.binomial(n, random.uniform(0.2, 0.7, (60, 1)))
    pair = Strata(k, n, ("A", "B"), "rate").pair(0, 1)
    assert pair.within is not None and pair.draws is not None
    w = n.sum(axis=1) / n.sum()
    cells = [[stats.beta(1 + k[s, g], 1 + n[s, g] - k[s, g]) for g in (0, 1)] for s in range(60)]
    mean = sum(w[s] * (a.mean() - b.mean()) for s, (a, b) in enumerate(cells))
    spread = sum(w[s] ** 2 * (a.var() + b.var()) for s, (a, b) in enumerate(cells)) ** 0.5
    assert pair.within.value == pytest.approx(mean, abs=1e-12)
    assert pair.draws.mean() == pytest.approx(mean, abs=4.4 * spread / DRAWS**0.5)
    assert pair.draws.std() == pytest.approx(spread, rel=0.015)


def test_thousands_of_small_strata_have_no_prior_in_their_difference() -> None:
    # Uniform priors of 3,000 strata with about 6 cases each draw the difference to a third.
    random = np.random.default_rng(1)
    n = random.integers(1, 6, (3000, 2))
    low = random.uniform(0.05, 0.3, 3000)
    k = random.binomial(n, np.stack([low + 0.1, low], axis=1))
    frame = pd.DataFrame(
        [
            {"by": f"s{s}", "group": "AB"[g], "trials": n[s, g], "events": k[s, g]}
            for s in range(3000)
            for g in (0, 1)
        ]
    )
    start = time.perf_counter()
    analysis = by_stratum(Counts(frame, by="place"), "A", "B")
    assert time.perf_counter() - start < 5
    e = analysis["mantel_haenszel", "A", "B", "difference"]
    assert e.low < 0.1 < e.high and e.high - e.low < 0.04
    assert "there are so few" in analysis.findings[0].caveat
    assert analysis.findings[0].estimate == e
    assert len(analysis.estimates) == 12 + 2
    assert len(analysis.tables[0].frame) == 40


def test_intervals_of_mantel_and_haenszel_cover_in_many_small_strata() -> None:
    random, covered = np.random.default_rng(2), np.zeros(2)
    for _ in range(300):
        n = random.integers(1, 4, (400, 2))
        low = random.uniform(0.1, 0.4, 400)
        odds = low / (1 - low) * 1.5
        k = random.binomial(n, np.stack([low + 0.05, low], axis=1))
        difference, _ = mantel_haenszel(k, n, words="")
        k = random.binomial(n, np.stack([odds / (1 + odds), low], axis=1))
        _, ratio = mantel_haenszel(k, n, words="")
        assert difference is not None and ratio is not None
        covered += [difference.low < 0.05 < difference.high, ratio.low < 1.5 < ratio.high]
    assert covered / 300 == pytest.approx([0.95, 0.95], abs=3.3 * (0.95 * 0.05 / 300) ** 0.5)


def test_strata_without_one_of_the_groups_are_left_out_and_counted() -> None:
    given = counted(
        {**CELLS, ("new", "A"): (40, 40), ("old", "B"): (70, 0), ("easy", "C"): (50, 20)}
    )
    with_all = by_stratum(given, "A", "B")
    assert "Left out are 40 trials of A and 70 of B that have none" in with_all.findings[0].text
    n = np.array([100 + 900 + 50, 1000])
    gaps = [e.value for e in with_all.estimates[:2]]
    assert with_all["standardised", "A", "B"].value == pytest.approx(n @ gaps / n.sum())
    # C is in one stratum only: it is compared there.
    c = by_stratum(given, "C", "B")
    assert "There is one course with both." in c.findings[0].text
    assert "900" not in c.findings[0].text and "170 of B" in c.findings[0].text
    assert c["standardised", "C", "B"].value == pytest.approx(c.estimates[0].value)


def test_groups_without_a_common_stratum_are_not_compared_within_it() -> None:
    given = counted({("x", "A"): (90, 9), ("y", "B"): (80, 40), ("x", "C"): (50, 20)})
    analysis = by_stratum(given, reference="A")
    text = " ".join(f.text for f in analysis.findings)
    assert "No course has trials of both A and B" in text
    assert {(e.group, e.reference) for e in analysis.estimates} == {("C", "A")}
    raw = base_rates(given, reference="A").findings
    assert any("cannot be told: no course has both" in f.text for f in raw)


def test_hits_are_standardised_among_events() -> None:
    given = counted(
        {
            ("x", "A"): (1000, 400, 200),
            ("x", "B"): (1000, 100, 30),
            ("y", "A"): (1000, 100, 20),
            ("y", "B"): (1000, 400, 40),
        }
    )
    analysis = by_stratum(given, "A", "B")
    # .2 and .1 more hits among as many searches of both in x as in y.
    assert analysis["standardised_hits", "A", "B"].value == pytest.approx(0.15, abs=0.01)
    assert any("the rate of hits among events is higher for A" in f.text for f in analysis.findings)
    assert [p.name for p in analysis.figures()] == ["strata", "strata-hits"]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (((500, 250), (500, 100), (500, 250), (500, 100)), "much like the raw difference"),
        (((900, 720), (100, 70), (100, 30), (900, 180)), "less than the raw difference"),
        (((100, 90), (400, 280), (900, 450), (400, 80)), "more than the raw difference"),
        (((900, 720), (100, 80), (100, 20), (900, 180)), "as large as the raw one"),
        (((100, 90), (900, 720), (900, 450), (100, 20)), "it is the reverse"),
        (((20, 10), (20, 9), (20, 10), (20, 10)), "does not either"),
    ],
)
def test_what_strata_make_of_a_raw_difference_is_said(
    cells: tuple[tuple[int, int], ...], said: str
) -> None:
    keys = [("x", "A"), ("x", "B"), ("y", "A"), ("y", "B")]
    given = counted(dict(zip(keys, cells, strict=True)))
    assert said in by_stratum(given, "A", "B").findings[0].text


def test_every_group_that_is_shown_is_compared_with_the_reference() -> None:
    more = counted({**CELLS, ("easy", "C"): (300, 60), ("hard", "C"): (300, 30)})
    analysis = by_stratum(more, reference="B")
    lead = [f.estimate for f in analysis.findings if f.estimate and not f.estimate.stratum]
    assert [e.group for e in lead] == ["C", "A"]
    assert list(analysis.posterior.posterior["group"].to_numpy()) == ["C", "A"]


def test_the_table_has_the_counted_rates() -> None:
    (table,) = by_stratum(COUNTS, "A", "B").tables
    assert table.frame.to_dict("list") == {
        "course": ["easy", "hard"],
        "A, %": [90.0, 30.0],
        "B, %": [80.0, 15.0],
        "A, trials": [100, 900],
        "B, trials": [900, 100],
    }


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UnknownName, match="Unknown group 'C'"):
        by_stratum(COUNTS, "A", "C")
    with pytest.raises(DataError, match="need strata"):
        by_stratum(COUNTS.total(), "A", "B")
    with pytest.raises(DataError, match="compared with itself"):
        by_stratum(COUNTS, "A", "A")
    with pytest.raises(DataError, match="no other group"):
        by_stratum(COUNTS.only("A"))
