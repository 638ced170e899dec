"""Counts per group from any table: files and databases are read by one query that adds up."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import pandas as pd
from ibis import _

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.counts.dialects import as_name, as_number, days
from plausible.fairness.counts.tables import label_of, open_table, readable
from plausible.inference.errors import DataError

__all__ = ["counting_query", "open_table", "read_counts"]

_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")
_NOTHING = ("", "na", "n/a", "nan", "none", "null", "unknown")
# A part of nothing is zero, as in records that leave the hit empty where nobody was searched.
_WHOLE = {"events": "trials", "hits": "events"}
_LARGEST = 2**53
_NAMES_JOINED = ", "


def read_counts(source: Any, columns: Columns, *, label: str = "") -> Counts:
    """Count a table by group.

    Rows without a group or stratum, and rows without a value that is counted, are left out and
    reported in `Counts.missing` as "rows" and "values".

    Args:
        source: a CSV file, a Parquet file or a folder of them, a data frame, an Ibis table, or an
            address such as "duckdb://stops.db?table=stops".
        columns: which columns hold what.
        label: where the data come from, in words; the file's name without it.

    Raises:
        UnknownName: for a column that is not there; suggests the nearest.
        DataError: for a table that cannot be read or has no rows, and for values that are not
            counts, booleans or dates: negative, fractional, more events than trials, neither yes
            nor no.
    """
    table = open_table(source)
    query = counting_query(table, columns)
    with readable(source):
        frame = query.execute()
    if not len(frame):
        since, until = columns.since or "the first day", columns.until or "the last"
        days = f" from {since} to {until}" if columns.since or columns.until else ""
        raise DataError(f"{label_of(source)} has no rows to count{days}.")
    return _counts(frame, columns, label or label_of(source))


def counting_query(table: ibis.Table, columns: Columns) -> ibis.Table:
    """The one query that counts: every back end of Ibis can run it.

    Returns:
        A row for each group (and stratum), with the columns g0, g1, ... and by; "rows"; "unread",
        rows without a value; the measures; and for each measure "<name>_low", its smallest value,
        and "<name>_whole", whether all values are whole; "disorder", rows with more events than
        trials or more hits than events; "undated", rows whose date cannot be read; and "unclear
        <column>", for a column that is read as booleans, a value that is neither yes nor no.
    """
    columns.check(table.columns)
    keys = {f"g{i}": as_name(table[name]) for i, name in enumerate(columns.groups)}
    if columns.by is not None:
        keys["by"] = as_name(table[columns.by])
    values = _values(table, columns)
    complete = ibis.and_(*(value.notnull() for value in values.values()))
    undated, kept = ibis.literal(False), ibis.literal(True)
    if columns.date is not None:
        written, day = days(table[columns.date], columns.date)
        undated = written.notnull() & day.isnull()
        complete = complete & day.notnull()
        if columns.since is not None:
            kept = kept & (day >= _day(columns.since))
        if columns.until is not None:
            kept = kept & (day <= _day(columns.until))
    unclear = {f"unclear {name}": _unclear(table[name]) for name in _booleans(table, columns)}
    disorder = ibis.or_(
        *(values[part] > values[whole] for part, whole in _WHOLE.items() if part in values),
        ibis.literal(False),
    )
    prepared = table.select(
        **keys,
        **values,
        **unclear,
        complete=complete,
        undated=undated,
        disorder=disorder,
        kept=kept.fill_null(True),
    )
    wholes = {
        f"{name}_whole": _is_whole(prepared[name]).all(where=_.complete)
        for name in values
        if prepared[name].type().is_floating() or prepared[name].type().is_decimal()
    }
    return (
        prepared.filter(_.kept)
        .group_by(list(keys))
        .aggregate(
            rows=_.count(),
            unread=_.count(where=~_.complete),
            disorder=_.count(where=_.disorder & _.complete),
            undated=_.count(where=_.undated),
            **{name: _[name].sum(where=_.complete) for name in values},
            **{f"{name}_low": _[name].min() for name in values},
            **{name: _[name].max() for name in unclear},
            **wholes,
        )
    )


def _values(table: ibis.Table, columns: Columns) -> dict[str, Any]:
    """What is added up, by measure; numbers."""
    if columns.confusion:
        assert columns.outcome is not None
        if columns.score is not None:
            yes = _number(table, columns.score) > columns.threshold
        else:
            assert columns.decision is not None
            yes = _boolean(table, columns.decision)
        true = _boolean(table, columns.outcome)
        cells = (~yes & ~true, yes & ~true, ~yes & true, yes & true)
        return {name: cell.cast("int32") for name, cell in zip(CONFUSION, cells, strict=True)}
    values = {} if columns.trials is not None else {"trials": ibis.literal(1).cast("int64")}
    for measure, name in _named(columns).items():
        value = _number(table, name) if _is_number(table, name) else _flag(table, name)
        if measure in _WHOLE:
            none = value.isnull() & (values[_WHOLE[measure]] == 0)
            value = none.ifelse(0, value)
        values[measure] = value
    return values


def _named(columns: Columns) -> dict[str, str]:
    """The columns of trials, events and hits that were named."""
    named = {"trials": columns.trials, "events": columns.events, "hits": columns.hits}
    return {measure: name for measure, name in named.items() if name is not None}


def _booleans(table: ibis.Table, columns: Columns) -> list[str]:
    """The columns that are read as booleans but have another type."""
    if columns.confusion:
        names = [name for name in (columns.decision, columns.outcome) if name is not None]
    else:
        names = [name for name in _named(columns).values() if not _is_number(table, name)]
    return [name for name in names if not table[name].type().is_boolean()]


def _is_number(table: ibis.Table, name: str) -> bool:
    return table[name].type().is_numeric() and not table[name].type().is_boolean()


def _number(table: ibis.Table, name: str) -> Any:
    if not _is_number(table, name):
        raise DataError(f"Column {name!r} holds {table[name].type()}, but a number is needed.")
    return as_number(table[name])


def _is_whole(column: Any) -> Any:
    return ibis.cases((column.abs() <= _LARGEST, column == column.floor()), else_=False)


def _flag(table: ibis.Table, name: str) -> Any:
    return _boolean(table, name).cast("int32")


def _boolean(table: ibis.Table, name: str) -> Any:
    """A column as a boolean, missing where it is neither yes nor no."""
    column = table[name]
    if column.type().is_boolean():
        return column
    if column.type().is_numeric():
        return ibis.cases((column == 1, True), (column == 0, False), else_=None)
    if not column.type().is_string():
        raise DataError(f"Column {name!r} holds {column.type()}, but yes or no is needed.")
    word = column.strip().lower()
    return ibis.cases((word.isin(_TRUE), True), (word.isin(_FALSE), False), else_=None)


def _unclear(column: Any) -> Any:
    """The values of a column that are neither yes, nor no, nor a word for missing, as text."""
    text = column.cast("string")
    clear = text.strip().lower().isin((*_TRUE, *_FALSE, *_NOTHING))
    return clear.ifelse(ibis.null("string"), text)


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is not a day; write it as YYYY-MM-DD.") from None


def _counts(frame: pd.DataFrame, columns: Columns, source: str) -> Counts:
    """The query's answer, checked, with what is missing set apart."""
    if undated := int(frame["undated"].sum()):
        raise DataError(
            f"{undated:,} values of column {columns.date!r} are not dates. Write them as "
            "YYYY-MM-DD."
        )
    keys = [name for name in frame.columns if name.startswith("g") and name[1:].isdigit()]
    if columns.by is not None:
        keys.append("by")
    measures = [name for name in (*CONFUSION, "trials", "events", "hits") if name in frame]
    _check_values(frame, columns, keys, measures)
    frame[measures] = frame[measures].fillna(0)
    texts = frame[keys].apply(lambda column: column.str.strip())
    empty = frame[keys].isna().any(axis=1) | (texts == "").any(axis=1)
    missing: Mapping[str, int] = {
        "rows": int(frame.loc[empty, "rows"].sum()),
        "values": int(frame.loc[~empty, "unread"].sum()),
        **{name: int(frame.loc[empty, name].sum()) for name in measures},
    }
    kept, rows = frame[~empty], int(frame["rows"].sum())
    if rows == missing["rows"] + missing["values"]:
        raise DataError(
            f"None of the {rows:,} rows of {source} can be counted: {missing['rows']:,} have no "
            f"{' or '.join((*columns.groups, *([columns.by] if columns.by else [])))}, and "
            f"{missing['values']:,} lack a value that is counted."
        )
    groups = [name for name in keys if name != "by"]
    table = kept[measures].copy()
    table.insert(0, "group", kept[groups].agg(_NAMES_JOINED.join, axis=1))
    if columns.by is not None:
        table.insert(1, "by", kept["by"])
    order = [c for c in ("by", "group") if c in table]
    table = table.sort_values(order, kind="stable")
    names = {} if columns.confusion else {"trials": "rows", **_named(columns)}
    return Counts(
        table,
        group=" and ".join(columns.groups),
        by=columns.by,
        names=names,
        missing=missing,
        rows=rows,
        source=source,
    )


