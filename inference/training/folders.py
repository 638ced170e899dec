"""The files of a run in its folder, and room for another run."""

from pathlib import Path

__all__ = ["LATEST", "PREVIOUS", "has_checkpoint", "set_aside"]

LATEST, PREVIOUS = "checkpoint.pt", "previous.pt"
_REPLACED = "replaced.pt"


def has_checkpoint(path: str | Path) -> bool:
    """Whether a folder holds a run."""
    return any((Path(path) / name).exists() for name in (LATEST, PREVIOUS))


def set_aside(path: str | Path) -> None:
    """Make room for another run in a folder; its latest checkpoint stays, as `replaced.pt`."""
    folder = Path(path)
    for name in (PREVIOUS, LATEST):
        if (folder / name).exists():
            (folder / name).replace(folder / _REPLACED)
