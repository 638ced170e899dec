"""Checkpoints: written whole or not at all, read without running code, the previous one kept.

A run's folder holds `checkpoint.pt` and, once a second was written, `previous.pt`. The format is
described in `docs/checkpoints.md`; `FORMAT` is its version.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plausible.models.base import GenerativeModel, from_config
from plausible.models.errors import CheckpointError, ModelError

__all__ = ["FORMAT", "load", "read_checkpoint", "writable_folder", "write_checkpoint"]

FORMAT = 1
_KIND = "plausible-checkpoint"
_LATEST, _PREVIOUS = "checkpoint.pt", "previous.pt"


def writable_folder(path: str | Path) -> Path:
    """Make the folder if it is not there, and prove that a file can be written in it.

    Raises:
        CheckpointError: if it cannot.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(
            f"Nothing can be written to the output folder {folder}: {error.strerror or error}. "
            "Choose another with out=."
        ) from error
    return folder


def write_checkpoint(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write `checkpoint.pt`; the one that was there becomes `previous.pt`.

    The bytes go to a temporary file that is flushed to the disk and renamed, so that a crash at any
    moment leaves at least one whole checkpoint.

    Raises:
        CheckpointError: if the disk refuses; the files that were there are left as they were.
    """
    latest, previous = folder / _LATEST, folder / _PREVIOUS
    handle, name = tempfile.mkstemp(dir=folder, prefix=".checkpoint-", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save({"kind": _KIND, "format": FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if latest.exists():
            os.replace(latest, previous)
        os.replace(temporary, latest)
        _flush_folder(folder)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {latest} could not be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    return latest


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint from its file, or from the folder of a run.

    Only tensors and plain values are read (`weights_only=True`): a file cannot run code.

    Raises:
        CheckpointError: if there is none, or it is truncated, foreign, or of a later format. Where
            the run's previous checkpoint is whole, the sentence says so.
    """
    path = Path(path)
    file = path / _LATEST if path.is_dir() else path
    if path.is_dir() and not file.exists() and (path / _PREVIOUS).exists():
        file = path / _PREVIOUS  # the moment between two renames
    if not file.exists():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    content = _read(file)
    if isinstance(content, str):
        previous = file.parent / _PREVIOUS
        hint = ""
        if file.name == _LATEST and previous.exists() and isinstance(_read(previous), dict):
            hint = f" The one before it is whole: use {previous}."
        raise CheckpointError(f"{file} {content}.{hint}")
    return content


def _read(file: Path) -> dict[str, Any] | str:
    """The content, or what is wrong with it."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: unpickling, zip, runtime, end of file
        return f"is not a whole Plausible checkpoint ({type(error).__name__} while reading it)"
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        return "is a PyTorch file, but not a checkpoint of Plausible"
    if content.get("format", 0) > FORMAT:
        return (
            f"has checkpoint format {content['format']}; this version reads up to {FORMAT}: "
            "install a later Plausible"
        )
    return content


def load(path: str | Path, *, model: GenerativeModel | None = None) -> GenerativeModel:
    """Build a trained model from its checkpoint, in evaluation mode, on the CPU.

    Args:
        path: a run's folder or a checkpoint file.
        model: the model to put the weights into, where the checkpoint cannot describe it (it was
            built from custom networks).

    Raises:
        CheckpointError: if the file cannot be read, holds no `GenerativeModel`, or does not fit.
    """
    content = read_checkpoint(path)
    config = content["model"]
    if model is None:
        if "class" not in config:
            raise CheckpointError(f"{path} does not say how to build its model: {config['why']}")
        try:
            model = from_config(config)
        except ModelError as error:
            raise CheckpointError(f"{path} cannot be loaded. {error}") from error
    load_weights(model, content["weights"], path)
    return model.eval()


def load_weights(model: Any, weights: dict[str, Tensor], path: str | Path) -> None:
    """Put a checkpoint's weights into a model or a user's program.

    Raises:
        CheckpointError: if names or shapes differ.
    """
    try:
        getattr(model, "load_weights", model.load_state_dict)(weights)
    except (RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(
            f"The weights in {path} do not fit this {type(model).__name__}: {first}"
        ) from error
