"""The contents of a report's JSON file, as `report.schema.json` describes it.

The number in `FORMAT` grows with every change that a program which reads these files could notice.
"""

import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Table

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["FORMAT", "contents"]

FORMAT = "plausible-report/3"


def contents(report: "Report") -> dict[str, Any]:
    """Plain types only; a number that is not finite is None."""
    everything: dict[str, Any] = _finite(
        {
            "format": FORMAT,
            "version": version("plausible"),
            "title": report.title,
            "lead": report.lead,
            "notes": list(report.notes),
            "analyses": [_analysis(analysis) for analysis in report.analyses],
            "skipped": [{"analysis": name, "reason": why} for name, why in report.skipped],
            "questions": [vars(answer) for answer in report.questions],
        }
    )
    return everything


def _analysis(a: Analysis) -> dict[str, Any]:
    return {
        "name": a.name,
        "title": a.title,
        "question": a.question,
        "findings": [
            {
                "text": f.text,
                "caveat": f.caveat,
                "estimate": None if f.estimate is None else _number(f.estimate),
            }
            for f in a.findings
        ],
        "estimates": [_number(e) for e in a.estimates],
        "tables": [_table(table) for table in a.tables],
        "assumptions": list(a.assumptions),
        "cannot_show": list(a.cannot_show),
        "sources": list(a.sources),
        "details": a.details,
    } | ({} if a.counts is None else {"counts": _counts(a.counts)})


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "group": counts.group,
        "by": counts.by,
        "names": dict(counts.names),
        "missing": dict(counts.missing),
        "rows": counts.rows,
        "source": counts.source,
        "lost": dict(counts.lost),
        "notes": list(counts.notes),
        "weighted": counts.weighted,
        "good": counts.good,
        "table": counts.frame.to_dict("list"),
    }


def _number(e: Estimate) -> dict[str, Any]:
    numbers = {key: value for key, value in vars(e).items() if key not in ("words", "counted")}
    return {"label": e.label, **numbers, "counts": _cases(e)}


def _cases(e: Estimate) -> dict[str, float | None] | None:
    """Events and trials of the group, and of the reference where there is one."""
    if not e.counts:
        return None
    (events, trials), *other = e.counts
    reference = other[0] if other else (None, None)
    names = ("events", "trials", "reference_events", "reference_trials")
    return dict(zip(names, (events, trials, *reference), strict=True))


def _table(table: Table) -> dict[str, Any]:
    frame = table.frame
    columns = {str(name): frame.iloc[:, i].tolist() for i, name in enumerate(frame.columns)}
    return {"caption": table.caption, "table": columns}


def _finite(value: Any) -> Any:
    """The same for JSON: plain types, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _finite(value.tolist())
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if value is pd.NA or value is pd.NaT else str(value)  # days, intervals
