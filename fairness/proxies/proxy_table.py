"""A table as features and groups, for predicting one from the other (G12)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.dialects import as_name
from plausible.fairness.counts.tables import open_table, readable
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.logistic import halves
from plausible.fairness.proxies.determined import determines
from plausible.fairness.proxies.features import Features, features
from plausible.fairness.proxies.samples import sample
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
    left_out: Sequence[str]


def prepare(
    source: Any,
    group: str,
    outcome: str | None,
    columns: Sequence[str] | None,
    ignore: Sequence[str],
    rows: int,
    seed: int,
) -> Prepared:
    """Read a table, or a sample of its rows, for predicting a group.

    Args:
        source: a data frame, a CSV or Parquet file, or an Ibis table.
        group: the column of the group.
        outcome: a column of yes and no; None without.
        columns: what predicts; by default all others that do not determine group or outcome.
        ignore: columns that do not predict.
        rows: the most that are used.
        seed: of the sample and of the split.

    Raises:
        UnknownName, DataError: see `plausible.fairness.proxies.proxies.proxies`.
    """
    table = open_table(source)
    chosen = _chosen(table.columns, group, outcome, columns, ignore)
    table = table.mutate(**{group: as_name(table[group])})
    with readable(source):
        answer = [outcome] if outcome else []
        frame, total = sample(table, [group, *answer, *chosen], rows, seed)
    sampled = len(frame) < total
    texts, whole = [], frame[group].notna()
    if outcome is not None:
        yes = _boolean(frame[outcome], outcome)
        whole &= yes >= 0
    if lost := int((~whole).sum()):
        what = f"{group} or {outcome}" if outcome else group
        texts.append(f"{lost:,} rows without {what} are left out.")
    of = frame[group].astype(str)
    names, more = _kept(of[whole], group)
    use = np.flatnonzero(whole & of.isin(names))
    frame = frame.iloc[use].reset_index(drop=True)
    g = of.iloc[use].map(names.index).to_numpy(dtype=np.int64)
    answers = None if outcome is None else yes[use]
    if answers is not None and answers.min() == answers.max():
        raise DataError(f"Either everybody or nobody has the outcome {outcome!r}.")
    texts += more
    if columns is None:
        of_what = {group: g} | ({} if outcome is None or answers is None else {outcome: answers})
        chosen, more = _without_copies(frame, chosen, of_what, halves(g, seed))
        texts += more
    used = features(frame, chosen)
    if not used.values.shape[1]:
        raise DataError(
            " ".join(
                [f"There is no column besides {group!r} that varies and can predict it.", *more]
            )
        )
    if used.skipped:
        texts.append(
            "Left out are columns that do not vary or in which hardly any value occurs twice: "
            f"{listed(used.skipped)}."
        )
    return Prepared(used, g, names, answers, total, sampled, texts)


def _kept(of: pd.Series, group: str) -> tuple[tuple[str, ...], list[str]]:
    """The groups that are told apart, largest last, and which are not."""
    sizes = of.value_counts()
    kept = list(sizes[sizes >= _LEAST].head(SHOWN).index)
    if len(kept) < 2:
        raise DataError(
            f"Two groups with {_LEAST} rows or more are needed, but column {group!r} has "
            f"{len(kept)} among the rows that are used."
        )
    gone = [name for name in sizes.index if name not in kept]
    text = (
        f"Left out are groups with fewer than {_LEAST} rows, and all but the {SHOWN} largest: "
        f"{listed(gone)}."
    )
    return tuple(reversed(kept)), [text] if gone else []


def _without_copies(
    frame: pd.DataFrame,
    chosen: Sequence[str],
    answers: Mapping[str, Whole],
    train: NDArray[np.bool_],
) -> tuple[list[str], list[str]]:
    """The columns that do not say the group or the outcome over again, and which do."""
    texts, kept = [], list(chosen)
    for name, answer in answers.items():
        copies = [column for column in kept if determines(frame[column], answer, train)]
        kept = [column for column in kept if column not in copies]
        if copies:
            texts.append(
                f"Left out are columns that determine {name}, one to one or nearly: "
                f"{listed(copies)}. Name them as features (--features) to use them all the same."
            )
    return kept, texts


def _chosen(
    names: Sequence[str],
    group: str,
    outcome: str | None,
    columns: Sequence[str] | None,
    ignore: Sequence[str],
) -> list[str]:
    """The columns that may predict."""
    for name in (group, *([outcome] if outcome else []), *(columns or []), *ignore):
        if name not in names:
            raise UnknownName("column", name, names)
    for name in columns or []:
        if name in (group, outcome):
            raise DataError(f"Column {name!r} is what is predicted: leave it out of the features.")
        if name in ignore:
            raise DataError(f"Column {name!r} is both named as a feature and ignored.")
    chosen = names if columns is None else columns
    return [name for name in chosen if name not in (group, outcome, *ignore)]


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
