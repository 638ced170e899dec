"""A sample of a table's rows: the same rows in the same order wherever the table is kept."""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd

from plausible.fairness.counts.dialects import as_feature

__all__ = ["sample"]

_FEW = 1_000  # rows that stay in the order of their table, as in version 0.1.0
_WHOLE = 300_000  # rows that are read, to draw from them by what they hold
_PLACE = "place in the table"
# A prime whose square is a whole number in double precision too, which some databases count in.
_PRIME = 67_108_859
_MORE = 1.2  # of the rows that are wanted, since the first choice finds their number only about


def sample(
    table: ibis.Table, names: Sequence[str], rows: int, seed: int
) -> tuple[pd.DataFrame, int]:
    """At most a number of rows, at random, and how many the table has.

    Databases keep rows in an order of their own. From 1,000 to 300,000 rows are put in the order
    of what they hold, so that the same rows give the same sample anywhere; of more, the database
    draws.

    Args:
        table: in any database.
        names: of the columns that are read.
        rows: the most that are drawn.
        seed: of the draw.
    """
    total = int(table.count().execute())
    columns = table.select(**{name: as_feature(table[name]) for name in names})
    if total > max(_WHOLE, rows):
        share = min(1.0, _MORE * rows / total + 100 / total)
        draws = columns.get_backend().name == "duckdb"
        columns = columns.sample(share, seed=seed) if draws else _some(columns, share, seed)
    frame = columns.execute()
    if total > _FEW:
        frame = frame.sort_values(sorted(frame.columns), ignore_index=True)
    if len(frame) > rows:
        frame = frame.sample(rows, random_state=seed).sort_index(ignore_index=True)
    return frame[list(names)], total


def _some(table: ibis.Table, share: float, seed: int) -> ibis.Table:
    """About a share of the rows, by the place of each, where Ibis cannot draw by a seed."""
    steps = np.random.default_rng(seed).integers(1, _PRIME, 6).reshape(3, 2).tolist()
    mixed = table.mutate(**{_PLACE: ibis.row_number().cast("int64")})
    for factor, shift in steps:
        mixed = mixed.mutate(**{_PLACE: (mixed[_PLACE] % _PRIME * factor + shift) % _PRIME})
        mixed = mixed.mutate(**{_PLACE: mixed[_PLACE] * mixed[_PLACE] % _PRIME})
    return mixed.filter(mixed[_PLACE] < int(share * _PRIME)).drop(_PLACE)
