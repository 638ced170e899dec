"""What a terminal or a notebook shows of a run: its name, what it does, a bar; gone at its end."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from html import escape
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

__all__ = ["Bar", "announced", "progress_bar", "stage"]

_INTERVAL = 0.25
_NARROWEST = 8  # columns of the bar itself; below that only its numbers are shown
_CELL_COLUMNS = 120  # of a notebook, which has no width that one could ask for
_ECHO = 3  # columns kept free, where the terminal writes ^C without breaking the line


class Bar:
    """A bar that costs one clock reading a step."""

    def __init__(self, display: "_Display | None", total: int, done: int, description: str) -> None:
        self.display, self.total, self.description = display, total, description
        self.began, self.first = time.perf_counter(), done
        self.next = self.began
        self.done, self.rate = done, 0.0
        self.losses: list[str] = []

    def due(self) -> bool:
        """Whether the bar is to be redrawn now."""
        return self.display is not None and time.perf_counter() >= self.next

    def say(self, sentence: str) -> None:
        """A line above the bar, once; in the log where there is no terminal."""
        if self.display is None:
            logging.getLogger("plausible").info(sentence)
        elif sentence not in self.display.sentences:
            self.display.sentences.add(sentence)
            self.display.console.print(sentence, markup=False, highlight=False)

    def draw(self, done: int, losses: Mapping[str, float], description: str) -> None:
        """Redraw the bar with the number of steps done and every player's latest loss."""
        if self.display is None:
            return
        now = time.perf_counter()
        names = losses if len(losses) > 1 else ["loss"]
        shown = zip(names, losses.values(), strict=True)
        self.losses = [f"{name} {loss:,.3f}" for name, loss in shown]
        self.done, self.description = done, description
        self.rate = (done - self.first) / max(now - self.began, 1e-9)
        self.display.live.refresh()
        self.next = now + _INTERVAL

    def numbers(self, columns: int) -> str:
        """Steps, losses, rate and the time that is left, as far as they fit."""
        numbers = [f"{self.done:,}/{self.total:,}", *self.losses]
        if self.rate:
            left = timedelta(seconds=round((self.total - self.done) / self.rate))
            speed = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.2f}"
            numbers += [f"{speed} steps/s", f"{left} left"]
            if len(self.losses) > 1 and len("  ".join(numbers)) > columns:
                del numbers[-2]  # the losses of several players count for more than the rate
        return "  ".join(numbers)

    def line(self, columns: int) -> Text | Table:
        """The bar and its numbers; where they do not fit into one line, the bar gives way."""
        text = Text(self.numbers(columns), no_wrap=True)
        text.truncate(columns, overflow="ellipsis")
        width = columns - text.cell_len - 2
        if width < _NARROWEST:
            return text
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_row(ProgressBar(self.total, self.done, width), text)
        return row


class _Display:
    """The lines of a run at the bottom of the terminal.

    Attributes:
        name: of the run, before everything that it does.
        doing: what it is doing now.
        bars: of the runs of `fit` inside, the innermost last.
        sentences: those that were printed above.
    """

    def __init__(self, console: Console, name: str) -> None:
        self.console, self.name, self.doing = console, name, ""
        self.bars: list[Bar] = []
        self.sentences: set[str] = set()
        self.live: Live | _Cell = (
            _Cell(self)
            if console.is_jupyter
            else Live(self, console=console, auto_refresh=False, transient=True)
        )

    def title(self) -> str:
        """The run's name and what it is doing."""
        what = ", ".join(part for part in (self.doing, *(b.description for b in self.bars)) if part)
        return f"{self.name}: {what}" if what else self.name

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.title(), style="bold", no_wrap=True, overflow="ellipsis")
        for bar in self.bars:
            yield bar.line(options.max_width - _ECHO)


class _Cell:
    """The lines as an output of a notebook's cell, in HTML alone: rich's own needs ipywidgets."""

    def __init__(self, display: _Display) -> None:
        self.display = display
        self._handle: Any = None

    def __enter__(self) -> "_Cell":
        from IPython.display import display  # there, where there is a notebook

        self._handle = display(self._shown(), raw=True, display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def refresh(self) -> None:
        """Show the lines as they are now, in the place of what was shown before."""
        self._handle.update(self._shown(), raw=True)

    def _shown(self) -> dict[str, str]:
        """What a cell shows, for notebooks that show HTML and for those that do not."""
        plain, html = [self.display.title()], [f"<b>{escape(self.display.title())}</b>"]
        for bar in self.display.bars:
            numbers = bar.numbers(_CELL_COLUMNS)
            plain.append(numbers)
            html.append(
                f"<progress value='{bar.done}' max='{bar.total}'></progress> "
                f"<code>{escape(numbers)}</code>"
            )
        return {"text/plain": "\n".join(plain), "text/html": "<br>".join(html)}


_shown: ContextVar[_Display | None] = ContextVar("shown", default=None)


@contextmanager
def announced(name: str) -> Iterator[None]:
    """Inside, `stage` and every run of `fit` are shown together, under a name.

    Within another announcement the name follows that one's.
    """
    outer = _shown.get()
    full = f"{outer.name}, {name}" if outer is not None else name
    with _display(full) as display:
        before = outer.name if outer is not None else full
        if display is not None:
            display.name, display.doing = full, "loading"
            display.live.refresh()
        try:
            yield
        finally:
            if display is not None:
                display.name, display.doing = before, ""


def stage(doing: str) -> None:
    """Show what an announced run is doing now, such as "loading"; nothing where nobody looks."""
    display = _shown.get()
    if display is not None:
        display.doing = doing
        display.live.refresh()


@contextmanager
def progress_bar(total: int, done: int, description: str) -> Iterator[Bar]:
    """A bar on the terminal's error stream, or in a notebook; silent where there is neither."""
    with _display("training") as display:
        bar = Bar(display, total, done, description)
        if display is not None:
            display.bars.append(bar)
            display.live.refresh()
        try:
            yield bar
        finally:
            if display is not None:
                display.bars.remove(bar)


@contextmanager
def _display(name: str) -> Iterator[_Display | None]:
    """The display that is there already, or one for as long as this lasts."""
    display, console = _shown.get(), Console(stderr=True)
    if display is not None or not (console.is_terminal or console.is_jupyter):
        yield display
        return
    display = _Display(console, name)
    token = _shown.set(display)
    try:
        with display.live:
            yield display
    finally:
        _shown.reset(token)
