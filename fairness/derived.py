"""Counts that follow from those of an audit: decisions as flags, hits among events, losses."""

from dataclasses import replace

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION, Counts

__all__ = ["as_flags", "looked_for", "losses"]

_MANY = 0.1  # of the cases: a lead says it where so many are left out


def losses(counts: Counts) -> str:
    """That many cases are left out because a value is missing; empty where few are."""
    lost, left = sum(counts.lost.values()), counts[counts.measures[0]].sum()
    if not lost or lost < _MANY * (lost + left):
        return ""
    unit = counts.label_of("trials")
    return f" A further {lost:,} {unit} lack a value that is counted, and are left out."


def looked_for(counts: Counts) -> Counts:
    """Hits among events, where hits were counted: to be searched is not what is looked for."""
    if "hits" not in counts.measures:
        return counts
    frame = counts.frame.drop(columns="trials")
    frame = frame.rename(columns={"events": "trials", "hits": "events"})
    names = {"trials": counts.label_of("events"), "events": counts.label_of("hits")}
    return replace(counts, frame=frame, names=names, missing={}, lost={})


def as_flags(counts: Counts, columns: Columns | None) -> Counts:
    """Decisions against outcomes as cases, positive decisions and right ones; else the same."""
    if not set(CONFUSION) <= set(counts.measures):
        return counts
    cells = counts.frame
    frame = cells.drop(columns=list(CONFUSION)).assign(
        trials=cells[list(CONFUSION)].sum(axis=1),
        events=cells["false_positive"] + cells["true_positive"],
        hits=cells["true_positive"],
    )
    names = {"trials": "cases", "events": "positive decisions", "hits": "right ones among them"}
    if columns is not None and columns.outcome is not None:
        what = columns.decision or f"{columns.score} above {columns.threshold:g}"
        unit = "rows" if columns.whole else "cases"
        names = {"trials": unit, "events": what, "hits": f"{what} and {columns.outcome}"}
    missing = {name: n for name, n in counts.missing.items() if name not in CONFUSION}
    return replace(counts, frame=frame, names=names, missing=missing)
