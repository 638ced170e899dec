"""Rows counted by the level of their score, in tenths of its range."""

import math
from dataclasses import replace
from typing import Any

import ibis

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.counts.dialects import exactly
from plausible.fairness.counts.reading import count_table, opened
from plausible.fairness.counts.values import Column
from plausible.inference.errors import DataError

__all__ = ["count_levels"]

_LEVEL = "level of the score"


def count_levels(source: Any, columns: Columns, *, label: str = "") -> Counts:
    """Rows and outcomes by group, with ten levels of the score as strata, named by their middles.

    Args:
        source: as for `read_counts`.
        columns: with a score and an outcome.
        label: where the data come from, in words; the file's name without it.

    Raises:
        DataError: for columns without a score, or scores that are not finite or all the same.
    """
    if columns.score is None:
        raise DataError("Levels of a score need a column of scores: name it with score=.")
    table = opened(source, columns)
    score = Column(table, columns.score, columns).number().cast("float64")
    ends = table.aggregate(low=score.min(), high=score.max()).execute().iloc[0]
    width = float(ends["high"] - ends["low"]) / 10
    if not math.isfinite(width):
        raise DataError(
            f"Levels need finite scores, but these go from {ends['low']:g} to {ends['high']:g}."
        )
    if not width:
        raise DataError(
            f"Levels need scores that differ, but column {columns.score!r} holds {ends['low']:g} "
            "and no other number."
        )
    digits = 3 - math.floor(math.log10(width))
    middles = [round(float(ends["low"]) + (i + 0.5) * width, digits) for i in range(10)]
    edges = [exactly(float(ends["low"]) + i * width) for i in range(1, 10)]
    names = [
        *((score < edge, f"{middle:.15g}") for edge, middle in zip(edges, middles, strict=False)),
        (score.notnull(), f"{middles[-1]:.15g}"),
    ]
    leveled = table.mutate(**{_LEVEL: ibis.cases(*names)})
    by_level = replace(
        columns,
        events=columns.outcome,
        by=_LEVEL,
        outcome=None,
        decision=None,
        score=None,
        threshold=None,
    )
    return count_table(leveled, by_level, source, label=label, apart=False)
