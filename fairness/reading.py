"""Counts per group from any table: one query adds up, and its answer is checked."""

from typing import Any

import pandas as pd

from plausible.fairness.columns import Columns
from plausible.fairness.counting import counting_query
from plausible.fairness.counts import CONFUSION, MEASURES, Counts
from plausible.fairness.tables import called, open_table, readable
from plausible.inference.errors import DataError

__all__ = ["read_counts"]

_BETWEEN_NAMES = ", "


def read_counts(source: Any, *, origin: str = "", **columns: Any) -> Counts:
    """Count a table by group.

    Rows without a group or stratum are set apart in `Counts.missing` as "rows", together with
    what they would have added to each measure; other rows that lack a value are counted there as
    "values". Groups and strata are sorted by name.

    Args:
        source: a CSV file, a Parquet file or a folder of them, a data frame, an Ibis table, or an
            address such as "duckdb://stops.db?table=stops".
        origin: where the data come from, in words and with a link; the file's name without it.
        columns: which columns hold what: the attributes of `Columns`, of which `group` is needed.

    Raises:
        UnknownName: for a column that is not there; suggests the nearest.
        DataError: for a table that cannot be read or has no rows, and for values that are no
            counts: negative, fractional, more events than trials, neither yes nor no, no dates.

    Example:
        >>> stops = pd.DataFrame({"race": ["A", "A", "B"], "searched": ["yes", "no", "no"]})
        >>> read_counts(stops, group="race", events="searched")["events"].tolist()
        [1, 0]
    """
    chosen = Columns(**columns)
    table = open_table(source)
    chosen.check(table.columns)
    with readable(source):
        frame = counting_query(table, chosen).execute()
    name = called(source)
    if not len(frame):
        inside = f" from {chosen.since or 'the first day'} to {chosen.until or 'the last'}"
        dated = inside if chosen.since or chosen.until else ""
        raise DataError(f"There are no rows in {name}{dated}.")
    _check(frame, chosen)
    return _counts(frame, chosen, name, origin or name)


def _check(frame: pd.DataFrame, columns: Columns) -> None:
    """Raise for values that are no counts, no booleans or no dates."""
    for key in frame.columns:
        texts = frame[key].dropna() if key.startswith("unclear_") or key == "undated" else ()
        for text in texts:
            if key == "undated":
                raise DataError(
                    f"{text!r} in column {columns.date!r} is no date. Write dates as YYYY-MM-DD."
                )
            raise DataError(
                f"{text!r} in column {key.removeprefix('unclear_')!r} is neither yes nor no. Write "
                "yes/no, true/false, t/f, y/n or 1/0, and leave missing values empty."
            )
    for measure, column in columns.measures.items():
        if (low := frame[f"{measure}_low"].min()) < 0:
            raise DataError(f"Column {column!r} has the negative value {low:g}; counts have none.")
        whole = frame.get(f"{measure}_whole")
        if whole is not None and not whole.dropna().astype(bool).all():
            raise DataError(
                f"Column {column!r} has fractional values, but it is added up as counts. Give "
                "counts, not rates."
            )
    if wrong := int(frame["disorder"].sum()):
        first = frame[frame["disorder"] > 0].iloc[0]
        parts = [columns.trials or "1 (a row is one trial)", *columns.measures.values()]
        order = " ≥ ".join(dict.fromkeys(parts))
        raise DataError(
            f"In {wrong:,} of {int(frame['rows'].sum()):,} rows a part is larger than its whole, as "
            f"for {_name(first, columns)}: {order} must hold in every row. Check which column is "
            f"which{'' if columns.trials else ', and name the column of trials if there is one'}."
        )


def _name(row: Any, columns: Columns) -> str:
    return _BETWEEN_NAMES.join(str(row[f"g{i}"]) for i in range(len(columns.groups)))


def _counts(frame: pd.DataFrame, columns: Columns, name: str, source: str) -> Counts:
    """The query's answer with what is missing set apart."""
    groups = [f"g{i}" for i in range(len(columns.groups))]
    keys = [*groups, *(["by"] if columns.by is not None else [])]
    measures = [m for m in (*MEASURES, *CONFUSION) if m in frame]
    frame[measures] = frame[measures].fillna(0)
    unnamed = frame[keys].isna().any(axis=1)
    kept = frame[~unnamed].sort_values([*keys[len(groups) :], *groups], kind="stable")
    missing = {
        "rows": int(frame.loc[unnamed, "rows"].sum()),
        "values": int(kept["unread"].sum()),
        **{measure: int(frame.loc[unnamed, measure].sum()) for measure in measures},
    }
    rows = int(frame["rows"].sum())
    if rows == missing["rows"] + missing["values"]:
        called_keys = " or ".join((*columns.groups, *([columns.by] if columns.by else [])))
        raise DataError(
            f"None of the {rows:,} rows of {name} can be counted: {missing['rows']:,} have no "
            f"{called_keys}, and in {missing['values']:,} a value that counts is missing."
        )
    table = kept[measures].copy()
    table.insert(0, "group", [_name(row, columns) for _, row in kept[groups].iterrows()])
    if columns.by is not None:
        table.insert(1, "by", kept["by"])
    names = {"trials": "rows"} if columns.outcome is None else {}
    return Counts(
        table,
        group=" and ".join(columns.groups),
        by=columns.by,
        names=names | columns.measures,
        missing=missing,
        rows=rows,
        source=source,
    )
