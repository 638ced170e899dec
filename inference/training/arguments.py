"""What `fit` was asked for, checked before anything is done."""

import logging
import math
import os
from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeGuard

import torch

from plausible.inference.engines.sources import Source
from plausible.models.base import Model
from plausible.models.errors import ModelError, UnknownName
from plausible.models.objectives.elbo import ELBO
from plausible.models.objectives.foreign import not_an_objective
from plausible.models.objectives.objective import Objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "PRECISIONS",
    "batch_size_of",
    "check_names",
    "fabric_for",
    "objective_of",
    "rounds_of",
    "seed_of",
]

PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
_DEVICES = ("auto", "cpu", "cuda", "mps")
_DEFAULT_EPOCHS = 20
_DEFAULT_FULL_BATCH_STEPS = 1000


def objective_of(given: object, model: object) -> Objective:
    """The objective given, the model's own, or the ELBO."""
    if given is None:
        return model.objective if isinstance(model, Model) else ELBO()
    if not isinstance(given, Objective):
        raise not_an_objective(given)
    given.players()  # optimisers are checked there, before anything is done
    return given


def batch_size_of(given: object, model: object, source: Source) -> int:
    """Data per step, at most all of them: as asked, as the data say, or as the model has it."""
    total = len(source)
    if given == "auto":
        own = model.batch_size if isinstance(model, Model) else None
        given = getattr(source, "batch_size", None) or own
    if given is None:
        return total
    if not _is_whole(given) or given < 1:
        raise ModelError(
            f"batch_size must be a positive whole number, None or 'auto'; got {given!r}."
        )
    return min(int(given), total)


def rounds_of(epochs: int | None, steps: int | None, size: int, total: int) -> int:
    """Steps of the whole run: rounds of all players."""
    if epochs is not None and steps is not None:
        raise ModelError(f"Give epochs or steps, not both (got {epochs} and {steps}).")
    for name, value in (("epochs", epochs), ("steps", steps)):
        if value is not None and (not _is_whole(value) or value < 1):
            raise ModelError(f"{name} must be a whole number of at least 1, but is {value!r}.")
    if steps is not None:
        return int(steps)
    if epochs is None and size == total:
        return _DEFAULT_FULL_BATCH_STEPS
    return int(epochs or _DEFAULT_EPOCHS) * math.ceil(total / size)


def seed_of(given: object) -> int:
    """A seed that every generator takes."""
    if not _is_whole(given) or not 0 <= given < 2**63:
        raise ModelError(f"seed must be a whole number from 0 to 2**63 - 1, but is {given!r}.")
    return int(given)


def check_names(
    precision: object,
    compile: object,
    scale_plates: object,
    checkpoint_seconds: object,
    callbacks: Any,
    context: object,
) -> None:
    """Refuse what no run accepts."""
    if precision not in tuple(PRECISIONS):
        raise UnknownName("precision", str(precision), PRECISIONS)
    if compile not in ("auto", True, False):
        raise ModelError(f"compile={compile!r} is not known here: use 'auto', True or False.")
    if not isinstance(scale_plates, bool):
        raise ModelError(f"scale_plates is True or False, but is {scale_plates!r}.")
    if not isinstance(checkpoint_seconds, int | float) or not checkpoint_seconds >= 0:
        raise ModelError(
            f"checkpoint_seconds must be zero or a positive number; got {checkpoint_seconds!r}."
        )
    if callable(callbacks) or not all(callable(callback) for callback in callbacks):
        raise ModelError(
            "callbacks is a list of functions of one argument, also where there is one: [callback]."
        )
    if context is not None and not isinstance(context, Mapping):
        raise ModelError(
            f"context is a dictionary of constants by name, but got a {type(context).__name__}."
        )


def fabric_for(device: object, precision: str) -> "Fabric":
    """Fabric on one device of this machine."""
    from lightning_fabric import Fabric  # takes seconds to import, so only when training

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ModelError("fit runs in one process; start it without a multi-process launcher.")
    accelerator, _, index = str(device).partition(":")
    if accelerator not in _DEVICES or (index and not (accelerator == "cuda" and index.isdigit())):
        raise UnknownName("device", str(device), (*_DEVICES, "cuda:1"))
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            f"device={str(device)!r} was asked for, but PyTorch sees no GPU. Use 'auto' or 'cpu'."
        )
    if index and int(index) >= torch.cuda.device_count():
        raise ModelError(
            f"device={str(device)!r} was asked for, but PyTorch sees "
            f"{torch.cuda.device_count()} GPUs, counted from 0."
        )
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise ModelError(
            "device='mps' was asked for, but this is not an Apple GPU. Use 'auto' or 'cpu'."
        )
    devices: Any = [int(index)] if index else 1
    kind: Any = PRECISIONS[precision]
    talk = logging.getLogger("lightning_fabric")  # announces what it was asked for
    level = talk.level
    talk.setLevel(logging.WARNING)
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=kind)
    finally:
        talk.setLevel(level)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)
