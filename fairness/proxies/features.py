"""Columns of any table as numbers that a regression can use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Features", "features"]

Array = NDArray[np.float64]
_LEVELS = 30  # of a column of names; rarer ones are lumped together
_RARE = 5


@dataclass(frozen=True, eq=False)
class Features:
    """Columns as numbers.

    Attributes:
        values: shape (rows, features); columns of numbers in their own standard deviations.
        columns: for each feature, the column that it comes from.
        skipped: columns that do not vary or name nearly every row on its own.
    """

    values: Array
    columns: tuple[str, ...]
    skipped: tuple[str, ...]

    def of(self, column: str) -> Array:
        """The features of one column."""
        return self.values[:, [c == column for c in self.columns]]


def features(frame: pd.DataFrame, columns: Sequence[str]) -> Features:
    """Numbers in standard deviations, names as one feature each, missing values as their own.

    A missing number is set to the mean, and a further feature says that it was missing. Of a
    column of names the 30 most frequent that occur 5 times or more have a feature each. A column
    of names in which hardly any occurs twice, such as an identifier, is left out.

    Args:
        frame: the table.
        columns: those to use.
    """
    parts, origin, skipped = [], [], []
    for name in columns:
        column = frame[name]
        numeric = pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)
        part = _number(column) if numeric else _names(column)
        part = part[:, part.std(0) > 0] if part.size else part
        if not part.shape[1]:
            skipped.append(name)
            continue
        parts.append(part)
        origin += [name] * part.shape[1]
    values = np.concatenate(parts, axis=1) if parts else np.empty((len(frame), 0))
    return Features(values, tuple(origin), tuple(skipped))


def _number(column: pd.Series) -> Array:
    x = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(x)
    if not known.any():
        return np.empty((len(x), 0))
    center, scale = x[known].mean(), x[known].std()
    x = np.where(known, (x - center) / (scale if scale > 0 else 1.0), 0.0)
    return np.c_[x, ~known]


def _names(column: pd.Series) -> Array:
    texts = column.astype("string").fillna("missing")
    counts = texts.value_counts()
    kept = [name for name, count in counts.head(_LEVELS).items() if count >= _RARE]
    rest = ~texts.isin(kept)
    if len(kept) == 0:
        return np.empty((len(texts), 0))
    return np.c_[np.stack([texts == name for name in kept], axis=1), rest].astype(np.float64)
