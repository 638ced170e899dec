"""Columns that say a group or an outcome over again, one to one or nearly."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["determines"]

Whole = NDArray[np.int64]
_WRONG = 0.02  # of the rows
_OF_GUESSING = 0.1  # of the rows that are wrong where the most frequent answer is given to all
_LEVELS = 100  # of a column of numbers


def determines(column: pd.Series, answer: Whole, train: NDArray[np.bool_]) -> bool:
    """Whether the values of a column tell an answer in rows that were not used to learn which.

    Each value stands for the answer that is most frequent with it in the training rows. The
    column determines the answer if that is wrong in at most 2 % of the other rows, and in at most
    a tenth of those in which the most frequent answer of all is wrong.

    Args:
        column: of any type; numbers with many values are cut into a hundred parts.
        answer: of each row, 0 to answers − 1.
        train: which rows are learned from.
    """
    levels = _levels(column)
    answers = int(answer.max()) + 1
    seen = np.bincount(
        levels[train] * answers + answer[train], minlength=(levels.max() + 1) * answers
    )
    seen = seen.reshape(-1, answers)
    most = int(seen.sum(0).argmax())
    says = np.where(seen.any(1), seen.argmax(1), most)
    others = answer[~train]
    wrong = float(np.mean(says[levels[~train]] != others))
    guessed = float(np.mean(most != others))
    return wrong <= min(_WRONG, _OF_GUESSING * guessed)


def _levels(column: pd.Series) -> Whole:
    """The value of each row as a number from 0 up; what is missing is a value too."""
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > _LEVELS:
        column = pd.qcut(column.astype(float), _LEVELS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(column, use_na_sentinel=False)[0], dtype=np.int64)
