"""Counts per group from any table: files and databases are read by one query that adds up."""

from dataclasses import replace
from typing import Any

import ibis
from ibis import _

from plausible.fairness.counts.answer.adding_up import added_up
from plausible.fairness.counts.answer.doubts import ask_about_frequencies, check_names
from plausible.fairness.counts.answer.groups import NOT_RECORDED
from plausible.fairness.counts.columns import Columns, plain, several
from plausible.fairness.counts.counts import Counts
from plausible.fairness.counts.files import categories_in
from plausible.fairness.counts.frames import categories_of
from plausible.fairness.counts.parts import Parts
from plausible.fairness.counts.tables import label_of, open_table, readable, text_file_of
from plausible.fairness.counts.values import NOTHING, Column
from plausible.inference.errors import DataError

__all__ = ["count_table", "counting_query", "open_table", "opened", "read_counts", "recoded"]

_LARGEST = 2**53


def read_counts(source: Any, columns: Columns, *, label: str = "") -> Counts:
    """Count a table by group.

    Rows without a group or stratum, and rows without a value that is counted, are left out and
    reported in `Counts.missing` as "rows" and "values", the latter by group in `Counts.lost`.

    Args:
        source: a CSV file, a Parquet file or a folder of them, a data frame, an Ibis table, or an
            address such as "duckdb://stops.db?table=stops".
        columns: which columns hold what.
        label: where the data come from, in words; the file's name without it.

    Raises:
        UnknownName: for a column that is not there; suggests the nearest.
        DataError: for a table that cannot be read or has no rows, for values that are not counts,
            booleans or dates (negative, fractional, more events than trials, neither yes nor no),
            and for what can be read in more than one way.
    """
    table = opened(source, columns)
    counts = count_table(table, columns, source, label=label)
    with readable(source):
        ask_about_frequencies(table, columns, counts.rows or 0)
    return counts


def opened(source: Any, columns: Columns) -> ibis.Table:
    """The table of a source, with numbers of a CSV file as they are written where that matters."""
    table, file = open_table(source), text_file_of(source)
    if file is None:
        return table
    check_names(file, table, columns)
    amounts = [columns.trials, columns.events, columns.hits, columns.count, columns.mean]
    if columns.decimal is not None or columns.thousands is not None:
        amounts += [columns.score, columns.weight]
    floats = [n for n in table.columns if n in amounts and table[n].type().is_floating()]
    return open_table(replace(file, as_text=floats)) if floats else table


def recoded(source: Any, columns: Columns) -> ibis.Table:
    """The table for what reads rows: missing where a group or outcome is, its answers 1 and 0.

    Args:
        source: as for `read_counts`.
        columns: with one column of the group.

    Raises:
        UnknownName, DataError: as for `read_counts`.
    """
    table = opened(source, columns)
    columns.check(table.columns)
    (group,) = columns.groups
    key = Column(table, group, columns).as_key
    nothing = key.strip().lower().isin((*NOTHING, *plain(columns.missing)))
    of = nothing.ifelse(NOT_RECORDED if columns.keep_missing else ibis.null("string"), key)
    table = table.mutate(**{group: of})
    if columns.only:
        table = table.filter(table[group].isin(several(columns.only)))
    if columns.except_:
        table = table.filter(~table[group].isin(several(columns.except_)))
    if columns.outcome is None:
        return table
    return table.mutate(**{columns.outcome: Column(table, columns.outcome, columns).flag()})


