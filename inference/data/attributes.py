"""A table of yes/no attributes that belongs to a folder of images."""

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["read_attributes"]


def read_attributes(table: Path, files: Sequence[str]) -> dict[str, Tensor]:
    """One bool tensor per column of a CSV file, in the order of the images.

    Args:
        table: a CSV file whose column `file` holds paths relative to the folder of images; every
            other column is an attribute and holds 0 or 1.
        files: the images, as they are written in the column `file`. Rows for other files are left
            out.

    Returns:
        For each attribute a tensor of shape (len(files),).

    Raises:
        DataError: for a table without these columns, a value that is neither 0 nor 1, a file that
            is named twice, or an image without a row.
    """
    rows: dict[str, list[bool]] = {}
    wanted = set(files)
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = list(reader.fieldnames or ())
            names = [column for column in columns if column != "file"]
            if len(names) != len(columns) - 1 or not names or len(set(names)) != len(names):
                raise DataError(
                    f"{table} must have one column `file` and at least one attribute, each named "
                    f"once; found {', '.join(columns) or 'nothing'}."
                )
            for row in reader:
                file = row["file"]
                if file not in wanted:
                    continue
                if file in rows:
                    raise DataError(f"{table}, line {reader.line_num}: {file} is named twice.")
                rows[file] = [_flag(row[name], name, table, reader.line_num) for name in names]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as a CSV file in UTF-8: {error}.") from error
    without = [file for file in files if file not in rows]
    if without:
        raise DataError(
            f"{table} has no row for {len(without):,} of {len(files):,} images, such as "
            f"{without[0]}. The column `file` holds paths relative to {table.parent}."
        )
    values = torch.tensor([rows[file] for file in files], dtype=torch.bool)
    return {name: values[:, position].clone() for position, name in enumerate(names)}


def _flag(value: str | None, name: str, table: Path, line: int) -> bool:
    stripped = (value or "").strip()
    if stripped not in ("0", "1"):
        raise DataError(
            f"{table}, line {line}: attribute {name!r} must be 0 or 1, found {stripped!r}."
        )
    return stripped == "1"
