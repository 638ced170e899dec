"""Every form of a report has the same tables and numbers, and the ending of a file chooses it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Cases, Estimate
from plausible.fairness.reporting.analysis import Analysis, Table
from plausible.fairness.reporting.report import Report
from plausible.inference.errors import DataError

HEADER = (
    "analysis,quantity,group,reference,stratum,measure,value,low,high,level,above,events,trials"
)
STOPS = Counts.of(
    {"Black": {"trials": 300, "events": 36}, "White": {"trials": 500, "events": 30}},
    group="race",
)


def of(*estimates: Estimate, tables: tuple[Table, ...] = ()) -> Report:
    return Report("t", "l", [Analysis("x", "X", "q?", [], estimates, ["a"], ["c"], tables=tables)])


@pytest.fixture(scope="module")
def scored() -> Report:
    random = np.random.default_rng(0)
    group = np.where(random.random(400) < 0.4, "A", "B")
    score = random.random(400).round(3)
    fault = random.random(400) < score
    frame = pd.DataFrame({"group": group, "score": score, "fault": fault, "x": random.random(400)})
    columns = Columns("group", score="score", threshold=0.5, outcome="fault")
    return Audit(frame, columns).report()


def test_json_has_every_table_of_the_page_as_numbers(scored: Report) -> None:
    content = json.loads(scored.to_json())
    with_tables = [a for a in scored.analyses if a.tables]
    assert {"calibration", "proxies"} <= {a.name for a in with_tables}
    for analysis in with_tables:
        (one,) = (a for a in content["analyses"] if a["name"] == analysis.name)
        assert [t["caption"] for t in one["tables"]] == [t.caption for t in analysis.tables]
        for written, table in zip(one["tables"], analysis.tables, strict=True):
            again = pd.DataFrame(written["table"])
            pd.testing.assert_frame_equal(again, table.frame, check_dtype=False, check_exact=True)


def test_markdown_has_every_table_of_the_page(scored: Report) -> None:
    # Seen failing on version 0.1.0, whose text had no table but those of counts and estimates.
    text, html = scored.to_markdown(), scored.to_html()
    for analysis in scored.analyses:
        for table in analysis.tables:
            assert table.caption in text and table.caption in html
    assert text.count("| --- |") + text.count("| --- | --- |") >= html.count("<table")


def test_an_estimate_says_which_counts_it_rests_on() -> None:
    content = json.loads(Report("t", "l", [base_rates(STOPS, reference="White")]).to_json())
    by = {
        (e["group"], e["reference"], e["measure"]): e for e in content["analyses"][0]["estimates"]
    }
    none = {"reference_events": None, "reference_trials": None}
    assert by["Black", "", "share"]["counts"] == {"events": 36, "trials": 300, **none}
    both = {"events": 36, "trials": 300, "reference_events": 30, "reference_trials": 500}
    assert by["Black", "White", "difference"]["counts"] == both
    assert by["Black", "White", "ratio"]["counts"] == both
    assert all(e["level"] == 0.95 and e["quantity"] == "rate" for e in by.values())
    assert json.loads(of(Estimate("r", 0.5, 0.4, 0.6)).to_json())["analyses"][0]["estimates"][0][
        "counts"
    ] is None  # fmt: skip


def test_every_rate_of_an_audit_says_its_counts(scored: Report) -> None:
    lacking = {
        e.quantity
        for a in scored.analyses
        if a.name != "proxies"  # its numbers rest on held-out predictions
        for e in a.estimates
        if not e.counts and (e.measure == "share" or e.quantity != "auc")
    }
    # what mixes rates of several cells, or extremes of several groups, rests on no two counts
    assert not lacking & {
        "rate", "event_given_group", "false_positive_rate", "positive_predictive_value", "accuracy",
        "share_in_data", "share_in_predictions", "wrongly_investigated",
        "auc",
    }  # fmt: skip


def test_fractions_of_weighted_rows_are_counts_too() -> None:
    e = Estimate("r", 0.5, 0.4, 0.6, counts=(Cases(10.5, 21.25),))
    assert of(e).to_csv().endswith(",10.5,21.25\n")
    assert json.loads(of(e).to_json())["analyses"][0]["estimates"][0]["counts"]["trials"] == 21.25


def test_csv_has_one_line_for_each_estimate_with_all_digits(scored: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(scored.to_csv(), newline="")))
    estimates = [e for a in scored.analyses for e in a.estimates]
    assert scored.to_csv().splitlines()[0] == HEADER
    assert len(lines) == len(estimates) > 40
    for line, e in zip(lines, estimates, strict=True):
        assert [float(line[key]) for key in ("value", "low", "high")] == [e.value, e.low, e.high]
        assert (line["quantity"], line["group"]) == (e.quantity, e.group)
        assert (line["reference"], line["stratum"]) == (e.reference, e.stratum)
        if e.counts:
            assert (float(line["events"]), float(line["trials"])) == e.counts[0]
    frame = pd.read_csv(io.StringIO(scored.to_csv()))
    assert all(pd.api.types.is_numeric_dtype(frame[c]) for c in HEADER.split(",")[6:])


@pytest.mark.parametrize(
    "name", ['a "b", c', "two\nlines", "a\rb", " spaced ", "=1+1", "中文", "a;b\tc", "it's", ""]
)
def test_names_come_back_from_csv_as_they_were(name: str) -> None:
    text = of(Estimate("r", 0.5, 0.4, 0.6, group=name, stratum="s")).to_csv()
    ((line),) = csv.DictReader(io.StringIO(text, newline=""))
    assert (line["group"], line["stratum"]) == (name, "s")


def test_what_is_not_finite_is_empty_in_csv_and_null_in_json(
    violations: Callable[[str], list[str]],
) -> None:
    endless = Estimate("r", float("inf"), -float("inf"), float("nan"), "ratio", above=1.0)
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [float("inf"), float("nan")],
            "missing": [pd.NA, pd.NaT],
            "day": pd.to_datetime(["2020-01-02", "2020-01-03"]),
            "range": pd.interval_range(0, 2),
            "kind": pd.Categorical(["a", None]),
        }
    )
    report = of(endless, tables=(Table("T", frame),))
    assert ",ratio,,,,0.95,1.0,,\n" in report.to_csv()
    assert violations(report.to_json()) == []
    table = json.loads(report.to_json())["analyses"][0]["tables"][0]["table"]
    assert table["n"] == [1, 2] and table["x"] == table["missing"] == [None, None]
    assert table["day"][0].startswith("2020-01-02") and table["range"] == ["(0, 1]", "(1, 2]"]
    assert table["kind"] == ["a", None]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567.8, "1,234,568"),
        (12345678901234567, "12,345,678,901,234,567"),
        (45678.25, "45,678"),
        (50.0, "50"),
        (0.00012345, "0.000123"),
        (float("nan"), ""),
        (float("inf"), "∞"),
        (None, ""),
        (True, "True"),
    ],
)
def test_large_numbers_keep_their_digits(value: Any, shown: str) -> None:
    # Seen failing on version 0.1.0, which wrote 1.23e+06, and inf and nan.
    frame = pd.DataFrame({"name": ["row"], "amount": pd.Series([value], dtype=object)})
    report = of(tables=(Table("T", frame),))
    assert f"| row | {shown} |" in report.to_markdown()
    assert f'<td class="number">{shown}</td>' in report.to_html()
    if isinstance(value, int):
        again = json.loads(report.to_json())["analyses"][0]["tables"][0]["table"]["amount"]
        assert again == [value]


def test_what_a_long_table_leaves_out_is_said_and_is_in_json_and_csv() -> None:
    # Seen failing on version 0.1.0, which cut tables at 120 rows without a word.
    frame = pd.DataFrame({"row": range(1121)})
    estimates = [Estimate("r", 0.5, 0.4, 0.6, group=f"g{i}") for i in range(130)]
    report = of(*estimates, tables=(Table("T", frame),))
    for text in (report.to_html(), report.to_markdown()):
        assert "The first 120 of 1,121 rows" in text and "The first 120 of 130 rows" in text
    assert len(json.loads(report.to_json())["analyses"][0]["tables"][0]["table"]["row"]) == 1121
    assert report.to_csv().count("\n") == 131


def test_a_second_analysis_of_a_name_has_a_name_of_its_own_in_csv() -> None:
    report = Report("t", "l", [base_rates(STOPS), base_rates(STOPS.only("White", "Black"))])
    frame = pd.read_csv(io.StringIO(report.to_csv()))
    assert frame["analysis"].unique().tolist() == ["base-rates", "base-rates-2"]
    assert not frame.duplicated(list(frame.columns[:6])).any()


def test_the_level_of_an_interval_stands_where_the_number_stands() -> None:
    # Seen failing on version 0.1.0: "95 % interval" above the range that rounding leaves.
    whole = Estimate("rounded", 3.7, 3.6, 3.8, "ratio", level=1.0)
    drawn = Estimate("drawn", 3.7, 3.6, 3.8, "ratio")
    assert "| quantity | value (range) |" in of(whole).to_markdown()
    assert "| quantity | value (95 % interval) |" in of(drawn).to_markdown()
    both = of(whole, drawn).to_markdown()
    assert "| rounded | 3.7 × (3.6–3.8) | range |" in both
    assert "| drawn | 3.7 × (3.6–3.8) | 95 % interval |" in both


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("r.html", "<!DOCTYPE html>"),
        ("r.HTM", "<!DOCTYPE html>"),
        ("r.md", "# t\n"),
        ("r.markdown", "# t\n"),
        ("r.json", "{\n"),
        ("r.csv", HEADER),
    ],
)
def test_the_ending_of_the_file_chooses_the_form(name: str, start: str, tmp_path: Path) -> None:
    path = Report("t", "l", [base_rates(STOPS)]).write(tmp_path / name)
    assert path.read_text(encoding="utf-8").startswith(start)


@pytest.mark.parametrize("name", ["r.docx", "r", "r.html.pdf", ".html", "r."])
def test_another_ending_is_refused_with_those_that_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.html .* \.md .* \.json .* \.csv"):
        Report("t", "l", [base_rates(STOPS)]).write(tmp_path / name)
    assert not list(tmp_path.iterdir())
