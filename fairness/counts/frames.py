"""Opens rows that are in memory: frames of pandas and Polars, tables of Arrow and of DuckDB."""

import os
import re
import shutil
import tempfile
import weakref
from typing import Any
from zoneinfo import available_timezones

import duckdb
import ibis
import pandas as pd
import pyarrow
from ibis.expr import datatypes as dt
from pyarrow.dataset import Dataset

from plausible.fairness.counts.unpacking import new_folder
from plausible.inference.errors import DataError

__all__ = [
    "categories_of",
    "connection",
    "dictionary_of",
    "in_own_zones",
    "of_frame",
    "of_rows",
    "registered",
]

_MEMORY = "600MB"


def connection() -> Any:
    """A database in memory, which reads files and frames and holds none of their rows."""
    return ibis.duckdb.connect(
        threads=os.cpu_count() or 1, memory_limit=_MEMORY, temp_directory=tempfile.gettempdir()
    )


def registered(rows: Any) -> ibis.Table:
    """A table or data set of Arrow as a table of that database."""
    database = connection()
    database.con.register("rows", rows)
    return in_own_zones(database.table("rows"), rows.schema)


def in_own_zones(table: ibis.Table, schema: pyarrow.Schema) -> ibis.Table:
    """The table with times as clocks showed them where they were noted, for days are cut by these.

    Args:
        table: of DuckDB, which keeps the moment alone.
        schema: of Arrow, which keeps the zone.
    """
    zones = {one.name: one.type.tz for one in schema if pyarrow.types.is_timestamp(one.type)}
    local = {}
    for name, zone in zones.items():
        if name not in table.columns:
            continue
        if zone in available_timezones():
            local[name] = _local(zone, table[name])
        elif zone and (offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", zone)):
            sign, hours, minutes = offset.groups()
            ahead = (60 * int(hours) + int(minutes)) * (-1 if sign == "-" else 1)
            local[name] = table[name].cast("timestamp") + ibis.interval(minutes=ahead)
    return table.mutate(**local) if local else table


@ibis.udf.scalar.builtin(name="timezone")
def _local(zone: str, moment: dt.Timestamp(timezone="UTC")) -> dt.Timestamp():  # type: ignore[valid-type]
    """The time that clocks of a zone show at a moment."""


def of_rows(source: Any) -> ibis.Table:
    """Rows that a library holds.

    Args:
        source: a data frame of pandas or Polars (also lazy), a relation of DuckDB, a table, reader
            or data set of Arrow, or anything that hands out an Arrow stream.

    Raises:
        DataError: for anything else, or two columns of one name.
    """
    if isinstance(source, pd.DataFrame):
        return of_frame(source)
    if isinstance(source, duckdb.DuckDBPyRelation):
        return _of_relation(source)
    if isinstance(source, Dataset):
        return registered(source)
    if type(source).__module__.startswith("polars") and hasattr(source, "collect"):
        source = source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        rows = pyarrow.table(source)
        _check_names(rows.column_names)
        return registered(rows)
    raise DataError(
        "A table is a file, a folder, the address of a table in a database, a data frame, or a "
        f"table of Arrow, DuckDB or Ibis, not a {type(source).__name__}."
    )


def categories_of(source: Any, name: str) -> list[str] | None:
    """The categories of a column in their order, where a library keeps one; None otherwise.

    Args:
        source: as for `of_rows`; of anything else nothing is known.
        name: of a column that may be there.
    """
    if isinstance(source, pd.DataFrame):
        dtype = source.rename(columns=str).dtypes.get(name)
        return list(map(str, dtype.categories)) if hasattr(dtype, "categories") else None
    if isinstance(source, pyarrow.Table) and name in source.column_names:
        return dictionary_of(source[name])
    if type(source).__module__.startswith("polars") and hasattr(source, "collect_schema"):
        dtype = source.collect_schema().get(name)
        ordered = type(dtype).__name__ == "Enum"
        return [str(category) for category in dtype.categories] if ordered else None
    return None


def dictionary_of(column: pyarrow.ChunkedArray) -> list[str] | None:
    """The categories of a column of Arrow, if they are said to have an order."""
    kind = column.type
    if not (pyarrow.types.is_dictionary(kind) and kind.ordered and column.num_chunks):
        return None
    return list(map(str, column.unify_dictionaries().chunk(0).dictionary.to_pylist()))


def of_frame(source: pd.DataFrame) -> ibis.Table:
    """A data frame of pandas.

    Raises:
        DataError: for two columns of one name.
    """
    frame = source.rename(columns=str)
    _check_names(list(frame.columns))
    frame = frame.astype({name: "string" for name in frame if _as_text(frame[name])})
    return registered(pyarrow.Table.from_pandas(frame, preserve_index=False))


def _of_relation(relation: duckdb.DuckDBPyRelation) -> ibis.Table:
    """A relation, which only its own connection can read: its rows go by way of a file."""
    _check_names(list(relation.columns))
    folder = new_folder()
    try:
        relation.write_parquet(str(folder / "rows.parquet"))
        table = connection().read_parquet(str(folder / "rows.parquet"))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(table.get_backend(), shutil.rmtree, folder, ignore_errors=True)
    return table


def _check_names(names: list[str]) -> None:
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"The data frame has two columns named {twice[0]!r}. Rename one.")


def _as_text(column: pd.Series) -> bool:
    """Whether a column of a data frame holds what only text can hold: intervals, 1 next to "a"."""
    dtype = column.dtype
    kinds = dtype.categories if isinstance(dtype, pd.CategoricalDtype) else column
    return pd.api.types.infer_dtype(kinds) in ("interval", "mixed-integer")
