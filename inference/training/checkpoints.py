"""Checkpoints: written whole or not at all, read without running code, the previous one kept.

A run's folder holds `checkpoint.pt` and, once a second was written, `previous.pt`. The format is
described in `docs/checkpoints.md`; `FORMAT` is its version.
"""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from plausible.inference.program import STORE, Function, stored_parameters, weights_of
from plausible.inference.training.folders import LATEST, PREVIOUS
from plausible.models.base import Model, from_config, up_to_date
from plausible.models.errors import CheckpointError, ModelError, PlausibleError
from plausible.models.ownership import own_parameters

if TYPE_CHECKING:
    from plausible.inference.training.result import Fit

__all__ = [
    "FORMAT",
    "description",
    "load",
    "load_weights",
    "read_checkpoint",
    "writable_folder",
    "write_checkpoint",
]

Module = TypeVar("Module", bound=nn.Module)

FORMAT = 3
_KIND = "plausible-checkpoint"
_UNFINISHED = ".checkpoint.tmp"
_NEEDED = ("model", "weights", "engine_state", "objective_state", "rng", "step", "settings")
_MODEL = "model_module."  # before the names of the model's weights, where it has a guide


def writable_folder(path: str | Path) -> Path:
    """Make the folder if it does not exist, and prove that a file can be written in it.

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
        CheckpointError: if the disk refuses, or something in it is neither a tensor nor a plain
            value; the files that were there are left as they were.
    """
    latest, previous, unfinished = folder / LATEST, folder / PREVIOUS, folder / _UNFINISHED
    plain = _plain({"kind": _KIND, "format": FORMAT, **content}, "checkpoint")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(unfinished, "wb") as file:
            torch.save(plain, file)
            file.flush()
            os.fsync(file.fileno())
        if latest.exists():
            os.replace(latest, previous)
        os.replace(unfinished, latest)
        _flush_folder(folder)
    except (OSError, RuntimeError) as error:  # torch turns some refusals into RuntimeError
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"The checkpoint {latest} could not be written: {reason}.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return latest


def _plain(value: object, where: str) -> Any:
    """The value in types that are read back without trust: subclasses of str or float are not."""
    if value is None or isinstance(value, (bool, Tensor)):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {_plain(k, where): _plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(v, f"{where}[{i}]") for i, v in enumerate(value))
    raise CheckpointError(
        f"A checkpoint holds tensors and plain values, but {where} is a {type(value).__name__}."
    )


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
    file = path / LATEST if path.is_dir() else path
    if path.is_dir() and not file.exists() and (path / PREVIOUS).exists():
        file = path / PREVIOUS  # the moment between two renames
    if not file.exists():
        raise CheckpointError(f"There is no checkpoint at {path}.")
    content = _read(file)
    if isinstance(content, str):
        previous = file.parent / PREVIOUS
        hint = ""
        if file.name == LATEST and previous.exists() and isinstance(_read(previous), dict):
            hint = f" The one before it is whole: use {previous}."
        raise CheckpointError(f"{file} {content}.{hint}")
    if "class" in content["model"]:
        content["model"] = up_to_date(content["model"])
    return content


def _read(file: Path) -> dict[str, Any] | str:
    """The content, or what is wrong with it."""
    try:
        with zipfile.ZipFile(file) as archive:  # PyTorch itself does not look at the checksums
            damaged = archive.testzip()
        if damaged is not None:
            return f"is damaged: its part {damaged} is not what was written"
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds: unpickling, zip, runtime, end of file
        return f"is not a whole Plausible checkpoint ({type(error).__name__} while reading it)"
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        return "is a PyTorch file, but not a checkpoint of Plausible"
    version = content.get("format")
    if isinstance(version, int) and version > FORMAT:
        return (
            f"has checkpoint format {version}; this version reads up to {FORMAT}: "
            "install a later Plausible"
        )
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        return f"is not a whole Plausible checkpoint: it lacks {', '.join(missing)}"
    return content