def _check_values(
    frame: pd.DataFrame, columns: Columns, keys: Sequence[str], measures: Sequence[str]
) -> None:
    for key in frame.columns[frame.columns.str.startswith("unclear ")]:
        if len(texts := frame[key].dropna()):
            # Words sort after digits: among counts the word is what is wrong.
            raise DataError(
                f"{max(texts)!r} in column {key.removeprefix('unclear ')!r} is neither yes nor no. "
                "Write yes/no, true/false, t/f, y/n or 1/0, or nothing but numbers in a column of "
                "counts; leave missing values empty."
            )
    for name in measures:
        column = getattr(columns, name, None)
        low = frame[f"{name}_low"].min()
        if low < 0:
            raise DataError(f"Column {column!r} has the negative value {low:g}; counts have none.")
        if f"{name}_whole" in frame and not frame[f"{name}_whole"].fillna(True).all():
            raise DataError(
                f"Column {column!r} has values that are fractional, infinite or above 2^53, but "
                "it is added up as counts. Give counts, not rates."
            )
    if wrong := int(frame["disorder"].sum()):
        row = frame[frame["disorder"] > 0].iloc[0]
        where = _NAMES_JOINED.join(str(row[key]) for key in keys)
        parts = [p for p in (columns.trials or "1 a row", columns.events, columns.hits) if p]
        raise DataError(
            f"In {wrong:,} of {int(frame['rows'].sum()):,} rows, such as one of {where}, a part is "
            f"larger than its whole: {' ≥ '.join(parts)} must hold in every row. Check which "
            f"column is which{'' if columns.trials else ', and name the column of trials if any'}."
        )
