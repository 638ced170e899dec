"""Counts per group from any table: files and databases are read by one query that adds up."""

import datetime
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
from ibis import _
from ibis.common.exceptions import IbisError

from plausible.fairness.counts import CONFUSION, Counts
from plausible.inference.errors import DataError, UnknownName

__all__ = ["Columns", "counting_query", "open_table", "read_counts"]

_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")
_MEMORY = "600MB"
_NAMES_JOINED = ", "


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        group: one or several columns; several are crossed.
        trials: counts, or booleans; without it a row is one trial.
        events: counts, or booleans (also written as true/false, yes/no, t/f, y/n, 1/0).
        hits: the same, of the events.
        by: strata.
        decision: what was decided of each row, a boolean.
        outcome: what came out, a boolean.
        score: a number of each row; above `threshold` the decision is yes.
        threshold: see `score`.
        date: a column of days; only rows from `since` to `until` count, both included.
        since, until: days as YYYY-MM-DD.
    """

    group: str | Sequence[str]
    trials: str | None = None
    events: str | None = None
    hits: str | None = None
    by: str | None = None
    decision: str | None = None
    outcome: str | None = None
    score: str | None = None
    threshold: float | None = None
    date: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of the group."""
        return (self.group,) if isinstance(self.group, str) else tuple(self.group)

    @property
    def confusion(self) -> bool:
        """Whether decisions are set against outcomes."""
        return self.outcome is not None

    def check(self, names: Sequence[str]) -> None:
        """Raise unless the columns are there and go together."""
        named = [self.trials, self.events, self.hits, self.by, self.decision, self.outcome]
        for name in (*self.groups, *named, self.score, self.date):
            if name is not None and name not in names:
                raise UnknownName("column", name, names)
        if self.confusion:
            if (self.decision is None) == (self.score is None):
                raise DataError("An outcome is set against either a decision or a score: give one.")
            if self.events is not None or self.trials is not None or self.hits is not None:
                raise DataError("Give either events (and trials, hits) or an outcome, not both.")
        elif self.events is None:
            raise DataError(
                "Nothing to count: name a column of events, or a decision and an outcome."
            )
        if (self.score is None) != (self.threshold is None):
            raise DataError("A score needs a threshold, and a threshold a score: give both.")
        if self.date is None and (self.since or self.until):
            raise DataError("since and until need a column of dates: name it with date=.")


def read_counts(source: Any, columns: Columns, *, said: str = "") -> Counts:
    """Count a table by group.

    Rows without a group or stratum, and rows without a value that is counted, are left out and
    reported in `Counts.missing` as "rows" and "values".

    Args:
        source: a CSV file, a Parquet file or a folder of them, a data frame, or an Ibis table.
        columns: which columns hold what.
        said: where the data come from, in words; the file's name without it.

    Raises:
        UnknownName: for a column that is not there; suggests the nearest.
        DataError: for a table that cannot be read or has no rows, and for values that are no
            counts: negative, fractional, more events than trials.
    """
    table = open_table(source)
    query = counting_query(table, columns)
    with _readable(source):
        frame = query.execute()
    if not len(frame) or not frame["rows"].sum():
        raise DataError(f"{_called(source)} has no rows to count.")
    return _counts(frame, columns, said or _called(source))


def open_table(source: Any) -> ibis.Table:
    """A table of any kind as an Ibis table, whose rows stay where they are.

    Raises:
        DataError: for a file that is missing, or is not what its ending says.
    """
    if isinstance(source, ibis.Table):
        return source
    if isinstance(source, pd.DataFrame):
        return ibis.memtable(source)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    with _readable(source):
        connection = ibis.duckdb.connect(threads=os.cpu_count() or 1, memory_limit=_MEMORY)
        if path.is_dir():
            if not any(path.rglob("*.parquet")):
                raise DataError(f"The folder {path} has no Parquet files in it.")
            return connection.read_parquet(str(path / "**" / "*.parquet"))
        with path.open("rb") as file:
            start = file.read(4)
        parquet = path.suffix.lower() in (".parquet", ".pq")
        if parquet != (start == b"PAR1"):
            what = "is no Parquet file, though it" if parquet else "is a Parquet file, though it"
            raise DataError(f"{path} {what} is called {path.suffix or 'otherwise'}. Rename it.")
        if parquet:
            return connection.read_parquet(str(path))
        if start in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            raise DataError(f"{path} is a spreadsheet or an archive: save it as CSV first.")
        if not start:
            raise DataError(f"{path} is empty.")
        return connection.read_csv(str(path))


