"""How a command ends that cannot be carried out: one sentence, and an exit code for its kind."""

from cyclopts import CycloptsError, UnusedCliTokensError

from plausible.fairness.counts.addresses import masked
from plausible.models.errors import (
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    TrainingError,
    UnknownName,
)

__all__ = ["EXIT_CODES", "INTERRUPTED", "CommandError", "code_of", "sentence_of"]


class CommandError(PlausibleError, ValueError):
    """The options of a command do not go together."""


INTERRUPTED = 130
_UNEXPECTED = 1
_CODES: dict[type[Exception], int] = {
    CycloptsError: 2,
    CommandError: 2,
    UnknownName: 2,
    DataError: 3,
    ModelError: 4,
    CheckpointError: 5,
    TrainingError: 6,
}

EXIT_CODES = (
    "Exit codes: 0 done; 1 unforeseen error; 2 name or option; 3 data; 4 model or its settings; "
    "5 checkpoint or folder of a run; 6 training; 130 Ctrl-C."
)


def code_of(error: Exception) -> int:
    """The exit code for the kind of an error."""
    return next((c for kind, c in _CODES.items() if isinstance(error, kind)), _UNEXPECTED)


def sentence_of(error: Exception) -> str:
    """What is wrong, in one line, without the passwords of addresses."""
    if isinstance(error, CycloptsError):
        chain = " ".join(("plausible", *(error.command_chain or ())))
        return masked(f"{_parsing(error)} See {chain} --help.")
    if isinstance(error, PlausibleError):
        return masked(str(error))
    return masked(f"{type(error).__name__}: {error} (--debug shows where)")


def _parsing(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"Nothing takes {', '.join(map(repr, error.unused_tokens or ()))}."
    text = str(error).rstrip()
    return text if text.endswith((".", "?")) else f"{text}."
