"""Ctrl-C: a first one ends a run after the current step, a second one at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["on_interrupt"]


@contextmanager
def on_interrupt(tell: Callable[[], None]) -> Iterator[None]:
    """Inside, the first Ctrl-C is told, and the next one does what it did before.

    Left alone where Python cannot take the signal, or the caller ignores it (as under nohup).
    """
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before in (None, signal.SIG_IGN):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        tell()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
