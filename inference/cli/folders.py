"""Folders for what a command writes: refused early, and gone again where nothing was written."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["folder_for"]


@contextmanager
def folder_for(*folders: Path) -> Iterator[None]:
    """Make folders, and take those away afterwards into which nothing was put.

    Raises:
        CheckpointError: at once, if one cannot be written.
    """
    from plausible.inference.training.checkpoints import writable_folder

    wanted = [folder for given in folders for folder in (given, *given.parents)]
    missing = [folder for folder in wanted if not folder.exists()]
    try:
        for folder in folders:
            writable_folder(folder)
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # not empty
                folder.rmdir()
