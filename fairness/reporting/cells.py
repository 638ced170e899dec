"""Counts, estimates and frames as the tables of a report."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate

__all__ = ["cells", "counted", "framed"]

_ROWS = 40  # of a table on a page
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
    rows = [[groups[i], *(f"{int(column[i]):,}" for column in numbers)] for i in order]
    if counts.by is not None:
        notes.append(f"Added up over {len(counts.strata):,} values of {counts.by}.")
    if lost := counts.missing.get("rows", 0):
        where = f" or {counts.by}" if counts.by else ""
        notes.append(f"{lost:,} rows without a {counts.group}{where} are left out.")
    if lost := counts.missing.get("values", 0):
        notes.append(f"{lost:,} rows without a value that counts are left out.")
    notes += _alike(total)
    notes += _small(total)
    return {
        "headers": [counts.group, *(counts.label_of(m) for m in measures)],
        "rows": rows,
        "notes": notes,
        "source": counts.source,
    }


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


def cells(estimates: Sequence[Estimate]) -> tuple[list[str], list[list[str]]]:
    """Estimates as headers and the cells of a table."""
    rows = []
    for e in list(estimates)[: 3 * _ROWS]:
        row = [e.label, str(e)]
        row.append("" if e.above is None else f"{100 * e.above:.1f} %")
        rows.append(row)
    return ["quantity", "value (95 % interval)", "probability above no effect"], rows


def framed(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """A frame as headers and the cells of a table."""
    rows = [[_cell(value) for value in row] for row in frame.head(3 * _ROWS).to_numpy().tolist()]
    return [str(c) for c in frame.columns], rows


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() and abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
