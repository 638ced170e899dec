"""The progress bar: loss, steps a second, time left; drawn four times a second at most."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Bar", "progress_bar"]

_INTERVAL = 0.25


class Bar:
    """A bar that costs one clock reading a step."""

    def __init__(self, progress: Progress | None, total: int, done: int, description: str) -> None:
        self.progress = progress
        self.began, self.first = time.perf_counter(), done
        self.next = self.began
        if progress is not None:
            self.task = progress.add_task(
                description, total=total, completed=done, loss="", rate=""
            )

    def due(self) -> bool:
        """Whether the bar is to be redrawn now."""
        return self.progress is not None and time.perf_counter() >= self.next

    def say(self, sentence: str) -> None:
        """A line above the bar; in the log where there is no bar."""
        if self.progress is not None:
            self.progress.console.print(sentence, markup=False, highlight=False)
        else:
            logging.getLogger("plausible").info(sentence)

    def draw(self, done: int, loss: float, description: str) -> None:
        """Redraw the bar with the number of steps done and the loss of the last."""
        if self.progress is None:
            return
        now = time.perf_counter()
        rate = (done - self.first) / max(now - self.began, 1e-9)
        self.progress.update(
            self.task,
            completed=done,
            description=description,
            loss=f"{loss:,.3f}",
            rate=f"{rate:,.0f} steps/s" if rate >= 10 else f"{rate:.2f} steps/s",
        )
        self.progress.refresh()
        self.next = now + _INTERVAL


@contextmanager
def progress_bar(total: int, done: int, description: str) -> Iterator[Bar]:
    """A bar on the terminal's error stream; silent where there is no terminal."""
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield Bar(None, total, done, description)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        yield Bar(progress, total, done, description)
