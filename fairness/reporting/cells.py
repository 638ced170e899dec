"""Counts, estimates and frames as the tables of a report."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate, digits
from plausible.fairness.reporting.analysis import Analysis

__all__ = ["Shown", "counted", "tables"]

_ROWS = 40  # of the counts on a page
_MOST = 120  # of any other table
_SMALL, _NAMED = 30, 5


def counted(counts: Counts) -> dict[str, Any]:
    """Counts as a table with totals, and what has to be said about them."""
    total = counts.total()
    measures, groups = total.measures, total.groups
    numbers = [total[m] for m in measures]
    order = list(range(len(groups)))
    notes = []
    if len(groups) > _ROWS:
        notes.append(f"The table shows the {_ROWS} largest of {len(groups):,} groups.")
        order = numbers[0].argsort()[::-1][:_ROWS].tolist()
    written = "{:,.1f}" if counts.weighted else "{:,}"
    rows = [[groups[i], *(written.format(column[i]) for column in numbers)] for i in order]
    if counts.by is not None:
        notes.append(f"Added up over {len(counts.strata):,} values of {counts.by}.")
    notes += _missing(counts)
    notes += counts.notes
    notes += _alike(total)
    notes += _small(total)
    return {
        "headers": [counts.group, *(counts.label_of(m) for m in measures)],
        "rows": rows,
        "notes": notes,
        "source": counts.source,
    }


def _missing(counts: Counts) -> list[str]:
    """What is left out, in rows and in cases."""
    notes = []
    if lost := counts.missing.get("rows", 0):
        where = f" or {counts.by}" if counts.by else ""
        unit, cases = counts.label_of("trials"), counts.missing.get("trials", 0)
        many = "1 row" if lost == 1 else f"{lost:,} rows"
        if "trials" in counts.measures and unit != "rows" and not counts.weighted:
            many = f"{cases:,} {unit} in {many}"
        verb = "is" if many == "1 row" else "are"
        notes.append(f"{many} without a {counts.group}{where} {verb} left out.")
    if (lost := counts.missing.get("values", 0)) and not counts.lost:
        notes.append(f"{lost:,} rows without a value that counts are left out.")
    return notes


def _alike(counts: Counts) -> list[str]:
    """A warning of names that a reader could take for the same."""
    same: dict[str, list[str]] = {}
    for group in counts.groups:
        plain = " ".join(unicodedata.normalize("NFKC", group).casefold().split())
        same.setdefault(plain, []).append(group)
    pairs = [groups for groups in same.values() if len(groups) > 1]
    if not pairs:
        return []
    names = "; ".join(", ".join(f"“{g}”" for g in groups) for groups in pairs[:_NAMED])
    more = f"; and {len(pairs) - _NAMED:,} more" if len(pairs) > _NAMED else ""
    return [
        f"Some names of {counts.group} differ only in capitals, spaces or how letters are stored, "
        f"and are counted apart: {names}{more}. Where they are the same, write them alike."
    ]


def _small(counts: Counts) -> list[str]:
    """A warning of groups with so few cases that chance decides."""
    measures = [m for m in ("trials", "events") if m in counts.measures] or counts.measures
    warnings = []
    for measure in measures:
        few = [g for g, n in zip(counts.groups, counts[measure], strict=True) if n < _SMALL]
        if few:
            more = f" and {len(few) - _NAMED:,} more" if len(few) > _NAMED else ""
            names = ", ".join(few[:_NAMED]) + more
            warnings.append(
                f"Fewer than {_SMALL} {counts.label_of(measure)}: {names}. Their intervals are "
                "wide, and the prior has a say in them."
            )
    return warnings


@dataclass(frozen=True)
class Shown:
    """A table as a page or a text shows it.

    Attributes:
        caption: what the numbers are.
        headers: names of the columns.
        rows: cells as texts.
        note: which rows are not shown; empty where all are.
        front: whether it stands on the page itself, not among all numbers.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    front: bool = False


def tables(analysis: Analysis) -> list[Shown]:
    """All tables of an analysis: that of its estimates and its own."""
    shown = [_estimates(analysis.estimates)] if analysis.estimates else []
    own = [replace(_framed(t.caption, t.frame), front=t.front) for t in analysis.tables]
    return [*shown, *own]


def _estimates(estimates: Sequence[Estimate]) -> Shown:
    """Numbers with their intervals, whose probability stands above them where it is the same."""
    levels = list(dict.fromkeys(map(_interval, estimates)))
    same = levels[0] if len(levels) == 1 else "interval"
    rows = []
    for e in estimates[:_MOST]:
        above = "" if e.above is None else f"{100 * e.above:.1f} %"
        rows.append([e.label, str(e), *([_interval(e)] if len(levels) > 1 else []), above])
    each = ["interval"] if len(levels) > 1 else []
    headers = ["quantity", f"value ({same})", *each, "probability above no effect"]
    return Shown(f"Every number with its {same}.", headers, rows, _unseen(len(estimates)))


def _interval(e: Estimate) -> str:
    """What the interval holds: a probability, or all values that rounding leaves, if it does."""
    if e.level == 1:
        return "range" if e.low < e.high else "no interval"
    return f"{100 * e.level:.3g} % interval"


def _framed(caption: str, frame: pd.DataFrame) -> Shown:
    rows = [list(map(_cell, row)) for row in frame.head(_MOST).itertuples(index=False, name=None)]
    return Shown(caption, [str(name) for name in frame.columns], rows, _unseen(len(frame)))


def _unseen(rows: int) -> str:
    """That a table is longer than what is shown."""
    if rows <= _MOST:
        return ""
    return f"The first {_MOST} of {rows:,} rows; the report as JSON has them all."


def _cell(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() else digits(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
