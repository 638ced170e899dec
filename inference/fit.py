"""`fit`: one training loop for every model, ours or a user's own Pyro function with its guide."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyro
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from plausible.inference.checkpoints import (
    load_weights,
    read_checkpoint,
    writable_folder,
    write_checkpoint,
)
from plausible.inference.engine import EagerEngine
from plausible.inference.isolation import isolated
from plausible.inference.loop import Run
from plausible.inference.program import UserProgram, as_program
from plausible.inference.result import Fit, Progress
from plausible.inference.sources import Source, TensorSource, as_source, permutation
from plausible.models.base import GenerativeModel
from plausible.models.errors import CheckpointError, ModelError, UnknownName
from plausible.models.objectives import ELBO, Objective
from plausible.models.plates import Batch

__all__ = ["fit"]

_PRECISIONS = {"float32": "32-true", "bf16": "bf16-mixed"}
_DEFAULT_EPOCHS = 20
_DEFAULT_FULL_BATCH_STEPS = 1000


def fit(
    model: Any,
    data: Any = (),
    *,
    guide: Any = None,
    objective: Objective | None = None,
    context: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | None | Literal["auto"] = "auto",
    device: str = "auto",
    precision: Literal["float32", "bf16"] = "float32",
    compile: Literal["auto", False] = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    checkpoint_seconds: float = 30.0,
    callbacks: Sequence[Callable[[Progress], None]] = (),
) -> Fit:
    """Train a model by stochastic variational inference, or by its own objective.

    Minibatches are drawn without replacement in an order that depends on `seed` alone. Plates over
    the batch are scaled by N/B, so that global latents get the right posterior. The caller's random
    state, parameter store and Pyro settings are untouched; the model is trained in place and stays
    on the device.

    Args:
        model: a `GenerativeModel`, or a function or module with `pyro.sample` statements.
        data: a tensor, a tuple of tensors with one leading dimension, or a `Source`; passed to model
            and guide by position.
        guide: the variational program of a user's own model, for example an autoguide. None for a
            `GenerativeModel`, and where nothing is latent.
        objective: what to train for; the model's own by default, the ELBO for a user's function.
        context: constants, passed to model and guide by keyword.
        epochs: passes over the data (20 where neither epochs nor steps is given).
        steps: optimiser rounds, instead of `epochs`.
        batch_size: data per step; None is the whole data set; "auto" is the model's own choice, and
            the whole data set for a user's function.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "mps".
        precision: "float32", or "bf16" for mixed precision in matrix products and convolutions.
        compile: which engine: "auto" chooses, False is the eager one. There is one engine so far.
        seed: seed of batches, initial guide and draws.
        out: folder for checkpoints.
        resume: folder or checkpoint file to go on from; everything else must be as it was. The run
            goes on to the same number of steps, and ends bit-identical to one that was never
            stopped (on a CPU, with the same number of threads).
        checkpoint_seconds: a checkpoint is written after so many seconds, and at the end.
        callbacks: called with a `Progress` after every step.

    Returns:
        The trained model with its losses.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if model, guide or an argument cannot be trained as asked.
        CheckpointError: if `out` cannot be written, or `resume` does not belong to this run.
        TrainingError: if a loss is not finite or memory runs out; says where, and what was saved.
    """
    program = as_program(model, guide)
    objective = objective or (model.objective if isinstance(model, GenerativeModel) else ELBO())
    source = as_source(data)
    if isinstance(source, TensorSource):
        _check(program, source)
    size, total = _batch_size(batch_size, model, len(source)), len(source)
    rounds = _rounds(epochs, steps, size, total)
    if precision not in _PRECISIONS:
        raise UnknownName("precision", precision, _PRECISIONS)
    if compile not in ("auto", False):
        raise ModelError(f"compile={compile!r} is not known here: use 'auto' or False.")
    content = read_checkpoint(resume) if resume is not None else None
    if out is None and resume is not None:
        out = Path(resume) if Path(resume).is_dir() else Path(resume).parent
    folder = writable_folder(out) if out is not None else None
    fabric = _fabric(device, _PRECISIONS[precision])
    source = source.to(fabric.device)
    _to_device(program, fabric.device)

    settings = {
        "batch_size": size,
        "seed": seed,
        "data": len(source),
        "checksum": source.checksum() if isinstance(source, TensorSource) and folder else None,
        "objective": repr(objective),
        "precision": precision,
    }
    with isolated(seed, fabric.device) as store:
        constants = _moved(context or {}, fabric.device)
        batch, other = _first_batches(source, size, seed, constants, fabric.device)
        layout = objective.prepare(program, batch, other)
        state = objective.state().to(fabric.device)
        run = Run(
            model=model,
            program=program,
            engine=EagerEngine(program, objective, state, fabric),
            state=state,
            source=source,
            batch_size=size,
            layout=layout,
            context=constants,
            steps=rounds,
            seed=seed,
            device=fabric.device,
            callbacks=tuple(callbacks),
            folder=folder,
            checkpoint_seconds=checkpoint_seconds,
            settings=settings,
        )
        if content is not None:
            _check_same(content["settings"], settings, resume)
            load_weights(program, content["weights"], str(resume))
            run.restore(content)
        run.train(write_checkpoint)
        params = {name: value.detach().clone() for name, value in pyro.get_param_store().items()}
    return Fit(
        model=model,
        losses=run.curves(),
        steps=run.step,
        seconds=run.seconds,
        interrupted=run.interrupted,
        backend=run.engine.backend,
        params=params,
        checkpoint=run.written,
        _store=store,
    )


def _check(program: Any, source: TensorSource) -> None:
    if isinstance(program, (GenerativeModel, UserProgram)):
        program.check(*source.tensors)


def _batch_size(given: int | None | str, model: Any, total: int) -> int:
    if given == "auto":
        given = model.batch_size if isinstance(model, GenerativeModel) else None
    if given is None:
        return total
    if not isinstance(given, int) or given < 1:
        raise ModelError(
            f"batch_size must be a positive whole number, None or 'auto'; got {given!r}."
        )
    return min(given, total)


def _rounds(epochs: int | None, steps: int | None, size: int, total: int) -> int:
    if epochs is not None and steps is not None:
        raise ModelError(f"Give epochs or steps, not both (got {epochs} and {steps}).")
    for name, value in (("epochs", epochs), ("steps", steps)):
        if value is not None and value < 1:
            raise ModelError(f"{name} must be at least 1, but is {value}.")
    if steps is not None:
        return steps
    if epochs is None and size == total:
        return _DEFAULT_FULL_BATCH_STEPS
    return (epochs or _DEFAULT_EPOCHS) * math.ceil(total / size)


def _fabric(device: str, precision: Any) -> Fabric:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ModelError("fit runs in one process; start it without a multi-process launcher.")
    accelerator = "auto" if device == "auto" else device.split(":")[0]
    if accelerator not in ("auto", "cpu", "cuda", "mps"):
        raise UnknownName("device", device, ("auto", "cpu", "cuda", "mps"))
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ModelError(
            "device='cuda' was asked for, but PyTorch sees no GPU. Use 'auto' or 'cpu'."
        )
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise ModelError(
            "device='mps' was asked for, but this is no Apple GPU. Use 'auto' or 'cpu'."
        )
    return Fabric(accelerator=accelerator, devices=1, precision=precision)


def _to_device(program: Any, device: torch.device) -> None:
    if isinstance(program, nn.Module):
        program.to(device)


def _moved(context: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    return {k: v.to(device) if isinstance(v, Tensor) else v for k, v in context.items()}


def _first_batches(
    source: Source, size: int, seed: int, context: Mapping[str, Any], device: torch.device
) -> tuple[Batch, Batch | None]:
    """The first batch, and where it is not all data, one of another size to compare with."""
    total = len(source)
    order = permutation(total, seed, 0).to(device)
    batch = Batch(source.batch(order[:size]), context, total)
    if size == total:
        return batch, None
    other = size - 1 if size > 2 else size + 1
    return batch, Batch(source.batch(order[:other]), context, total)


def _check_same(recorded: Mapping[str, Any], now: Mapping[str, Any], path: Any) -> None:
    for name, value in now.items():
        if name == "objective" and " object at 0x" in value:
            continue
        if recorded.get(name) != value:
            raise CheckpointError(
                f"The run in {path} had {name}={recorded.get(name)}, but now it is {value}: "
                "resume with what it was started with, or start anew with another out=."
            )
