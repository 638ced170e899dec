"""A sample of a table's rows: the same rows wherever the table is kept."""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd

from plausible.fairness.counts.dialects import as_feature

__all__ = ["sample"]

_PLACE = "place in the table"
# A prime whose square is a whole number in double precision too, which some databases count in.
_PRIME = 67_108_859
_MORE = 1.2  # of the rows that are wanted, since the first choice finds their number only about


def sample(
    table: ibis.Table, names: Sequence[str], rows: int, seed: int
) -> tuple[pd.DataFrame, int]:
    """At most a number of rows, at random, and how many the table has.

    Args:
        table: in any database.
        names: of the columns that are read.
        rows: the most that are drawn.
        seed: of the draw; the same rows in the same order give the same sample in every database.
    """
    total = int(table.count().execute())
    columns = table.select(**{name: as_feature(table[name]) for name in names})
    if total <= rows:
        return columns.execute(), total
    placed = columns.mutate(**{_PLACE: ibis.row_number().cast("int64")})
    share = min(1.0, (_MORE * rows + 100) / total)
    few = placed.filter(_mixed(placed[_PLACE], seed) < int(share * _PRIME)).execute()
    few = few.sort_values(_PLACE, ignore_index=True).drop(columns=_PLACE)
    return (few if len(few) <= rows else few.sample(rows, random_state=seed)), total


def _mixed(place: ibis.Value, seed: int) -> ibis.Value:
    """A number from 0 to the prime that looks random, from whole numbers alone."""
    steps = np.random.default_rng(seed).integers(1, _PRIME, 6)
    mixed = place % _PRIME
    for factor, shift in steps.reshape(3, 2).tolist():
        mixed = (mixed * factor + shift) % _PRIME
        mixed = (mixed * mixed) % _PRIME
    return mixed
