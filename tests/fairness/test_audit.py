"""An audit runs what the columns allow and says what the others lack."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError, UnknownName

ROWS = 2000


@pytest.fixture(scope="module")
def claims() -> pd.DataFrame:
    """Claims of two groups, of which the second gets higher scores for the same faults."""
    random = np.random.default_rng(0)
    group = random.choice(["A", "B"], ROWS, p=[0.6, 0.4])
    fault = random.random(ROWS) < 0.3
    score = (0.3 + 0.3 * fault + 0.2 * (group == "B") + random.normal(0, 0.2, ROWS)).clip(0, 1)
    return pd.DataFrame(
        {
            "group": group,
            "fault": fault,
            "score": score,
            "checked": score > 0.7,
            "found": (score > 0.7) & fault,
            "office": random.choice([f"office {i}" for i in range(8)], ROWS),
            "day": [f"{2019 + i % 2}-03-01" for i in range(ROWS)],
        }
    )


def names(audit: Audit) -> list[str]:
    return [analysis.name for analysis in audit.run()]


def test_counts_of_events_get_what_events_allow() -> None:
    counts = Counts.of({"A": {"trials": 90, "events": 9}, "B": {"trials": 50, "events": 20}})
    audit = Audit(counts)
    assert names(audit) == ["base-rates", "prosecutor"]
    skipped = dict(audit.skipped)
    assert skipped["burden"] == "it needs a column of hits."
    assert skipped["errors of decisions"].startswith("it needs a decision (or a score")
    assert skipped["partial pooling of many groups"] == "it needs 7 groups or more; there are 2."
    assert skipped["two attributes at once"] == "it needs a column of strata."
    assert skipped["proxies"] == "it needs a table in which a row is one case."
    assert "survey" in skipped["sampling bias and detection"]
    assert audit.run() and len(audit.skipped) == len(skipped)


def test_hits_add_the_burden_and_strata_what_needs_them(claims: pd.DataFrame) -> None:
    few = claims.assign(office=claims["office"].where(claims["office"] < "office 2", "office 2"))
    columns = Columns("group", events="checked", hits="found", by="office")
    audit = Audit(few[["group", "checked", "found", "office"]], columns)
    assert names(audit) == [
        "strata",
        "base-rates",
        "intersections",
        "prosecutor",
        "burden",
        "search-decisions",
        "proxies",
    ]
    assert dict(audit.skipped)["partial pooling of strata"] == (
        "it needs 7 strata or more; there are 3."
    )


def test_decisions_are_also_cases_events_and_hits(claims: pd.DataFrame) -> None:
    # Seen failing with the false positives taken for hits.
    columns = Columns("group", decision="checked", outcome="fault")
    audit = Audit(claims[["group", "checked", "fault"]], columns)
    found = {analysis.name: analysis for analysis in audit.run()}
    assert list(found) == [
        "base-rates", "prosecutor", "burden", "scores", "metrics", "amplification"
    ]  # fmt: skip
    assert dict(audit.skipped)["proxies"] == "it needs further columns, which could tell the group."
    direct = read_counts(claims, Columns("group", events="checked", hits="found"))
    seen = found["burden"].counts
    assert seen is not None
    for measure in ("trials", "events", "hits"):
        assert (seen[measure] == direct[measure]).all()
    assert seen.label_of("hits") == "checked and fault"


def test_a_score_adds_its_threshold_and_its_calibration(claims: pd.DataFrame) -> None:
    columns = Columns("group", score="score", threshold=0.7, outcome="fault")
    table = claims[["group", "score", "fault"]]
    found = {analysis.name: analysis for analysis in Audit(table, columns).run()}
    assert {"thresholds", "calibration", "scores"} <= set(found)
    levels = found["calibration"].counts
    assert levels is not None and len(levels.strata) == 10
    tenth = np.minimum((table["score"] - table["score"].min()) / np.ptp(table["score"]) * 10, 9)
    expected = table["fault"].groupby([tenth.astype(int), table["group"]]).sum().unstack()
    assert (levels.cells("events") == expected.fillna(0).to_numpy()).all()
    assert "above 0.7" in " ".join(found["thresholds"].assumptions)


def test_levels_of_a_score_keep_to_the_days(claims: pd.DataFrame) -> None:
    # Seen failing when the second query forgot the days.
    columns = Columns(
        "group", score="score", threshold=0.7, outcome="fault", date="day", since="2020-01-01"
    )
    table = claims[["group", "score", "fault", "day"]]
    found = {analysis.name: analysis for analysis in Audit(table, columns).run()}
    levels, cells = found["calibration"].counts, found["scores"].counts
    assert levels is not None and cells is not None
    assert levels["trials"].sum() == sum(cells[m].sum() for m in cells.measures) == ROWS / 2


def test_a_score_without_a_number_has_no_level(claims: pd.DataFrame) -> None:
    # Seen failing with ibis.least, which takes 9 of nothing and 9 on DuckDB.
    holes = claims[["group", "fault"]].assign(score=claims["score"].where(np.arange(ROWS) % 4 > 0))
    columns = Columns("group", score="score", threshold=0.7, outcome="fault")
    found = {analysis.name: analysis for analysis in Audit(holes, columns).run()}
    levels = found["calibration"].counts
    assert levels is not None and levels["trials"].sum() == ROWS * 3 / 4
    assert levels.missing["rows"] == ROWS / 4


def test_small_scores_keep_their_ten_levels(claims: pd.DataFrame) -> None:
    # Seen failing when levels were rounded to six decimals, which left two of them.
    columns = Columns("group", score="score", threshold=7e-10, outcome="fault")
    table = claims[["group", "fault"]].assign(score=claims["score"] * 1e-9)
    found = {analysis.name: analysis for analysis in Audit(table, columns).run()}
    levels = found["calibration"].counts
    assert levels is not None and len(levels.strata) == 10


def test_infinite_scores_have_no_levels(claims: pd.DataFrame) -> None:
    scores = claims["score"].where(claims.index > 0, np.inf)
    columns = Columns("group", score="score", threshold=0.7, outcome="fault")
    audit = Audit(claims[["group", "fault"]].assign(score=scores), columns)
    assert "calibration" not in names(audit)
    assert dict(audit.skipped)["calibration"].startswith("Levels need finite scores")


def test_many_groups_in_many_strata_are_pooled() -> None:
    # Seen refused, with more than 300 groups in strata.
    frame = pd.DataFrame({"g": np.arange(960) % 4, "b": np.arange(960) // 4 % 80, "k": 1})
    audit = Audit(frame, Columns("g", events="k", by="b"))
    (made,) = (a for a in audit.run() if a.name == "pooled")
    assert made.details == {"units": 80, "populations": 4}


def test_other_columns_are_not_used_for_some_days_only(claims: pd.DataFrame) -> None:
    columns = Columns("group", events="checked", date="day", since="2020-01-01")
    audit = Audit(claims, columns)
    assert "proxies" not in names(audit) and "some days" in dict(audit.skipped)["proxies"]


def test_a_lifetime_is_of_the_periods_that_are_given() -> None:
    cells = {"A": {"trials": 900, "events": 9}, "B": {"trials": 500, "events": 40}}
    audit = Audit(Counts.of(cells), lifetime=40, period="year")
    burden = {a.name: a for a in audit.run()}["burden"]
    assert "in 40 years is" in burden.findings[0].text
    e = burden["at_least_one", "A"]
    assert e.value == pytest.approx(1 - (1 - 10 / 902) ** 40, abs=0.02)
    with pytest.raises(DataError, match="how many periods"):
        Audit(Counts.of(cells), period="year")
    with pytest.raises(DataError, match="not 0"):
        Audit(Counts.of(cells), lifetime=0)


def test_one_group_is_reported_and_not_compared() -> None:
    audit = Audit(Counts.of({"only": {"trials": 50, "events": 20, "hits": 5}}))
    report = audit.report()
    assert "50 trials in one group" in report.lead
    assert [a.name for a in report.analyses] == ["base-rates", "prosecutor", "burden"]
    text = " ".join(f.text for a in report.analyses for f in a.findings)
    assert "no other group" in text


def test_ten_thousand_groups_stay_readable() -> None:
    random = np.random.default_rng(0)
    n = random.integers(0, 100, 10_000)
    frame = pd.DataFrame({"group": [f"g{i}" for i in range(10_000)], "trials": n})
    audit = Audit(Counts(frame.assign(events=random.binomial(n, 0.3))))
    report = audit.report()
    assert all(len(a.estimates) <= 60 for a in report.analyses)
    assert len(report.to_html()) < 3_000_000


def test_groups_without_cases_are_named() -> None:
    audit = Audit(Counts.of({"A": {"trials": 90, "events": 9}, "none": {"trials": 0, "events": 0}}))
    assert all(
        any("Nothing is said about none" in text for text in a.assumptions) for a in audit.run()
    )


def test_where_hits_were_counted_they_are_what_is_looked_for() -> None:
    cells = {"trials": 1000, "events": 100, "hits": 30}
    made = {a.name: a for a in Audit(Counts.of({"A": cells, "B": cells})).run()}
    found = made["prosecutor"].estimates[0]
    assert found.value == pytest.approx(31 / 102) and found.words == "hits given the group"


def test_an_analysis_that_cannot_be_made_says_why_and_the_others_go_on() -> None:
    cells = {"true_negative": 9, "false_positive": 2, "false_negative": 1, "true_positive": 3}
    audit = Audit(Counts.of({"A": cells, "B": dict.fromkeys(cells, 0)}), reference="B")
    made = audit.run()
    assert "no cases to compare with" in dict(audit.skipped)["errors of decisions"]
    assert made


def test_the_report_says_what_was_read_from_which_column(claims: pd.DataFrame) -> None:
    columns = Columns("group", decision="checked", outcome="fault")
    report = Audit(claims[["group", "checked", "fault"]], columns).report()
    assert "the group: group; the decision: checked; the outcome: fault" in report.notes[0]
    assert report.lead == "2,000 rows in 2 groups of group."
    assert report.skipped


def test_wrong_columns_are_refused(claims: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'checked'"):
        Audit(claims, Columns("group", events="cheked"))
    with pytest.raises(DataError, match="columns=Columns"):
        Audit(claims)
    with pytest.raises(UnknownName, match="Unknown group 'C'"):
        Audit(claims, Columns("group", events="checked"), reference="C")
    with pytest.raises(DataError, match="from 0 up, but is -1"):
        Audit(claims, Columns("group", events="checked"), seed=-1)


@pytest.mark.slow
def test_many_strata_are_pooled(claims: pd.DataFrame) -> None:
    audit = Audit(claims, Columns("group", events="checked", by="office"))
    assert "pooled" in names(audit)