def description(model: object) -> dict[str, Any]:
    """How `load` can build the model again, or why it cannot."""
    if not isinstance(model, Model):
        return {
            "why": "it was trained as a plain Pyro program; load it with "
            "load(path, model=, guide=), or resume it with fit(resume=...)."
        }
    try:
        return model.config()
    except ModelError as error:
        return {"why": str(error)}


@overload
def load(path: str | Path, *, model: None = None) -> Model: ...


@overload
def load(
    path: str | Path, *, model: Module, data: Any = (), context: Mapping[str, Any] | None = None
) -> Module: ...


@overload
def load(
    path: str | Path,
    *,
    model: Function,
    guide: Function,
    data: Any = (),
    context: Mapping[str, Any] | None = None,
) -> "Fit": ...


def load(
    path: str | Path,
    *,
    model: Any = None,
    guide: Any = None,
    data: Any = (),
    context: Mapping[str, Any] | None = None,
) -> Any:
    """Build a trained model from its checkpoint, in evaluation mode, on the CPU.

    Of a run with validation it has the best weights, not the last. Given a guide, or a model that
    is a plain function, it takes up the run instead: as in `fit`, modules get their weights in
    place, and `pyro.param` values are in the `Fit` returned, for `predict` and `Fit.scope`.

    Args:
        path: a run's folder or a checkpoint file.
        model: the model to put the weights into, where the checkpoint cannot describe it (it was
            built from custom networks, or is a Pyro module or function of your own).
        guide: the guide of such a run, made as it was for `fit`; an autoguide of the model, for
            example, that has not run.
        data: the run's data, on which what makes parameters runs once; zeros of the same shapes
            by default.
        context: the run's constants.

    Returns:
        The model; with a guide, or for a plain function, a `Fit`.

    Raises:
        CheckpointError: if the file cannot be read, does not describe a model, or does not fit.
    """
    content = read_checkpoint(path)
    if guide is not None or (model is not None and not isinstance(model, nn.Module)):
        from plausible.inference.training.reloading import reloaded

        return reloaded(path, content, model, guide, data, context or {})
    config = content["model"]
    if model is None:
        if "class" not in config:
            raise CheckpointError(f"{path} does not say how to build its model: {config['why']}")
        try:
            model = from_config(config)
        except (PlausibleError, TypeError) as error:
            raise CheckpointError(f"The model in {path} cannot be built. {error}") from error
    weights = best_weights(content)
    prefix = _MODEL if any(name.startswith(_MODEL) for name in weights) else ""
    own = {n: w for n, w in weights.items() if n.startswith(prefix) and not n.startswith(STORE)}
    own_parameters(model)
    load_weights(model, {name.removeprefix(prefix): w for name, w in own.items()}, path)
    if not isinstance(model, Model) and any(name.startswith(STORE) for name in weights):
        from plausible.inference.training.reloading import put_statements

        put_statements(path, content, model, data, context or {})
    return model.eval()


def best_weights(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights that a model has after the run whose checkpoint this is."""
    judged: Mapping[str, Any] = content.get("validation") or {"best": None}
    last = judged["best"] is None or [judged["best_step"]] == (judged["last"] or [])[:1]
    weights: dict[str, Tensor] = (content if last else judged["best"])["weights"]
    return weights


def load_weights(program: nn.Module, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Put a checkpoint's weights into a model or a user's program, all or none.

    Raises:
        CheckpointError: if names or shapes differ.
    """
    own = weights_of(program)
    for name in (*own, *weights):
        if name not in weights:
            problem = f"it has {name!r}, they do not"
        elif name not in own:
            problem = f"they have {name!r}, it does not"
        elif not is_lazy(own[name]) and own[name].shape != weights[name].shape:
            problem = (
                f"{name!r} has shape {tuple(own[name].shape)} there and "
                f"{tuple(weights[name].shape)} in the file"
            )
        else:
            continue
        raise CheckpointError(
            f"The weights in {path} do not fit this {type(program).__name__}: {problem}."
        )
    stored = stored_parameters(program)
    program.load_state_dict({n: w for n, w in weights.items() if n not in stored})
    with torch.no_grad():
        for name, parameter in stored.items():
            parameter.copy_(weights[name])
