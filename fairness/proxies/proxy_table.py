"""A table as features and groups, for predicting one from the other (G12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.reading import open_table
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.proxies.features import Features, features
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.wording import listed
from plausible.inference.errors import DataError, UnknownName

__all__ = ["Prepared", "prepare"]

Whole = NDArray[np.int64]
_LEAST = 20  # rows of a group that is told apart
_YES, _NO = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")


@dataclass(frozen=True, eq=False)
class Prepared:
    """The rows that are used, as numbers.

    Attributes:
        features: of the columns that predict.
        g: the group of each row, 0 to groups − 1.
        names: of the groups; the last is the largest.
        outcome: 1 for yes and 0 for no of each row; None without.
        total: rows of the table.
        sampled: whether only some of them were read.
        left_out: what was left out.
    """

    features: Features
    g: Whole
    names: tuple[str, ...]
    outcome: Whole | None
    total: int
    sampled: bool
    left_out: Sequence[Finding]


def prepare(
    source: Any,
    group: str,
    outcome: str | None,
    columns: Sequence[str] | None,
    rows: int,
    seed: int,
) -> Prepared:
    """Read a table, or a sample of its rows, for predicting a group.

    Args:
        source: a data frame, a CSV or Parquet file, or an Ibis table.
        group: the column of the group.
        outcome: a column of yes and no; None without.
        columns: what predicts; all others by default.
        rows: the most that are used.
        seed: of the sample.

    Raises:
        UnknownName, DataError: see `plausible.fairness.proxies.proxies.proxies`.
    """
    frame, total = _sample(source, rows, seed)
    frame = frame.rename(columns=str)
    for name in (group, *([outcome] if outcome else []), *(columns or [])):
        if name not in frame:
            raise UnknownName("column", name, list(frame.columns))
    sampled = len(frame) < total
    texts, whole = [], frame[group].notna()
    if outcome is not None:
        yes = _boolean(frame[outcome], outcome)
        whole &= yes >= 0
    if lost := int((~whole).sum()):
        what = f"{group} or {outcome}" if outcome else group
        texts.append(f"{lost:,} rows without {what} are left out.")
    of = frame[group].astype(str)
    sizes = of[whole].value_counts()
    kept = list(sizes[sizes >= _LEAST].head(SHOWN).index)
    if len(kept) < 2:
        raise DataError(
            f"Two groups with {_LEAST} rows or more are needed, but column {group!r} has "
            f"{len(kept)} among the rows that are used."
        )
    if gone := [name for name in sizes.index if name not in kept]:
        texts.append(
            f"Left out are groups with fewer than {_LEAST} rows, and all but the {SHOWN} "
            f"largest: {listed(gone)}."
        )
    names = tuple(reversed(kept))
    use = np.flatnonzero(whole & of.isin(kept))
    frame = frame.iloc[use].reset_index(drop=True)
    chosen = columns or [c for c in frame.columns if c not in (group, outcome)]
    used = features(frame, [c for c in chosen if c not in (group, outcome)])
    if not used.values.shape[1]:
        raise DataError(f"There is no column besides {group!r} that varies and can predict it.")
    if used.skipped:
        texts.append(
            "Left out are columns that do not vary or in which hardly any value occurs twice: "
            f"{listed(used.skipped)}."
        )
    g = of.iloc[use].map(names.index).to_numpy(dtype=np.int64)
    answers = None if outcome is None else yes[use]
    if answers is not None and answers.min() == answers.max():
        raise DataError(f"Either everybody or nobody has the outcome {outcome!r}.")
    return Prepared(used, g, names, answers, total, sampled, [Finding(text) for text in texts])


def _sample(source: Any, rows: int, seed: int) -> tuple[pd.DataFrame, int]:
    """At most this number of rows, at random, and how many there are."""
    if isinstance(source, pd.DataFrame):
        total = len(source)
        return (source if total <= rows else source.sample(rows, random_state=seed)), total
    table = open_table(source)
    total = int(table.count().execute())
    if total > rows:
        # A few more, since a table can only be sampled to about a fraction.
        table = table.sample(min(1.0, 1.2 * rows / total + 100 / total), seed=seed)
    frame = table.execute()
    return (frame if len(frame) <= rows else frame.sample(rows, random_state=seed)), total


def _boolean(column: pd.Series, name: str) -> Whole:
    """1 for yes, 0 for no, −1 where missing."""
    texts = column.astype("string").str.strip().str.lower()
    yes, no = texts.isin(_YES), texts.isin(_NO)
    wrong = ~(yes | no | texts.isna()).fillna(False).astype(bool)
    if wrong.any():
        raise DataError(
            f"The outcome {name!r} has the value {column[wrong].iloc[0]!r}; accepted are true and "
            "false, yes and no, 1 and 0."
        )
    return np.where(yes.fillna(False), 1, np.where(no.fillna(False), 0, -1)).astype(np.int64)
