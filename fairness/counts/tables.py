"""Opens a table of any kind without reading its rows into memory."""

import glob
import os
import re
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import duckdb
import ibis
import pandas as pd
import pyarrow
from ibis.common.exceptions import IbisError
from ibis.expr.operations import DatabaseTable

from plausible.inference.errors import DataError, UnknownName

__all__ = ["label_of", "open_table", "readable"]

_MEMORY = "600MB"
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PARQUET = (".parquet", ".pq")
_COMPRESSED = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
# Nothing is guessed: no line is skipped, no row is a comment, and 01/02/2020 is not a day.
_CSV = {
    "skip": 0,
    "comment": "",
    "sample_size": 500_000,  # rows that tell a number from a text
    "auto_type_candidates": ["BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR"],
}
_CSV_HINT = (
    " (A CSV file is text in UTF-8; its first line names the columns, and every row has a value "
    "for each.)"
)
_UNREADABLE = (duckdb.Error, IbisError, pyarrow.ArrowException, UnicodeError, OSError, ImportError)


def open_table(source: Any) -> ibis.Table:
    """A table whose rows stay where they are until a query adds them up.

    Args:
        source: a CSV file (also compressed), a Parquet file or a folder of them, a data frame, an
            Ibis table, or the address of a database that Ibis knows with the name of a table,
            such as "duckdb://stops.db?table=stops".

    Raises:
        DataError: for a file that is missing, empty, or not what its ending says, or a database
            that cannot be reached.
        UnknownName: for a table that is not in the database.
    """
    if isinstance(source, ibis.Table):
        return source
    if isinstance(source, pd.DataFrame):
        frame = source.rename(columns=str)
        if not frame.columns.is_unique:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise DataError(f"The data frame has two columns named {twice!r}. Rename one.")
        frame = frame.astype({name: "string" for name in frame if _as_text(frame[name])})
        with readable(source):
            connection = _connection()
            rows = pyarrow.Table.from_pandas(frame, preserve_index=False)
            connection.con.register("rows", rows)
            return connection.table("rows")
    if not isinstance(source, str | os.PathLike):
        raise DataError(
            "A table is a file, a folder, a data frame or an Ibis table, "
            f"not a {type(source).__name__}."
        )
    if "://" in str(source):
        return _of_database(str(source))
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"There is no file {path}.")
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _PARQUET and f.is_file())
        if not files:
            raise DataError(f"The folder {path} has no Parquet files in it.")
    else:
        _check_ending(path)
    with readable(source):
        connection = _connection()
        if path.is_dir():
            names = [glob.escape(str(file)) for file in files]
            return connection.read_parquet(names, union_by_name=True)
        if path.suffix.lower() in _PARQUET:
            return connection.read_parquet(glob.escape(str(path)))
        table = connection.read_csv(glob.escape(str(path)), **_CSV)
    (first, *others) = table.columns
    if not others and re.search(r"[,;|\t]", first):
        raise DataError(f"The lines of {path} do not split into columns like {first!r}.{_CSV_HINT}")
    return table


def label_of(source: Any) -> str:
    """The name of a table in a sentence."""
    if isinstance(source, str) and "://" in source:
        parts = urlsplit(source)
        return dict(parse_qsl(parts.query)).get("table", parts.path)
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    if isinstance(source, ibis.Table):
        return source.get_name() if isinstance(source.op(), DatabaseTable) else "the table"
    return "the data frame"


@contextmanager
def readable(source: Any) -> Iterator[None]:
    """Turn the errors of readers into a sentence.

    Raises:
        DataError: in place of them.
    """
    try:
        yield
    except _UNREADABLE as error:
        # After an empty line the readers go on about their own settings.
        message = textwrap.shorten(
            re.split(r"\n\s*\n", str(error).strip())[0], 400, placeholder=" …"
        )
        hint = _CSV_HINT if "CSV" in message else ""
        raise DataError(
            f"{label_of(source)} could not be read: {message or type(error).__name__}{hint}"
        ) from error


def _connection() -> Any:
    return ibis.duckdb.connect(
        threads=os.cpu_count() or 1, memory_limit=_MEMORY, temp_directory=tempfile.gettempdir()
    )


def _as_text(column: pd.Series) -> bool:
    """Whether a column of a data frame holds what only text can hold: intervals, 1 next to "a"."""
    dtype = column.dtype
    kinds = dtype.categories if isinstance(dtype, pd.CategoricalDtype) else column
    return pd.api.types.infer_dtype(kinds) in ("interval", "mixed-integer")


def _check_ending(path: Path) -> None:
    with readable(path), path.open("rb") as file:
        start = file.read(4096)
    ending = path.suffix.lower()
    if not start:
        raise DataError(f"{path} is empty.")
    if (ending in _PARQUET) != start.startswith(b"PAR1"):
        what = "is not a Parquet file" if ending in _PARQUET else "is a Parquet file"
        raise DataError(f"{path} {what}, though its name ends in {ending!r}. Rename it.")
    if start.startswith(_ARCHIVES):
        raise DataError(f"{path} is a spreadsheet or an archive: save it as CSV first.")
    for compressed, mark in _COMPRESSED.items():
        if start.startswith(mark) and ending != compressed:
            raise DataError(f"{path} is compressed: let its name end in '.csv{compressed}'.")
    if b"\0" in start and ending not in (*_PARQUET, *_COMPRESSED):
        raise DataError(
            f"{path} is not text, so it is not a CSV file, though its name ends in {ending!r}."
        )


def _of_database(address: str) -> ibis.Table:
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    name = options.pop("table", None)
    if name is None:
        raise DataError(f"Which table? Write the address as {address}?table=NAME.")
    if parts.scheme == "duckdb":
        options["read_only"] = "True"
    with readable(address):
        try:
            connection = ibis.connect(urlunsplit(parts._replace(query=urlencode(options))))
        except ValueError as error:
            raise DataError(f"{address} could not be read: {error}") from error
        names = connection.list_tables()
        if name not in names:
            raise UnknownName("table", name, names)
        return connection.table(name)
