"""What commands print: results on the output, everything else on the error stream."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["say", "show_facts", "show_list", "show_warning", "warnings_as_sentences"]

_output = Console()
_errors = Console(stderr=True)


def say(sentence: str, *, bold: bool = False) -> None:
    """A line of the result, as it is; a terminal breaks it between words."""
    _print(_output, sentence, "bold" if bold else None)


def show_warning(sentence: str) -> None:
    """A line on the error stream, as it is; a terminal breaks it between words."""
    _print(_errors, sentence)


@contextmanager
def warnings_as_sentences() -> Iterator[None]:
    """Inside, a warning of this project is one line, without the line of code that gave it."""
    with warnings.catch_warnings():
        as_before = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category.__module__.startswith("plausible."):
                show_warning(f"plausible: {message}")
            else:
                as_before(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def show_facts(facts: Mapping[str, str]) -> None:
    """Labels and their values, one below the other."""
    _output.print(_table(facts.items()))


def show_list(headers: tuple[str, str], rows: Iterable[tuple[str, str]]) -> None:
    """Names with a line about each."""
    _output.print(_table(rows, headers))


def _table(rows: Iterable[tuple[str, str]], headers: tuple[str, str] | None = None) -> Table:
    table = Table(show_header=headers is not None, box=None, padding=(0, 2, 0, 0))
    first, second = headers or ("", "")
    table.add_column(first, style="bold", no_wrap=headers is not None)
    table.add_column(second)
    for row in rows:
        table.add_row(*row)
    return table


def _print(console: Console, sentence: str, style: str | None = None) -> None:
    text = Text(sentence, style or "", overflow="ignore")
    console.print(text, soft_wrap=not console.is_terminal, crop=False)
