"""Opens a file of rows of any kind: text, JSON, Parquet, Feather, a workbook, packed or not."""

import glob
import os
import re
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow
from pyarrow import dataset, feather, parquet
from python_calamine import CalamineError

from plausible.fairness.counts.addresses import is_address
from plausible.fairness.counts.frames import (
    connection,
    dictionary_of,
    in_own_zones,
    of_frame,
    registered,
)
from plausible.fairness.counts.kinds import (
    FEATHER,
    JSON,
    PARQUET,
    WORKBOOK,
    ZIP,
    checked_kind,
)
from plausible.fairness.counts.text_file import TextFile
from plausible.fairness.counts.unpacking import UNPACKED, decompressed, new_folder, unzipped
from plausible.inference.errors import DataError, UnknownName

__all__ = ["CSV_HINT", "categories_in", "of_file", "of_folder", "split_name"]

_ROWS_FOR_TYPES = 500_000
# Nothing is guessed: no line is skipped, no row is a comment, and 01/02/2020 is not a day.
_CSV = {
    "skip": 0,
    "comment": "",
    "sample_size": _ROWS_FOR_TYPES,  # rows that tell a number from a text
    "auto_type_candidates": ["BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR"],
}
CSV_HINT = (
    " (A CSV file is text in UTF-8; its first line names the columns, and every row has a value "
    "for each. Say --encoding for other letters, --skip and --skip-end for lines above and below "
    "the table, and --names where no line names the columns.)"
)


def split_name(source: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """A file, and the name of a table in it where one follows: stops.xlsx?table=2020."""
    path = Path(source).expanduser()
    name, mark, table = str(source).rpartition("?table=")
    if not mark or path.exists():
        return path, None
    return Path(name).expanduser(), table


def of_folder(path: Path) -> ibis.Table:
    """All Parquet files in a folder and in the folders in it.

    Raises:
        DataError: if there are none.
    """
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in PARQUET and f.is_file())
    if not files:
        raise DataError(f"The folder {path} has no Parquet files in it.")
    table = connection().read_parquet([_exactly(file) for file in files], union_by_name=True)
    return in_own_zones(table, _schema(files[0]))


def of_file(path: Path, table: str | None = None, lines: TextFile | None = None) -> ibis.Table:
    """A file of rows.

    Args:
        path: of the file.
        table: the sheet of a workbook, or the file in an archive; needed where there are several.
        lines: how the lines of a text file are read, or the rows of a sheet.

    Raises:
        DataError: for a file that is empty, not what its ending says, or without such a table, and
            for lines of a file that has none.
        UnknownName: for a sheet or file that is not in it; suggests the nearest.
    """
    lines = lines or TextFile(path)
    ending = checked_kind(path, recoded=lines.recoded)
    if ending in (*ZIP, *UNPACKED):
        return _unpacked(path, ending, table, lines)
    if ending in WORKBOOK:
        return of_frame(_sheet(path, table, lines))
    if table is not None:
        raise DataError(f"{path} holds one table: leave out ?table={table}.")
    if lines.said and ending in (*PARQUET, *FEATHER, *JSON):
        raise DataError(
            f"{path} is not text in lines: encoding, skip, skip_end and names are said of CSV "
            "files and workbooks."
        )
    if ending in PARQUET:
        return in_own_zones(connection().read_parquet(_exactly(path)), _schema(path))
    if ending in FEATHER:
        return registered(_feather(path))
    if ending in JSON:
        return connection().read_json(_exactly(path), sample_size=_ROWS_FOR_TYPES)
    return _csv(replace(lines, path=path))


def categories_in(source: Any, name: str) -> list[str] | None:
    """The categories of a column of a Parquet file in their order, where it keeps one."""
    if not isinstance(source, str | os.PathLike) or is_address(source):
        return None
    path, _ = split_name(source)
    kind = _schema(path).field(name).type if name in _schema(path).names else None
    if not path.is_file() or kind is None or not pyarrow.types.is_dictionary(kind):
        return None
    return dictionary_of(parquet.ParquetFile(path).read_row_group(0, columns=[name])[name])


def _schema(path: Path) -> pyarrow.Schema:
    """What Arrow noted in a Parquet file; nothing for any other and where it cannot read it."""
    if path.suffix.lower() not in PARQUET or not path.is_file():
        return pyarrow.schema([])
    try:
        return parquet.read_schema(path)
    except pyarrow.ArrowException:
        return pyarrow.schema([])


def _csv(file: TextFile) -> ibis.Table:
    with file.in_utf8() as path:
        table = connection().read_csv(_exactly(path), **_CSV | file.options)
        (first, *others) = table.columns
        if not others and re.search(r"[,;|\t]", first):
            raise DataError(
                f"The lines of {file.path} do not split into columns like {first!r}.{CSV_HINT}"
            )
        return table if path == file.path else table.get_backend().create_table("lines", table)


def _unpacked(path: Path, ending: str, table: str | None, lines: TextFile) -> ibis.Table:
    """What a packed file holds; it stays unpacked until nothing reads it any more."""
    folder = new_folder()
    try:
        if ending in ZIP:
            opened = of_file(unzipped(path, table, folder), lines=lines)
        else:
            opened = of_file(decompressed(path, folder), table, lines)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(opened.get_backend(), shutil.rmtree, folder, ignore_errors=True)
    return opened


def _feather(path: Path) -> Any:
    with path.open("rb") as file:
        is_first_version = file.read(4) == b"FEA1"
    return feather.read_table(path) if is_first_version else dataset.dataset(path, format="feather")


def _sheet(path: Path, name: str | None, lines: TextFile) -> pd.DataFrame:
    """A sheet of a workbook; its first row names the columns, unless names are given."""
    try:
        with pd.ExcelFile(path, engine="calamine") as book:
            names = [str(sheet) for sheet in book.sheet_names]
            read = {sheet: _cells(book, sheet, lines) for sheet in names if name in (None, sheet)}
    except CalamineError as error:
        raise DataError(f"{path} could not be read: {error}") from error
    if name is not None and name not in names:
        raise UnknownName(f"sheet of {path.name}", name, names)
    sheets = {sheet: cells for sheet, cells in read.items() if len(cells.columns)}
    if not sheets:
        raise DataError(f"The workbook {path} has no rows in it.")
    if len(sheets) > 1:
        raise DataError(
            f"The workbook {path} holds {len(sheets)} sheets: {', '.join(sheets)}. Name one: "
            f"{path}?table={next(iter(sheets))}"
        )
    return next(iter(sheets.values()))


def _cells(book: pd.ExcelFile, sheet: str | int, lines: TextFile) -> pd.DataFrame:
    cells = book.parse(sheet, keep_default_na=False, na_values=[""], **lines.of_sheet())
    return cells.convert_dtypes()  # an empty cell does not make whole numbers fractional


def _exactly(path: Path) -> str:
    """A path as a pattern that fits it alone."""
    return glob.escape(str(path))
