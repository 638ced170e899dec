"""A text file that holds more than a table in UTF-8: its encoding, its lines around, its names."""

import codecs
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plausible.inference.errors import DataError, UnknownName

__all__ = ["TextFile"]

_COMMON = ("utf-8", "latin-1", "cp1252", "cp1250", "mac_roman", "utf-16", "gb18030", "shift_jis")


@dataclass(frozen=True)
class TextFile:
    """A CSV file and how its lines are read.

    Attributes:
        path: of the file.
        encoding: of its letters, such as latin-1 or cp1252.
        skip: how many lines stand above the table, such as a title.
        skip_end: how many lines stand below it, such as notes and sources.
        names: of the columns, in a file whose first line does not name them.
        as_text: columns whose values stay as they are written.
        as_lines: whether every line is one of values, also that with the names.

    Raises:
        UnknownName: for an encoding that does not exist.
        DataError: for a negative number of lines, or a name that occurs twice.
    """

    path: str | os.PathLike[str]
    encoding: str = "utf-8"
    skip: int = 0
    skip_end: int = 0
    names: Sequence[str] = ()
    as_text: Sequence[str] = ()
    as_lines: bool = False

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise UnknownName("encoding", self.encoding, _COMMON) from None
        if min(self.skip, self.skip_end) < 0:
            raise DataError(
                f"Lines above and below a table are counted from 0 up, not {self.skip} and "
                f"{self.skip_end}."
            )
        if twice := [name for name in self.names if list(self.names).count(name) > 1]:
            raise DataError(f"The name {twice[0]!r} is given to two columns. Name each once.")

    @property
    def recoded(self) -> bool:
        """Whether it is said to be in another encoding than UTF-8."""
        return codecs.lookup(self.encoding).name not in ("utf-8", "ascii")

    @property
    def plain(self) -> bool:
        """Whether the file itself can be read, once its first lines are skipped."""
        return not self.skip_end and not self.recoded

    @property
    def options(self) -> dict[str, Any]:
        """What DuckDB's reader has to know."""
        named = {"header": False, "names": list(self.names)} if self.names else {}
        if self.as_lines:
            named = {"header": False, "all_varchar": True}
        types = {"types": dict.fromkeys(self.as_text, "VARCHAR")} if self.as_text else {}
        return {"skip": self.skip} | named | types

    def of_sheet(self) -> dict[str, Any]:
        """What the reader of workbooks has to know."""
        named = {"header": None, "names": list(self.names)} if self.names else {}
        return {"skiprows": self.skip, "skipfooter": self.skip_end} | named

    @property
    def said(self) -> bool:
        """Whether anything is said of its lines."""
        return not self.plain or self.skip > 0 or bool(self.names)

    @contextmanager
    def in_utf8(self) -> Iterator[Path]:
        """The file, or a copy in UTF-8 without the lines below the table, for as long as needed.

        Raises:
            DataError: for letters that are not of the encoding.
        """
        path = Path(self.path).expanduser()
        if self.plain:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "table.csv"
            try:
                self._copy(path, copy)
            except UnicodeError as error:
                raise DataError(
                    f"{path.name} is not in {self.encoding} ({error}). Name another with "
                    "--encoding, such as latin-1, cp1252 or utf-16."
                ) from None
            yield copy

    def _copy(self, path: Path, copy: Path) -> None:
        encoding = "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding
        held: deque[str] = deque()
        filled = 0
        with (
            path.open(encoding=encoding, newline="") as lines,
            copy.open("w", encoding="utf-8", newline="") as kept,
        ):
            for line in lines:
                held.append(line)
                filled += bool(line.strip())
                while filled > self.skip_end:
                    kept.write(first := held.popleft())
                    filled -= bool(first.strip())
