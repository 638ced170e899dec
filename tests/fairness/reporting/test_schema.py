"""The JSON of every report is as the schema has it, and the schema is that of today's classes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.report import Report
from plausible.fairness.reporting.schema import SCHEMA, report_schema

CELLS = {"true_negative": 50, "false_positive": 9, "false_negative": 8, "true_positive": 30}


def test_the_file_is_what_the_classes_and_the_registry_say() -> None:
    # Seen failing after a field was added to Estimate.
    written = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert written == report_schema(), "run python -m plausible.fairness.reporting.schema"


def test_the_json_of_an_audit_is_as_the_schema_has_it(
    violations: Callable[[str], list[str]],
) -> None:
    report = Audit(Counts.of({"A": CELLS, "B": {**CELLS, "false_positive": 20}})).report()
    assert violations(report.to_json()) == []


def test_what_is_not_finite_and_analyses_of_a_user_are_within_the_schema(
    violations: Callable[[str], list[str]],
) -> None:
    endless = Estimate("r", float("inf"), 1.0, float("nan"), "ratio", above=1.0)
    own = Analysis("own", "t", "q?", [Finding("f", "", endless)], [endless], ["a"], ["c"])
    assert violations(Report("t", "l", [own]).to_json()) == []


def _without_a_value(report: Any) -> None:
    del report["analyses"][0]["estimates"][0]["value"]


def _with_a_text_for_a_number(report: Any) -> None:
    report["analyses"][0]["findings"][0]["estimate"] = {"value": "many"}


def _with_another_measure(report: Any) -> None:
    report["analyses"][0]["estimates"][0]["measure"] = "per cent"


def _with_a_fraction_of_a_row(report: Any) -> None:
    report["analyses"][0]["counts"]["missing"] = {"rows": 0.5}


def _with_five_questions(report: Any) -> None:
    report["questions"].pop()


def _without_analyses(report: Any) -> None:
    report["analyses"] = []


def _with_something_else(report: Any) -> None:
    report["more"] = 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_without_a_value, "estimates/0: value is missing"),
        (_with_a_text_for_a_number, "findings/0/estimate: none of 2"),
        (_with_another_measure, "measure: 'per cent' is not"),
        (_with_a_fraction_of_a_row, "missing/rows: 0.5 is not"),
        (_with_five_questions, "questions: 5 items"),
        (_without_analyses, "analyses: 0 items"),
        (_with_something_else, "report: more is unknown"),
    ],
)
def test_the_check_notices_what_is_wrong(
    change: Callable[[Any], None], where: str, violations: Callable[[str], list[str]]
) -> None:
    counts = Counts.of({"A": {"trials": 90, "events": 9}, "B": {"trials": 50, "events": 20}})
    content = json.loads(Audit(counts).report().to_json())
    change(content)
    assert any(where in violation for violation in violations(json.dumps(content)))
