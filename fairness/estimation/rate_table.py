"""Reads a table of published rates: how many of each group do something, by a survey."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts
from plausible.fairness.counts.tables import label_of, open_table, readable
from plausible.fairness.estimation.rounded import CountedRate, Rate, RoundedRate
from plausible.inference.errors import DataError, UnknownName

__all__ = ["read_rates"]

_ASKED, _ROUNDING, _ERROR = "asked", "rounding", "error"
_MOST = 10_000  # groups


def read_rates(source: Any, groups: Sequence[str]) -> tuple[str, dict[str, Rate]]:
    """What a survey asked for, in the words of its table, and the rate of it in each group.

    The table has a column for each column of the group, and one of the conduct, whose name is the
    word for it. The conduct is a rate from 0 to 1 of each group, with columns `rounding` and
    `error` (the standard error) where these are known; or how many of the people in a column
    `asked`; or yes and no, with a row for each person.

    Args:
        source: a table, as `open_table` takes it.
        groups: the columns of the group.

    Raises:
        UnknownName: for a column of the group that is not there.
        DataError: for a table of another form, or rates that are missing or outside 0 to 1.
    """
    table, label = open_table(source), label_of(source)
    for name in groups:
        if name not in table.columns:
            raise UnknownName(f"column of {label}", name, table.columns)
    apart = (*groups, _ASKED, _ROUNDING, _ERROR)
    conducts = [name for name in table.columns if name not in apart]
    if len(conducts) != 1:
        raise DataError(
            f"{label} needs one column besides {', '.join(groups)} (and asked, rounding, error): "
            f"the rate of the conduct, how many of those asked, or yes and no. It has "
            f"{', '.join(conducts) or 'none'}."
        )
    (conduct,) = conducts
    kind = table[conduct].type()
    if _ASKED not in table.columns and kind.is_numeric():
        with readable(source):
            frame = table.limit(_MOST + 1).execute()
        if len(frame) <= _MOST and not frame.duplicated(list(groups)).any():
            return conduct, _published(frame, groups, conduct, label)
    trials = _ASKED if _ASKED in table.columns else None
    counts = read_counts(table, Columns(groups, trials=trials, events=conduct), label=label)
    pairs = zip(counts.groups, counts["events"], counts["trials"], strict=True)
    return conduct, {name: CountedRate(int(k), int(n)) for name, k, n in pairs if n}


def _published(
    frame: pd.DataFrame, groups: Sequence[str], conduct: str, label: str
) -> dict[str, Rate]:
    numbers = [name for name in (conduct, _ROUNDING, _ERROR) if name in frame]
    values = frame[numbers].apply(pd.to_numeric, errors="coerce")
    names = frame[list(groups)].astype(str).agg(", ".join, axis=1)
    if (empty := values.isna().any(axis=1)).any():
        raise DataError(f"{label} has no number of {conduct} for {names[empty].iloc[0]!r}.")
    rows = values.rename(columns={conduct: "value"}).to_dict("records")
    return {
        name: RoundedRate(**{str(k): float(v) for k, v in row.items()})
        for name, row in zip(names, rows, strict=True)
    }
