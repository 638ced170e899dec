"""An amount added up by group: sums and sums of squares, where the rows are."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.answer.groups import JOINED, keys_of, named
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts
from plausible.fairness.counts.parts import Parts
from plausible.fairness.counts.reading import count_table, opened
from plausible.fairness.counts.tables import readable
from plausible.inference.errors import DataError

__all__ = ["Moments", "count_moments"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of an amount in every group.

    Attributes:
        counts: trials, the rows that have the amount; effective ones where rows have weights.
        mean: of each group, shape (groups,).
        squares: sums of squared deviations from it, the same shape.
        column: what the amount is called.
    """

    counts: Counts
    mean: Array
    squares: Array
    column: str = "the amount"

    @property
    def n(self) -> Array:
        """Rows of each group, shape (groups,)."""
        return np.asarray(self.counts["trials"], np.float64)

    @cached_property
    def overall(self) -> float:
        """The mean of all rows."""
        return float(np.average(self.mean, weights=self.n))

    @cached_property
    def variance(self) -> float:
        """Of all rows."""
        between = self.n * (self.mean - self.overall) ** 2
        return float((self.squares + between).sum() / self.n.sum())


def count_moments(source: Any, columns: Columns, *, label: str = "") -> Moments:
    r"""Mean and squared deviations of an amount by group, by one query that adds up.

    Sums are those of deviations from the mean c of all rows, so that large amounts keep their
    digits:

    .. math:: \bar x = c + \frac{\sum_i w_i (x_i - c)}{\sum_i w_i}, \qquad
              \sum_i w_i (x_i - \bar x)^2 = \sum_i w_i (x_i - c)^2
              - \frac{(\sum_i w_i (x_i - c))^2}{\sum_i w_i}

    Args:
        source: as for `read_counts`.
        columns: with an amount; of the others group, count, weight and days are used.
        label: where the data come from, in words; the file's name without it.

    Raises:
        DataError: for columns without an amount, or amounts that are not finite.
    """
    if columns.mean is None:
        raise DataError("A mean needs a column of amounts: name it with mean=.")
    rest: dict[str, Any] = dict.fromkeys(
        ("trials", "events", "hits", "by", "decision", "outcome", "score", "threshold", "versus")
    )
    amounts = replace(columns, **rest)
    table = opened(source, amounts)
    counts = count_table(table, amounts, source, label=label)
    with readable(source):
        frame = _sums(table, amounts)
    sums = _of(counts, named(frame, amounts)[0])
    weights, first, second = (sums[name].to_numpy(np.float64) for name in ("w", "first", "second"))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError(f"A mean needs finite amounts, but {columns.mean!r} has others.")
    some = np.maximum(weights, np.finfo(float).tiny)
    around = np.maximum(second - first**2 / some, 0.0)
    effective = np.asarray(counts["trials"], np.float64) / some  # 1 without weights
    centre = sums["centre"].to_numpy(np.float64)
    return Moments(counts, centre + first / some, around * effective, columns.mean)


def _sums(table: ibis.Table, columns: Columns) -> pd.DataFrame:
    """The query: for each group its cases, and the sums of deviations and of their squares."""
    parts = Parts(table, columns)
    chosen = parts.selected
    kept = parts.table.select(
        **parts.keys,
        amount=parts.values["mean"].cast("float64"),
        w=(chosen["size"] * chosen.get("weight", 1)).cast("float64"),
        kept=chosen["kept"] & chosen["complete"],
    )
    kept = kept.filter(kept.kept)
    centre = kept.aggregate(c=kept.amount.mean()).execute()["c"].iloc[0]
    c = 0.0 if pd.isna(centre) else float(centre)
    away = kept.amount - c
    answer: pd.DataFrame = (
        kept.group_by(list(parts.keys))
        .aggregate(w=kept.w.sum(), first=(kept.w * away).sum(), second=(kept.w * away * away).sum())
        .execute()
    )
    return answer.assign(centre=c)


def _of(counts: Counts, frame: pd.DataFrame) -> pd.DataFrame:
    """The sums of the groups that were counted, in their order."""
    keys = keys_of(frame)
    frame = frame.dropna(subset=keys)
    frame = frame.assign(group=frame[keys].agg(JOINED.join, axis=1))
    sums = ["w", "first", "second"]
    by_group = frame.groupby("group")[sums].sum().reindex(list(counts.groups), fill_value=0.0)
    return by_group.assign(centre=frame["centre"].iloc[0] if len(frame) else 0.0)
