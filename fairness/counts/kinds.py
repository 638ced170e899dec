"""Which kind of file a table is in, by the ending of its name and by its first bytes."""

from dataclasses import dataclass
from pathlib import Path

from plausible.inference.errors import DataError

__all__ = ["FEATHER", "JSON", "PACKED", "PARQUET", "WORKBOOK", "ZIP", "checked_kind"]

PARQUET = (".parquet", ".pq")
FEATHER = (".feather", ".arrow", ".ipc")
WORKBOOK = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
JSON = (".json", ".jsonl", ".ndjson")
ZIP = (".zip",)
PACKED = (".gz", ".zst", ".bz2", ".xz")
_LENGTH = 4096


@dataclass(frozen=True)
class _Kind:
    """A kind of file: what it is called, how it may end and how it begins."""

    words: str
    endings: tuple[str, ...]
    starts: tuple[bytes, ...]


_KINDS = (
    _Kind("a Parquet file", PARQUET, (b"PAR1",)),
    _Kind("a Feather file", FEATHER, (b"ARROW1", b"FEA1")),
    _Kind("a workbook", (".xls",), (b"\xd0\xcf\x11\xe0",)),
    _Kind("compressed", (".gz",), (b"\x1f\x8b",)),
    _Kind("compressed", (".zst",), (b"\x28\xb5\x2f\xfd",)),
    _Kind("compressed", (".bz2",), (b"BZh",)),
    _Kind("compressed", (".xz",), (b"\xfd7zXZ\0",)),
)
_ZIPPED = b"PK"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_UNREADABLE = {
    b"SQLite format 3\0": "is an SQLite database: write sqlite://{path}?table=NAME",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive: unpack it first",
    b"Rar!": "is a RAR archive: unpack it first",
    b"%PDF": "is a PDF: save its table as CSV first",
}


def checked_kind(path: Path, *, recoded: bool = False) -> str:
    """The ending of a file in small letters, if it begins as files of that kind do.

    Args:
        path: of the file.
        recoded: whether its text is said to be in another encoding, which may have zeros.

    Raises:
        DataError: for a file that is empty, or not what its ending says.
    """
    with path.open("rb") as file:
        start = file.read(_LENGTH)
    ending = path.suffix.lower()
    if not start:
        raise DataError(f"{path} is empty.")
    for mark, words in _UNREADABLE.items():
        if start.startswith(mark):
            raise DataError(f"{path} {words.format(path=path)}.")
    if start[8:12] == b"DUCK":
        raise DataError(f"{path} is a DuckDB database: write duckdb://{path}?table=NAME.")
    if start[257:262] == b"ustar":
        raise DataError(f"{path} is a tar archive: unpack it first.")
    _check_zipped(path, start, ending)
    for kind in _KINDS:
        begins = start.startswith(kind.starts)
        if begins and ending not in kind.endings:
            raise DataError(
                f"{path} is {kind.words}, though its name ends in {ending!r}. Rename it: its name "
                f"has to end in {' or '.join(map(repr, kind.endings))}."
            )
        if ending in kind.endings and not begins:
            what = f"not {kind.words}"
            raise DataError(f"{path} is {what}, though its name ends in {ending!r}. Rename it.")
    binary = (*PARQUET, *FEATHER, *WORKBOOK, *ZIP, *PACKED)
    if ending not in binary and b"\0" in start and not recoded:
        hint = " It may be text in UTF-16: say --encoding utf-16." * start.startswith(_WIDE)
        raise DataError(
            f"{path} is not text, so it is not a CSV file, though its name ends in {ending!r}."
            f"{hint}"
        )
    if ending not in (*binary, *JSON) and start.lstrip()[:2] in (b'{"', b"[{"):
        raise DataError(
            f"{path} holds JSON, though its name ends in {ending!r}. Rename it: its name has to "
            "end in '.json'."
        )
    return ending


def _check_zipped(path: Path, start: bytes, ending: str) -> None:
    """Raise unless exactly the files that are zipped begin as such: archives and workbooks."""
    sheets = tuple(ending for ending in WORKBOOK if ending != ".xls")
    if start.startswith(_ZIPPED):
        if ending not in (*sheets, *ZIP):
            raise DataError(
                f"{path} is a workbook or an archive, though its name ends in {ending!r}. Rename "
                "it: its name has to end in '.xlsx' or '.ods' if it is a workbook, in '.zip' if "
                "it is an archive."
            )
    elif ending in (*sheets, *ZIP):
        what = "an archive" if ending in ZIP else "a workbook"
        raise DataError(f"{path} is not {what}, though its name ends in {ending!r}. Rename it.")
