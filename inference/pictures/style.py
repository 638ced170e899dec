"""The look of every picture, and how a picture is written to a file."""

import io
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from plausible.models.errors import DataError, UnknownName

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure

__all__ = ["CLASS_COLOURS", "INK", "SOFT_INK", "png", "save", "style", "styled", "write_whole"]

P = ParamSpec("P")

# Chosen by search so that any two stay apart (CIE76 distance above 24) for full colour vision and
# for each of the three kinds of colour blindness. The style sheet cycles through the same ten.
CLASS_COLOURS = (
    "#2d2b83",
    "#cf4a17",
    "#049264",
    "#d8bd17",
    "#86c7f2",
    "#73082d",
    "#aacc67",
    "#8d4682",
    "#7175cb",
    "#ff96ac",
)
INK = "#1f1e1b"
SOFT_INK = "#5d5a52"

_STYLE_SHEET = Path(__file__).with_name("plausible.mplstyle")
# A file that names its day or its writer is never twice the same.
_METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style inside a `with`; the caller's settings come back after it."""
    import matplotlib

    with matplotlib.rc_context(fname=_STYLE_SHEET):
        yield


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """A drawing function in the project's style, whatever settings its caller has."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        with style():
            return draw(*args, **kwargs)

    return drawn


def png(figure: "Figure") -> bytes:
    """The picture as a PNG file of 192 dots per inch; equal numbers give equal bytes."""
    return _render(figure, "png")


def save(figure: "Figure", path: str | Path) -> Path:
    """Write a picture as PNG or SVG, by the suffix of the path; its folder is made if need be.

    Args:
        figure: the picture.
        path: where to; ends in `.png` or `.svg`.

    Returns:
        The path of the file.

    Raises:
        UnknownName: if the suffix is another one.
        DataError: if the file cannot be written; one that was there is left as it was.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _METADATA:
        raise UnknownName("picture format", kind, _METADATA)
    return write_whole(path, _render(figure, kind))


def _render(figure: "Figure", kind: str) -> bytes:
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    return buffer.getvalue()


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: where to; its folder is made if need be.
        content: all of it.

    Returns:
        The path of the file.

    Raises:
        DataError: if it cannot be written; a file that was there is left as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
