"""Reports: complete, escaped, one file, and the same numbers in every form."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals, people, plain
from plausible.fairness.reporting.questions import closing_questions
from plausible.fairness.reporting.report import Report
from plausible.fairness.scores.scores import scores
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

NASTY = '<script>alert("x")</script> $a_b$ ÄÖ 中文 & co'
COUNTS = Counts.of(
    {NASTY: {"trials": 900, "events": 90}, "b": {"trials": 20, "events": 6}},
    group="gr<o>up",
    names={"trials": "st|ops"},
    source="A source, https://example.org/a?b=1&c=2",
)


def report() -> Report:
    return Report("A <b>title</b>", "A lead & more.", [base_rates(COUNTS)])


def test_names_of_groups_are_escaped_in_the_page() -> None:
    # Seen failing with autoescape=False.
    html = report().to_html()
    assert "<script>" not in html and "A <b>" not in html
    assert "&lt;script&gt;" in html and "中文" in html


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    html = report().to_html()
    assert "default-src 'none'" in html
    links = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert all(link.startswith(("#", "data:", "https://example.org", "https://")) for link in links)
    assert not re.findall(r'<(?:script|iframe|link rel="stylesheet")', html)


def test_ids_are_unique_and_every_reference_has_its_target() -> None:
    # Seen failing without the prefix of the figures' ids.
    cells = {"true_negative": 50, "false_positive": 9, "false_negative": 8, "true_positive": 30}
    confusion = Counts.of({"a": cells, "b": {**cells, "false_positive": 20}})
    html = Report("t", "l", [base_rates(COUNTS), scores(confusion), base_rates(COUNTS)]).to_html()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', html):
        assert reference in ids, reference


def test_every_figure_says_in_words_what_it_shows() -> None:
    html = report().to_html()
    figures = re.findall(r"<svg [^>]*>", html)
    assert figures and all('role="img"' in f and 'aria-label="' in f for f in figures)


def test_every_part_of_an_analysis_is_on_the_page_and_in_the_text() -> None:
    analysis = Analysis(
        name="x",
        title="TITLE",
        question="QUESTION?",
        findings=[Finding("FINDING", "CAVEAT")],
        estimates=[Estimate("ESTIMATE", 0.5, 0.4, 0.6)],
        assumptions=["ASSUMPTION"],
        cannot_show=["LIMIT"],
        sources=["SOURCE"],
    )
    made = Report("NAME", "LEAD", [analysis], skipped=[("SKIPPED", "REASON")], notes=["NOTE"])
    for text in (made.to_html(), made.to_markdown(), made.to_json()):
        for word in (
            "NAME LEAD NOTE TITLE QUESTION FINDING CAVEAT ESTIMATE ASSUMPTION LIMIT SOURCE SKIPPED "
            "REASON"
        ).split():
            assert word in text, word
        assert "Dignity" in text


def test_json_has_the_numbers_of_the_analysis() -> None:
    content = json.loads(report().to_json())
    (analysis,) = content["analyses"]
    own = base_rates(COUNTS)
    assert [e["value"] for e in analysis["estimates"]] == [e.value for e in own.estimates]
    assert analysis["counts"]["table"]["group"] == [NASTY, "b"]


def test_numbers_that_are_not_finite_are_null_in_json() -> None:
    endless = Estimate("r", float("inf"), 1.0, float("inf"), "ratio", above=1.0)
    analysis = Analysis("x", "t", "q?", [], [endless], ["a"], ["c"], details={"n": float("nan")})
    text = Report("t", "l", [analysis]).to_json()
    content: Any = json.loads(text)["analyses"][0]
    assert content["estimates"][0]["value"] is None and content["details"]["n"] is None
    assert "Infinity" not in text and "NaN" not in text


def test_markdown_keeps_its_tables_whole() -> None:
    lines = report().to_markdown().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    tables = [re.sub(r"\\\|", "", row).count("|") for row in rows]
    assert set(tables) == {4}
    assert "st\\|ops" in "\n".join(lines)


def test_missing_rows_and_small_groups_are_shown() -> None:
    counts = Counts(
        COUNTS.frame,
        group="group",
        missing={"rows": 1234, "values": 5, "trials": 1234},
        names={"trials": "stops"},
    )
    html = Report("t", "l", [base_rates(counts)]).to_html()
    assert "1,234 rows without a group are left out." in html
    assert "5 rows without a value that counts are left out." in html
    assert "Fewer than 30 stops: b." in html


def test_names_that_look_the_same_are_pointed_out() -> None:
    cells = {name: {"trials": 90, "events": 9} for name in ("a", "A ", "é", "e\u0301", "b")}
    made = Report("t", "l", [base_rates(Counts.of(cells))])
    assert "“a”, “A ”; “é”, “e\u0301”. Where they are the same" in made.to_html()
    assert "differ only in capitals" not in report().to_html()


def test_signs_that_no_page_may_hold_are_replaced() -> None:
    cells = {"a\0": {"trials": 90, "events": 9}, "\x01": {"trials": 9, "events": 9}}
    html = Report("t", "l", [base_rates(Counts.of(cells))]).to_html()
    assert "a\ufffd" in html and not {"\0", "\x01"} & set(html)


def test_ten_thousand_groups_make_a_page_that_can_be_read() -> None:
    cells = {f"g{i:05}": {"trials": 100 + i % 7, "events": 10 + i % 5} for i in range(10_000)}
    html = Report("t", "l", [base_rates(Counts.of(cells))]).to_html()
    assert "The table shows the 40 largest of 10,000 groups." in html
    assert len(html) < 1_000_000


def test_a_report_of_nothing_says_why() -> None:
    with pytest.raises(DataError, match=r"nothing to report\. burden: it needs a column of hits"):
        Report("t", "l", [], skipped=[("burden", "it needs a column of hits.")])


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    path = report().write(tmp_path / "deep" / "r.html")
    assert path.read_text(encoding="utf-8") == report().to_html()


def test_closing_questions_name_the_parts_that_speak_to_them() -> None:
    answers = {a.heading: a.here for a in closing_questions([base_rates(COUNTS)])}
    assert answers["Representative data"] == "Here: Base rates."
    assert answers["Actions"] == "No part of this report speaks to it."
    assert answers["Dignity"] == ""


def test_intervals_of_many_groups_show_the_extremes_and_say_so() -> None:
    many = [Estimate(f"g{i}", i / 100, i / 100 - 0.01, i / 100 + 0.01) for i in range(60)]
    picture = intervals("x", many, "Rates.")
    assert picture.caption.endswith("Shown are the 12 lowest and highest of 60.")
    labels = [t.get_text() for t in picture.figure.axes[0].get_yticklabels()]
    assert labels[0] == "g0" and labels[-1] == "g59" and len(labels) == 24


def test_people_draws_one_dot_for_each() -> None:
    picture = people("x", {"stops": {"guilty": 90, "innocent": 910}}, "People.")
    dots = picture.figure.axes[0].collections
    assert [len(d.get_offsets()) for d in dots] == [90, 910]
    assert "910 innocent" in picture.alt


def test_figures_refuse_what_they_cannot_show() -> None:
    with pytest.raises(DataError, match="estimates of one measure"):
        intervals("x", [], "c")
    with pytest.raises(DataError, match="1 to 1,000 people"):
        people("x", {"a": {"b": 1001}}, "c")


def test_names_cannot_start_formulas_in_figures() -> None:
    assert plain("a $b$") == r"a \$b\$"
    assert len(plain("x " * 500)) < 130


@pytest.mark.parametrize(("inches", "width"), [(3.0, 3.0), (20.0, 5.3)])
def test_wide_pictures_are_made_as_wide_as_the_page(inches: float, width: float) -> None:
    # Seen failing with the width multiplied.
    picture = Picture("wide", Figure(figsize=(inches, 2.0)), "A caption.", "A picture.")
    analysis = replace(base_rates(COUNTS), draw=lambda: [picture])
    (size,) = re.findall(r'<svg [^>]*width="([\d.]+)pt"', Report("t", "l", [analysis]).to_html())
    assert float(size) == pytest.approx(72 * width, abs=0.1)
