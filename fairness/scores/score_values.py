"""Rows counted by every value of a score, or of two scores of the same rows."""

from dataclasses import dataclass, replace
from typing import Any

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.counts.dialects import in_any_database
from plausible.fairness.counts.reading import count_table, opened
from plausible.fairness.counts.values import Column
from plausible.inference.errors import DataError

__all__ = ["Values", "count_values"]

_VALUE = "value of the score"
_BETWEEN = "; "
_MOST = 100_000  # values, or pairs of them, that are kept apart
_STEPS = {1: 100_000, 2: 1_000}  # equal steps of each score where there are more


@dataclass(frozen=True, eq=False)
class Values:
    """Rows by group, value and outcome.

    Attributes:
        counts: trials and events (outcomes), by group, with values as strata.
        scores: shape (values, scores), in the order of the strata.
        steps: how many equal steps a score was rounded to; None where values are as they were.
    """

    counts: Counts
    scores: NDArray[np.float64]
    steps: int | None = None

    def of(self, group: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows with and without the outcome at each value, of one group or of all."""
        cells = [self.counts.cells(measure) for measure in ("trials", "events")]
        n, k = (x.sum(axis=1) if group is None else x[:, group] for x in cells)
        return k, n - k


def count_values(source: Any, columns: Columns, *, label: str = "") -> Values:
    """Rows and outcomes by group and value of the score, and of a second score where one is named.

    Args:
        source: as for `read_counts`.
        columns: with a score and an outcome, and `versus` for a second score of the same rows.
        label: where the data come from, in words; the file's name without it.

    Raises:
        DataError: for columns without a score, or scores that are not finite.
    """
    if columns.score is None:
        raise DataError("Ranks need a column of scores: name it with score=.")
    names = [name for name in (columns.score, columns.versus) if name is not None]
    table = opened(source, columns)
    scores = [Column(table, name, columns).number().cast("float64") for name in names]
    distinct = table.select(**{f"s{i}": s for i, s in enumerate(scores)}).distinct()
    steps = None
    if distinct.count().execute() > _MOST:
        steps = _STEPS[len(scores)]
        scores = [_rounded(table, score, steps) for score in scores]
    texts = [score.cast("string") for score in scores]
    value = texts[0]
    for text in texts[1:]:
        value = value + _BETWEEN + text
    by_value = replace(
        columns,
        events=columns.outcome,
        by=_VALUE,
        outcome=None,
        decision=None,
        score=None,
        versus=None,
        threshold=None,
    )
    counts = count_table(
        table.mutate(**{_VALUE: value}), by_value, source, label=label, apart=False
    )
    counts = replace(counts, frame=_in_order(counts.frame))
    numbers = np.array([_parsed(stratum) for stratum in counts.strata])
    if not np.isfinite(numbers).all():
        raise DataError(f"Ranks need finite scores, but {' or '.join(names)} has infinite ones.")
    return Values(counts, numbers, steps)


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """By group and value, since databases write numbers differently and sort what they write."""
    values = frame["by"].map(_parsed)
    return frame.assign(value=values).sort_values(["group", "value"]).drop(columns="value")


def _parsed(stratum: str) -> tuple[float, ...]:
    """The scores that a stratum is named by."""
    return tuple(map(float, stratum.split(_BETWEEN)))


def _rounded(table: ibis.Table, score: Any, steps: int) -> Any:
    """The same in equal steps of its range, named by their middles."""
    ends = table.aggregate(low=score.min(), high=score.max()).execute().iloc[0]
    width = float(ends["high"] - ends["low"]) / steps
    if not 0 < width < float("inf"):
        raise DataError(f"Ranks need finite scores, from {ends['low']:g} to {ends['high']:g}.")
    low, a_step = in_any_database(float(ends["low"])), in_any_database(width)
    step = ((score - low) * in_any_database(1 / width)).floor()
    step = ibis.cases((step < 0, 0.0), (step >= steps, steps - 1.0), else_=step)
    return (step + 0.5) * a_step + low
