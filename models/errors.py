"""Errors that a user can act on: what was given, what is accepted, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "DataError",
    "ModelError",
    "PlausibleError",
    "TrainingError",
    "UnknownName",
    "reason_of",
]

_LONGEST = 300
# What PyTorch says of a mistake in a model, and what that means there.
_MEANINGS = {
    "Can't call numpy() on Tensor that requires grad": (
        "a value is handed to NumPy, through which no gradient passes. Compute with torch "
        "throughout (torch.exp, not np.exp)"
    ),
}


class PlausibleError(Exception):
    """Base of every error that Plausible raises on purpose; its message is for the user."""


class DataError(PlausibleError, ValueError):
    """The data do not fit the model: shape, dtype, support, missing values, unreadable file."""


class ModelError(PlausibleError, ValueError):
    """The model or guide is not written in a way that can be trained as asked."""


class TrainingError(PlausibleError, RuntimeError):
    """Training cannot go on: a loss that is not finite, or memory that ran out."""


class CheckpointError(PlausibleError, RuntimeError):
    """A checkpoint is missing, incomplete, foreign, or does not belong to this run."""


def reason_of(error: BaseException) -> str:
    """What Pyro or PyTorch said, in one line of bounded length without a full stop."""
    text = " ".join(str(error).partition("Trace Shapes:")[0].split()) or type(error).__name__
    meaning = next((meaning for words, meaning in _MEANINGS.items() if words in text), text)
    return meaning[:_LONGEST].rstrip(" .")


class UnknownName(PlausibleError, ValueError):
    """A name that is not in a fixed list; the message suggests the nearest one.

    Args:
        kind: what the name stands for, such as "likelihood".
        given: the name that was given.
        accepted: every accepted name.
    """

    def __init__(self, kind: str, given: str, accepted: Iterable[str]) -> None:
        names = sorted(accepted)
        near = get_close_matches(given, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"Unknown {kind} {given!r}.{hint} Accepted: {', '.join(names)}.")
