"""Estimates as a tidy table, one a row, and as CSV: for R, spreadsheets and newsrooms."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from plausible.fairness.estimation.estimates import Estimate

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["COLUMNS", "csv", "tidy"]

_TEXTS = ("quantity", "group", "reference", "stratum", "measure")
_NUMBERS = ("value", "low", "high", "level", "above")
_COUNTS = ("events", "trials")
COLUMNS = (*_TEXTS, *_NUMBERS, *_COUNTS)


def tidy(estimates: Iterable[Estimate]) -> pd.DataFrame:
    """A row for each estimate; numbers are numbers, and missing where there is none.

    Args:
        estimates: any number of them, also none.

    Returns:
        The columns `COLUMNS`; events and trials are those of the group, not of the reference.
    """
    frame = pd.DataFrame([_row(e) for e in estimates], columns=list(COLUMNS))
    frame = frame.astype(dict.fromkeys(_NUMBERS, "float64"))
    for name in _COUNTS:
        numbers = frame[name].astype("float64")
        whole = (numbers.isna() | (numbers % 1 == 0)).all()
        frame[name] = numbers.astype("Int64") if whole else numbers
    return frame


def csv(report: "Report") -> str:
    """Every estimate of a report as CSV, one a line, after the name of its analysis.

    Numbers have all their digits; what is not finite is left empty. The second analysis of a name
    is called "scores-2".
    """
    lines: list[Sequence[Any]] = [("analysis", *COLUMNS)]
    for name, estimates in _named(report):
        lines += [(name, *_row(e).values()) for e in estimates]
    return "".join(",".join(map(_field, line)) + "\n" for line in lines)


def _named(report: "Report") -> Iterator[tuple[str, Sequence[Estimate]]]:
    """The estimates of each analysis, by a name that no other analysis of the page has."""
    seen: Counter[str] = Counter()
    for analysis in report.analyses:
        seen[analysis.name] += 1
        number = seen[analysis.name]
        yield f"{analysis.name}-{number}" if number > 1 else analysis.name, analysis.estimates


def _row(e: Estimate) -> dict[str, Any]:
    values = {name: getattr(e, name) for name in (*_TEXTS, *_NUMBERS)}
    events, trials = e.counts[0] if e.counts else (None, None)
    return values | {"events": events, "trials": trials}


def _field(value: Any) -> str:
    """One field; quoted where a reader would take it for several."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    text = str(value.item() if hasattr(value, "item") else value)
    quoted = any(sign in text for sign in ',"\r\n') or text != text.strip()
    return '"' + text.replace('"', '""') + '"' if quoted else text
