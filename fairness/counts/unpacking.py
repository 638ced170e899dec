"""Unpacks archives and compressed files into a folder that goes with whatever reads it."""

import bz2
import gzip
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow

from plausible.inference.errors import DataError, UnknownName

__all__ = ["UNPACKED", "decompressed", "new_folder", "unzipped"]

# DuckDB reads some of them by itself, but takes the beginning of a torn file for all of it.
_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".bz2": bz2.open,
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".zst": lambda path: pyarrow.input_stream(path, compression="zstd"),
}
UNPACKED = tuple(_OPENERS)


def new_folder() -> Path:
    """A temporary folder, which whoever asks for it removes."""
    return Path(tempfile.mkdtemp(prefix="plausible-"))


def decompressed(path: Path, folder: Path) -> Path:
    """A file that bzip2, gzip, xz or Zstandard compressed, as it was before, in the folder.

    Raises:
        DataError: if it is damaged.
    """
    opener = _OPENERS[path.suffix.lower()]
    try:
        with opener(path) as packed:
            return _written(packed, folder / path.stem)
    except (EOFError, lzma.LZMAError, OSError, zlib.error) as error:
        raise DataError(f"{path} could not be read: {error}") from error


def unzipped(path: Path, name: str | None, folder: Path) -> Path:
    """The table of an archive, in the folder.

    Args:
        path: of the archive.
        name: of the file in it; None where it holds one.
        folder: where it is written.

    Raises:
        DataError: if it is damaged, encrypted or empty, or holds several files and none is named.
        UnknownName: for a file that is not in it; suggests the nearest.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {one.filename: one for one in archive.infolist() if _is_table(one)}
            if not files:
                raise DataError(f"The archive {path} has no file in it.")
            if name is not None and name not in files:
                raise UnknownName(f"file of {path.name}", name, files)
            if name is None and len(files) > 1:
                raise DataError(
                    f"The archive {path} holds {len(files)} files: {', '.join(files)}. Name one: "
                    f"{path}?table={next(iter(files))}"
                )
            chosen = files[name] if name is not None else next(iter(files.values()))
            if chosen.flag_bits & 1:
                raise DataError(f"The archive {path} has a password: unpack it first.")
            with archive.open(chosen) as packed:
                return _written(packed, folder / PurePosixPath(chosen.filename).name)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} could not be read: {error}") from error


def _is_table(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a file that a person put there, not one that a system adds."""
    parts = PurePosixPath(member.filename).parts
    return not member.is_dir() and not any(p.startswith(".") or p == "__MACOSX" for p in parts)


def _written(packed: Any, path: Path) -> Path:
    with path.open("wb") as whole:
        shutil.copyfileobj(packed, whole, 1 << 20)
    return path
