"""What commands print: results on the output, everything else on the error stream."""

from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

__all__ = ["say", "show_facts", "show_list", "show_warning"]

_output = Console()
_errors = Console(stderr=True)


def say(sentence: str, *, bold: bool = False) -> None:
    """A line of the result, as it is."""
    style = "bold" if bold else None
    _output.print(sentence, style=style, soft_wrap=True, markup=False, highlight=False)


def show_warning(sentence: str) -> None:
    """A line on the error stream, as it is."""
    _errors.print(sentence, soft_wrap=True, markup=False, highlight=False)


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