def count_table(
    table: ibis.Table, columns: Columns, source: Any, *, label: str = "", apart: bool = True
) -> Counts:
    """Count an open table by group.

    Args:
        table: of the source, perhaps with more columns.
        columns: which columns hold what.
        source: as for `read_counts`; it knows the order of categories.
        label: as for `read_counts`.
        apart: whether each stratum stands for itself, see `added_up`.

    Raises:
        UnknownName, DataError: as for `read_counts`.
    """
    query = counting_query(table, columns)
    with readable(source):
        frame = query.execute()
        if not len(frame):
            since, until = columns.since or "the first day", columns.until or "the last"
            days = f" from {since} to {until}" if columns.since or columns.until else ""
            raise DataError(f"{label_of(source)} has no rows to count{days}.")
    order = _categories(source, columns)
    counts = added_up(frame, columns, label or label_of(source), order, apart=apart)
    kind = None if columns.date is None else table[columns.date].type()
    if kind is not None and kind.is_timestamp() and kind.timezone is not None:
        return replace(counts, notes=(*counts.notes, "Days are those of UTC."))
    return counts


def counting_query(table: ibis.Table, columns: Columns) -> ibis.Table:
    """The one query that counts: every back end of Ibis can run it.

    Returns:
        A row for each group (and stratum), with the columns g0, g1, ... and by; "rows"; "unread",
        rows without a value; "size", trials of all rows, and "lost", those of rows without a value;
        "lacks i", trials of rows without a value of the i-th column that is counted; the measures;
        for each amount "<name> low" and "<name> high", its smallest and largest value, and
        "<name> broken", how many values are not whole; "disorder", rows with more events than
        trials or more hits than events; "outside", hits that are not among the events; "undated",
        rows whose date cannot be read; "weights" and "squares", sums over trials of their weights;
        and what `Column` says of columns in which yes, no and numbers are words.
    """
    columns.check(table.columns)
    parts = Parts(table, columns)
    prepared = parts.table.select(**parts.keys, **parts.selected)
    complete = _["complete"]
    aggregates = {
        "rows": _.count(),
        "unread": _.count(where=~complete),
        "disorder": _.count(where=_["disorder"] & complete),
    }
    if columns.date is not None:
        aggregates["undated"] = _.count(where=_["undated"])
    plain = columns.whole and columns.weight is None
    for name in parts.measures:
        if name == "trials" and plain:
            continue  # as many as there are complete rows
        value = _[name] if columns.weight is None else _[name] * _["weight"]
        aggregates[name] = value.sum(where=complete)
    if columns.weight is not None:
        aggregates["weights"] = (_["size"] * _["weight"]).sum(where=complete)
        aggregates["squares"] = (_["size"] * _["weight"] * _["weight"]).sum(where=complete)
    if "outside" in parts.selected:
        aggregates["outside"] = _["outside"].sum(where=complete)
    if not columns.whole:
        aggregates |= {"size": _["size"].sum(), "lost": _["size"].sum(where=~complete)}
        aggregates["unsized"] = _.count(where=_["size"].isnull())
    for i in range(len(columns.counted)):
        blank = _[f"blank {i}"]
        lacks = _.count(where=blank) if columns.whole else _["size"].sum(where=blank)
        aggregates[f"lacks {i}"] = lacks
    for name, column in parts.amounts.items():
        value = _[f"amount {name}"]
        aggregates |= {f"{name} low": value.min(), f"{name} high": value.max()}
        if not column.exact and name != "weight":
            aggregates[f"{name} broken"] = _.count(where=complete & ~_is_whole(value))
    for name in parts.words:
        aggregates[f"first {name}"] = _[f"unclear {name}"].min()
        aggregates[f"last {name}"] = _[f"unclear {name}"].max()
    aggregates |= {name: _.count(where=_[name]) for name in parts.manners}
    return prepared.filter(_["kept"]).group_by(list(parts.keys)).aggregate(**aggregates)


def _is_whole(column: Any) -> Any:
    return ibis.cases((column.abs() <= _LARGEST, column == column.floor()), else_=False)


def _categories(source: Any, columns: Columns) -> dict[str, list[str]]:
    """The order of categories, where the source keeps one, by the key of the query."""
    keys = {f"g{i}": name for i, name in enumerate(columns.groups)}
    keys |= {} if columns.by is None else {"by": columns.by}
    orders = {
        key: categories_of(source, name) or categories_in(source, name)
        for key, name in keys.items()
    }
    return {key: order for key, order in orders.items() if order is not None}
