"""The one query that counts a table by group; every back end of Ibis can run it."""

import datetime
from collections.abc import Sequence
from typing import Any

import ibis

from plausible.fairness.columns import Columns
from plausible.fairness.counts import CONFUSION
from plausible.inference.errors import DataError

__all__ = ["counting_query"]

_TRUE = ("true", "t", "yes", "y", "1", "1.0")
_FALSE = ("false", "f", "no", "n", "0", "0.0")
_NOTHING = ("", "na", "n/a", "nan", "none", "null", "unknown", "?")
# What each is a part of: it may not be larger, and where there is no whole there is no part, as in
# records that leave the hit empty unless there was a search.
_WHOLE = {"events": "trials", "hits": "events"}


def counting_query(table: ibis.Table, columns: Columns) -> ibis.Table:
    """Counts for each group and stratum, with what is needed to check them.

    Args:
        table: of any back end.
        columns: that are there; see `Columns.check`.

    Returns:
        A row for each group and stratum, with the columns

        - g0, g1, ... and "by": the group and the stratum as text;
        - "rows", and "unread", the rows in which a value that counts is missing;
        - a total for each measure over the other rows, with its smallest value as
          "<measure>_low" and, for fractions, whether all values are whole as "<measure>_whole";
        - "disorder": rows with more events than trials, or more hits than events;
        - "unclear_<column>": a text that is neither yes nor no in a column of booleans;
        - "undated": a text in the column of dates that is no date.

    Raises:
        DataError: for columns of a type that cannot be counted.
    """
    keys: dict[str, Any] = {f"g{i}": _text(table[name]) for i, name in enumerate(columns.groups)}
    if columns.by is not None:
        keys["by"] = _text(table[columns.by])
    values = _values(table, columns)
    there = ibis.and_(*(value.notnull() for value in values.values()))
    unclear = {
        f"unclear_{name}": _unclear(table[name])
        for name in _booleans(table, columns)
        if table[name].type().is_string()
    }
    rows = table
    if columns.date is not None:
        day = _day_of(table[columns.date])
        inside = _inside(day, columns)
        there = there & day.notnull()
        unclear["undated"] = _undated(table[columns.date], day)
        rows = table.filter(inside.fill_null(True))
    rows = rows.select(**keys, **values, **unclear, there=there)
    there = rows["there"]
    totals = {name: rows[name].sum(where=there) for name in values}
    lows = {f"{name}_low": rows[name].min() for name in values}
    wholes = {
        f"{name}_whole": (rows[name] == rows[name].floor()).all(where=there)
        for name, value in values.items()
        if value.type().is_floating() or value.type().is_decimal()
    }
    wrong = [rows[part] > rows[whole] for part, whole in _WHOLE.items() if part in values]
    return rows.group_by(list(keys)).aggregate(
        rows=rows.count(),
        unread=rows.count(where=~there),
        disorder=rows.count(where=ibis.or_(*wrong, ibis.literal(False))),
        **totals,
        **lows,
        **wholes,
        **{name: rows[name].min() for name in unclear},
    )


def _text(column: Any) -> Any:
    """A key as text; an empty one is missing."""
    return column.cast("string").nullif("")


def _values(table: ibis.Table, columns: Columns) -> dict[str, Any]:
    """What is added up, by measure."""
    if columns.outcome is None:
        values = {} if columns.trials else {"trials": ibis.literal(1, type="int64")}
        for measure, name in columns.measures.items():
            is_number = _is_number(table, name)
            value = _number(table, name) if is_number else _boolean(table, name).cast("int64")
            if whole := _WHOLE.get(measure):
                none = value.isnull() & (values[whole] == 0)
                value = none.ifelse(0, value)
            values[measure] = value
        return values
    if columns.score is not None:
        yes = _number(table, columns.score) > columns.threshold
    else:
        assert columns.decision is not None
        yes = _boolean(table, columns.decision)
    true = _boolean(table, columns.outcome)
    cells = (~yes & ~true, yes & ~true, ~yes & true, yes & true)
    known = yes.notnull() & true.notnull()
    return {
        name: ibis.cases((known, cell.cast("int64")), else_=ibis.null("int64"))
        for name, cell in zip(CONFUSION, cells, strict=True)
    }


def _booleans(table: ibis.Table, columns: Columns) -> Sequence[str]:
    """Columns that are read as booleans."""
    if columns.outcome is None:
        return [name for name in columns.measures.values() if not _is_number(table, name)]
    return [name for name in (columns.decision, columns.outcome) if name is not None]


def _is_number(table: ibis.Table, name: str) -> bool:
    return table[name].type().is_numeric() and not table[name].type().is_boolean()


def _number(table: ibis.Table, name: str) -> Any:
    column = table[name]
    if not _is_number(table, name):
        raise DataError(f"Column {name!r} holds {column.type()}, but numbers are needed.")
    return column.isnan().ifelse(None, column) if column.type().is_floating() else column


def _boolean(table: ibis.Table, name: str) -> Any:
    """A column as a boolean, missing where it is neither yes nor no."""
    column = table[name]
    if column.type().is_boolean():
        return column
    if column.type().is_numeric():
        return ibis.cases((column == 1, True), (column == 0, False), else_=ibis.null("boolean"))
    if not column.type().is_string():
        raise DataError(f"Column {name!r} holds {column.type()}, but yes or no is needed.")
    word = column.strip().lower()
    return ibis.cases(
        (word.isin(_TRUE), True), (word.isin(_FALSE), False), else_=ibis.null("boolean")
    )


def _unclear(column: Any) -> Any:
    """The texts that are neither yes, nor no, nor a word for missing."""
    clear = column.strip().lower().isin((*_TRUE, *_FALSE, *_NOTHING))
    return clear.ifelse(ibis.null("string"), column)


def _day_of(column: Any) -> Any:
    return column.try_cast("date") if column.type().is_string() else column.cast("date")


def _undated(column: Any, day: Any) -> Any:
    """The texts that are no date and no word for missing."""
    text = column.cast("string")
    blank = text.strip().lower().isin(_NOTHING)
    return (day.notnull() | blank).ifelse(ibis.null("string"), text)


def _inside(day: Any, columns: Columns) -> Any:
    bounds = [ibis.literal(True)]
    if columns.since is not None:
        bounds.append(day >= _day(columns.since))
    if columns.until is not None:
        bounds.append(day <= _day(columns.until))
    return ibis.and_(*bounds)


def _day(text: str) -> Any:
    try:
        return ibis.literal(datetime.date.fromisoformat(text))
    except ValueError:
        raise DataError(f"{text!r} is no day. Write it as YYYY-MM-DD.") from None
