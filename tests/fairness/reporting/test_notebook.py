"""What a notebook and a terminal show of analyses, reports, audits and their parts."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Cases, Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.report import Report

NASTY = "<script>alert('x')</script><b>\n& co</b>"
COUNTS = Counts.of(
    {NASTY: {"trials": 900, "events": 90}, "b": {"trials": 200, "events": 60}},
    group="gr<o>up",
    names={"trials": "st<i>ops"},
    source="A <u>source</u>",
)


def report() -> Report:
    return Report("A <b>title</b>", "A <i>lead</i>.", [base_rates(COUNTS)], [("a<b", "wh<y")])


CELLS: list[Callable[[], Any]] = [
    report,
    lambda: base_rates(COUNTS),
    lambda: Audit(COUNTS),
    lambda: Audit(
        pd.DataFrame({"g<r": [NASTY] * 3 + ["b"] * 3, "e<v": [0, 1, 1] * 2}),
        Columns("g<r", events="e<v"),
    ),
]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("make", CELLS)
def test_a_cell_escapes_every_text_and_leaks_no_name_or_style(make: Callable[[], Any]) -> None:
    # Seen failing with autoescape=False, and with the pictures as elements of the notebook.
    html = make()._repr_html_()
    tags = _Tags()
    tags.feed(html)
    assert not tags.open
    assert tags.names <= set(
        "div h3 h4 p em strong small br img ul li table caption thead tbody tr th td details "
        "summary".split()
    )
    assert tags.attributes <= {"style", "src", "alt"}
    assert "alert" in html and "<script" not in html and "&lt;script&gt;" in html
    links = re.findall(r'src="([^"]*)"', html)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)


def test_a_cell_shows_findings_pictures_and_numbers() -> None:
    analysis = base_rates(COUNTS)
    html = analysis._repr_html_().replace("\u00a0", " ")
    assert html.count("<img ") == len(analysis.figures()) > 0
    assert html.count("<table>") == 1 + len(analysis.tables)
    plain = re.sub(r"&[a-z#0-9]+;", "", html)
    assert "difference of" in plain and "What this cannot show" in plain
    shown = report()._repr_html_()
    assert "900" in shown and "difference of" in shown and "wh&lt;y" in shown


def test_an_audit_is_shown_without_running_it(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Audit(COUNTS)
    monkeypatch.setattr(audit, "run", None)
    assert "st&lt;i&gt;ops" in audit._repr_html_()
    assert repr(audit).startswith("<Audit of <Counts of 2 of gr<o>up: 1,100 st<i>ops, 150 events>")


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (
            Estimate("a_rate", 0.12, 0.08, 0.162, group="x\ny", counts=(Cases(36, 300),)),
            "<Estimate a rate, x y: 12.0 % (8.0–16.2 %)>",
        ),
        (Finding("Higher for A\nthan for B."), "<Finding: Higher for A than for B.>"),
        (
            Table("Rates", pd.DataFrame({"a": range(1200), "b": 0})),
            "<Table of 1,200 rows and 2 columns: Rates>",
        ),
        (
            Counts(
                pd.DataFrame({"group": ["a"], "by": ["s"], "trials": [1234], "events": [5]}),
                group="race",
                by="district",
            ),
            "<Counts of 1 of race in 1 of district: 1,234 trials, 5 events>",
        ),
        (
            Analysis("x", "X", "q?", [Finding("F.")], [Estimate("r", 0.5, 0.4, 0.6)], ["a"], ["c"]),
            "<Analysis x, 1 finding, 1 estimate: F.>",
        ),
    ],
)
def test_what_is_printed_is_one_line_that_tells_what_it_is(thing: Any, text: str) -> None:
    assert repr(thing) == text


def test_however_much_there_is_it_is_one_short_line() -> None:
    # Seen failing on version 0.1.0, where a report printed every frame, picture and sentence.
    long = Estimate("r", 0.5, 0.4, 0.6, group="g" * 500)
    analysis = Analysis("x", "X", "q?", [Finding("word " * 900)], [long] * 999, ["a"], ["c"])
    things = [long, analysis, analysis.findings[0], Report("t " * 900, "l", [analysis] * 3)]
    for thing in [*things, report(), Audit(COUNTS), COUNTS]:
        assert "\n" not in repr(thing) and len(repr(thing)) < 400


def test_a_table_has_numbers_in_columns_of_numbers() -> None:
    # Seen failing on version 0.1.0, which had neither groups nor counts, but labels.
    table = base_rates(COUNTS, reference="b").table()
    assert list(table) == (
        "quantity group reference stratum measure value low high level above events trials".split()
    )
    for name in ("value", "low", "high", "level", "above", "events", "trials"):
        assert pd.api.types.is_numeric_dtype(table[name])
    (gap,) = table[table["measure"] == "difference"].to_dict("records")
    assert (gap["group"], gap["reference"]) == (NASTY, "b")
    assert (gap["events"], gap["trials"]) == (90, 900)
    assert gap["value"] == pytest.approx(91 / 902 - 61 / 202)
    empty = Analysis("x", "X", "q?", [], [], ["a"], ["c"]).table()
    assert len(empty) == 0 and pd.api.types.is_numeric_dtype(empty["events"])
