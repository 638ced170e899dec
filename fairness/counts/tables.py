"""Opens a table of any kind without reading its rows into memory."""

import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb
import ibis
import pyarrow
from ibis.common.exceptions import IbisError
from ibis.expr.operations import DatabaseTable

from plausible.fairness.counts.addresses import Address, is_address, masked
from plausible.fairness.counts.databases import of_database
from plausible.fairness.counts.files import CSV_HINT, of_file, of_folder, split_name
from plausible.fairness.counts.frames import of_rows
from plausible.fairness.counts.kinds import FEATHER, JSON, PARQUET, WORKBOOK
from plausible.fairness.counts.text_file import TextFile
from plausible.inference.errors import DataError, PlausibleError

__all__ = ["label_of", "open_table", "readable", "text_file_of", "written_names"]

_UNREADABLE = (duckdb.Error, IbisError, pyarrow.ArrowException, UnicodeError, OSError, ImportError)


def open_table(source: Any) -> ibis.Table:
    """A table whose rows stay where they are until a query adds them up.

    Args:
        source: a file (CSV, JSON, Parquet, Feather, a workbook, also compressed or in an archive),
            a folder of Parquet files, a data frame of pandas or Polars, a table of Arrow, DuckDB
            or Ibis, or the address of a table in a database that Ibis knows, such as
            "postgres://user@host/police?table=stops". A sheet of a workbook or a file in an
            archive is named in the same way: "stops.xlsx?table=2020". A `TextFile` says how the
            lines of a file are read.

    Raises:
        DataError: for a file that is missing, empty, or not what its ending says, or a database
            that cannot be reached.
        UnknownName: for a table that is not in the database, the workbook or the archive.
    """
    if isinstance(source, ibis.Table):
        return source
    lines = source if isinstance(source, TextFile) else None
    source = source.path if isinstance(source, TextFile) else source
    with readable(source):
        if lines is not None and is_address(source):
            raise DataError("The lines of a file are said of files, not of tables in a database.")
        if is_address(source):
            return of_database(source)
        if not isinstance(source, str | os.PathLike):
            return of_rows(source)
        path, table = split_name(source)
        if not path.exists():
            raise DataError(f"There is no file {path}.")
        return of_folder(path) if path.is_dir() else of_file(path, table, lines)


def text_file_of(source: Any) -> TextFile | None:
    """The source as a text file; None where it is another kind of table."""
    if isinstance(source, TextFile):
        return source
    if not isinstance(source, str | os.PathLike) or is_address(source):
        return None
    path, _ = split_name(source)
    other = (*PARQUET, *FEATHER, *WORKBOOK, *JSON)
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    return None if path.is_dir() or any(e in other for e in endings) else TextFile(source)


def written_names(file: TextFile) -> list[str]:
    """The names of the columns as the file has them, also where two are the same."""
    if file.names:
        return list(file.names)
    first = open_table(replace(file, as_lines=True, as_text=())).limit(1).to_pandas()
    return [str(name) for name in first.iloc[0]] if len(first) else []


def label_of(source: Any) -> str:
    """The name of a table in a sentence."""
    if isinstance(source, TextFile):
        source = source.path
    if is_address(source):
        return Address.of(source).table or masked(source)
    if isinstance(source, str | os.PathLike):
        path, table = split_name(source)
        return path.name if table is None else f"{table} of {path.name}"
    if isinstance(source, ibis.Table) and isinstance(source.op(), DatabaseTable):
        return str(source.get_name())
    return "the data frame" if type(source).__name__.endswith("Frame") else "the table"


@contextmanager
def readable(source: Any) -> Iterator[None]:
    """Turn the errors of readers into a sentence.

    Raises:
        DataError: in place of them.
    """
    try:
        yield
    except PlausibleError:
        raise
    except Exception as error:
        if not (isinstance(error, _UNREADABLE) or _is_of_a_driver(error)):
            raise
        # After an empty line the readers go on about their own settings.
        message = textwrap.shorten(
            re.split(r"\n\s*\n", str(error).strip())[0], 400, placeholder=" …"
        )
        if is_address(source):
            message = Address.of(source).scrubbed(message)
        hint = CSV_HINT if "CSV" in message else ""
        raise DataError(
            f"{label_of(source)} could not be read: {message or type(error).__name__}{hint}"
        ) from (None if is_address(source) else error)


def _is_of_a_driver(error: Exception) -> bool:
    """Whether a driver of a database raised it: all name their base class Error (PEP 249)."""
    return any(kind.__name__ == "Error" for kind in type(error).__mro__)