def counting_query(table: ibis.Table, columns: Columns) -> ibis.Table:
    """The one query that counts: every back end of Ibis can run it.

    Returns:
        A row for each group (and stratum), with the columns g0, g1, ... and by; "rows"; "unread",
        rows without a value; the measures; and for each measure "<name>_low", its smallest value,
        and "<name>_whole", whether all values are whole; "disorder", rows with more events than
        trials or more hits than events; "undated", rows whose date cannot be read.
    """
    columns.check(table.columns)
    keys = {f"g{i}": table[name].cast("string") for i, name in enumerate(columns.groups)}
    if columns.by is not None:
        keys["by"] = table[columns.by].cast("string")
    values = _values(table, columns)
    there = ibis.literal(True)
    for value in values.values():
        there = there & value.notnull()
    undated = ibis.literal(False)
    if columns.date is not None:
        day = table[columns.date]
        day = day.try_cast("date") if day.type().is_string() else day.cast("date")
        undated = table[columns.date].notnull() & day.isnull()
        kept = ibis.literal(True)
        if columns.since is not None:
            kept = kept & (day >= _day(columns.since))
        if columns.until is not None:
            kept = kept & (day <= _day(columns.until))
        values["kept"] = (kept | undated).fill_null(False)
    prepared = table.select(**keys, **values, there=there, undated=undated)
    if columns.date is not None:
        prepared = prepared.filter(_.kept)
    measures = [name for name in values if name != "kept"]
    disorder = ibis.literal(False)
    for more, less in (("trials", "events"), ("events", "hits")):
        if more in measures and less in measures:
            disorder = disorder | (prepared[less] > prepared[more])
    prepared = prepared.mutate(disorder=disorder)
    totals = {name: prepared[name].sum(where=_.there) for name in measures}
    lows = {f"{name}_low": prepared[name].min() for name in measures}
    wholes = {
        f"{name}_whole": (prepared[name] == prepared[name].floor()).all(where=_.there)
        for name in measures
        if prepared[name].type().is_floating() or prepared[name].type().is_decimal()
    }
    return prepared.group_by(list(keys)).aggregate(
        rows=_.count(),
        unread=(~_.there).sum(),
        disorder=_.disorder.sum(where=_.there),
        undated=_.undated.sum(),
        **totals,
        **lows,
        **wholes,
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
        return {name: cell.cast("int64") for name, cell in zip(CONFUSION, cells, strict=True)}
    named = {"trials": columns.trials, "events": columns.events, "hits": columns.hits}
    values = {
        measure: _number(table, name) if _is_number(table, name) else _flag(table, name)
        for measure, name in named.items()
        if name is not None
    }
    if "trials" not in values:
        values = {"trials": ibis.literal(1).cast("int64"), **values}
    return values


def _is_number(table: ibis.Table, name: str) -> bool:
    return table[name].type().is_numeric() and not table[name].type().is_boolean()


def _number(table: ibis.Table, name: str) -> Any:
    if not _is_number(table, name):
        raise DataError(f"Column {name!r} holds {table[name].type()}, but a number is needed.")
    return table[name]


def _flag(table: ibis.Table, name: str) -> Any:
    return _boolean(table, name).cast("int64")


def _boolean(table: ibis.Table, name: str) -> Any:
    """A column as a boolean; words and numbers that are neither yes nor no become missing."""
    column = table[name]
    if column.type().is_boolean():
        return column
    if column.type().is_numeric():
        return ibis.cases((column == 1, True), (column == 0, False), else_=None)
    if not column.type().is_string():
        raise DataError(f"Column {name!r} holds {column.type()}, but yes or no is needed.")
    word = column.strip().lower()
    return ibis.cases((word.isin(_TRUE), True), (word.isin(_FALSE), False), else_=None)


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is no day; write it as YYYY-MM-DD.") from None


def _counts(frame: pd.DataFrame, columns: Columns, source: str) -> Counts:
    """The query's answer, checked, with what is missing set apart."""
    if undated := int(frame["undated"].sum()):
        raise DataError(
            f"{undated:,} values of column {columns.date!r} are no dates. Write them as YYYY-MM-DD."
        )
    keys = [name for name in frame.columns if name.startswith("g") and name[1:].isdigit()]
    if columns.by is not None:
        keys.append("by")
    measures = [name for name in (*CONFUSION, "trials", "events", "hits") if name in frame]
    _check_values(frame, columns, keys, measures)
    empty = frame[keys].isna().any(axis=1) | (frame[keys] == "").any(axis=1)
    missing: Mapping[str, int] = {
        "rows": int(frame.loc[empty, "rows"].sum()),
        "values": int(frame.loc[~empty, "unread"].sum()),
        **{name: int(frame.loc[empty, name].fillna(0).sum()) for name in measures},
    }
    kept = frame[~empty].fillna(dict.fromkeys(measures, 0))
    if not len(kept) or not kept[measures].to_numpy().any():
        raise DataError(
            f"No row of {source} can be counted: {missing['rows']:,} have no "
            f"{' or '.join((*columns.groups, *([columns.by] if columns.by else [])))}, and "
            f"{missing['values']:,} have no value that counts as yes, no or a number."
        )
    groups = [name for name in keys if name != "by"]
    table = kept[measures].copy()
    table.insert(0, "group", kept[groups].agg(_NAMES_JOINED.join, axis=1))
    if columns.by is not None:
        table.insert(1, "by", kept["by"])
    order = [c for c in ("by", "group") if c in table]
    table = table.sort_values(order, kind="stable")
    called = {
        measure: name
        for measure, name in (
            ("trials", columns.trials),
            ("events", columns.events),
            ("hits", columns.hits),
        )
        if name is not None
    }
    if columns.trials is None and not columns.confusion:
        called["trials"] = "rows"
    return Counts(
        table,
        group=" and ".join(columns.groups),
        by=columns.by,
        names=called,
        missing=missing,
        rows=int(frame["rows"].sum()),
        source=source,
    )


def _check_values(
    frame: pd.DataFrame, columns: Columns, keys: Sequence[str], measures: Sequence[str]
) -> None:
    for name in measures:
        column = getattr(columns, name, None)
        low = frame[f"{name}_low"].min()
        if low < 0:
            raise DataError(f"Column {column!r} has the negative value {low:g}; counts have none.")
        if f"{name}_whole" in frame and not frame[f"{name}_whole"].fillna(True).all():
            raise DataError(
                f"Column {column!r} has fractional values, but it is added up as counts. Give "
                "counts, not rates."
            )
    if wrong := int(frame["disorder"].sum()):
        row = frame[frame["disorder"] > 0].iloc[0]
        where = _NAMES_JOINED.join(str(row[key]) for key in keys)
        parts = [p for p in (columns.trials or "1 a row", columns.events, columns.hits) if p]
        raise DataError(
            f"{wrong:,} rows, the first of {where}, count more of a part than of the whole: each "
            f"of {' ≥ '.join(parts)} must hold in every row. Name the column of trials, or check "
            "which column is which."
        )


def _called(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return source.get_name() if isinstance(source, ibis.Table) else "the data frame"


@contextmanager
def _readable(source: Any) -> Any:
    """Turn the errors of readers into sentences."""
    import duckdb

    try:
        yield
    except (duckdb.Error, IbisError, UnicodeDecodeError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise DataError(f"{_called(source)} could not be read: {first}") from error
