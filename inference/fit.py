"""`fit`: one training loop for every model, ours or a user's own Pyro function with its guide."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyro
import torch
from torch import Tensor

from plausible.inference.arguments import (
    batch_size_of,
    check_names,
    fabric_for,
    objective_of,
    rounds_of,
    seed_of,
)
from plausible.inference.batches import Batches
from plausible.inference.checkpoints import description, read_checkpoint, writable_folder
from plausible.inference.compiled.choice import engine_for
from plausible.inference.diagnosis import out_of_memory
from plausible.inference.engine import EagerEngine, Players
from plausible.inference.isolation import (
    OwnParameters,
    isolated,
    on_device,
    own_modes,
    training,
)
from plausible.inference.loop import Run
from plausible.inference.program import as_program
from plausible.inference.result import Fit, Progress
from plausible.inference.sources import (
    Source,
    TensorSource,
    as_source,
    first_batch,
    permutation,
)
from plausible.inference.supports import check_supports
from plausible.models.errors import CheckpointError, PlausibleError
from plausible.models.objectives import Objective
from plausible.models.plates import Batch, Layout

__all__ = ["fit"]


def fit(
    model: Any,
    data: Any = (),
    *,
    guide: Any = None,
    objective: Objective | None = None,
    context: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | Literal["auto"] | None = "auto",
    device: str = "auto",
    precision: Literal["float32", "bf16"] = "float32",
    compile: Literal["auto"] | bool = "auto",
    seed: int = 0,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    checkpoint_seconds: float = 30.0,
    callbacks: Sequence[Callable[[Progress], None]] = (),
) -> Fit:
    """Train a model by stochastic variational inference, or by its own objective.

    Minibatches are drawn without replacement in an order that depends on `seed` alone. Plates over
    the batch are scaled by N/B, so that global latents get the right posterior. The model is
    trained in place and stays on the device. The caller's random state, parameter store and Pyro
    settings are untouched. Runs in several threads take turns.

    Frozen parts stay frozen: a parameter with `requires_grad=False` does not move, and a submodule
    in evaluation mode inside a model in training mode stays in it, which freezes its batch norm. A
    model that is in evaluation mode as a whole, as `load` returns it, is trained in training mode.
    All flags are as before afterwards.

    Args:
        model: a `GenerativeModel`, or a function or module with `pyro.sample` statements.
        data: a tensor, a tuple of tensors with one leading dimension, or a `Source`; passed to
            model and guide by position.
        guide: the variational program of a user's own model, for example an autoguide. None for a
            `GenerativeModel`, and where nothing is latent.
        objective: what to train for; the model's own by default, the ELBO for a user's function.
        context: constants, passed to model and guide by keyword.
        epochs: passes over the data (20 where neither epochs nor steps is given).
        steps: optimiser rounds, instead of `epochs`.
        batch_size: data per step; None is the whole data set; "auto" is the model's own choice, and
            the whole data set for a user's function.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps".
        precision: "float32", or "bf16" for mixed precision in matrix products and convolutions.
        compile: which engine (docs/engine.md). "auto" captures the model as a tensor graph where
            the run is long enough, and compiles it beside the training; True waits for the compiled
            code and uses it in any case; False runs Pyro as it is. What cannot be captured or
            compiled trains all the same: `Fit.backend` says why.
        seed: seed of batches, initial guide and draws.
        out: folder for checkpoints.
        resume: folder or checkpoint file to go on from; everything else must be as it was, but
            `steps` or `epochs` may be more. The run ends bit-identical to one that was never
            stopped (on a CPU, with the same number of threads). Batch norm statistics are kept for
            modules that are given as model or guide, or whose methods are, not for those that only
            `pyro.module` names.
        checkpoint_seconds: a checkpoint is written after so many seconds, and at the end.
        callbacks: called with a `Progress` after every step; what they draw at random does not
            change the run.

    Returns:
        The trained model with its losses.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if model, guide or an argument cannot be trained as asked.
        CheckpointError: if `out` cannot be written, or `resume` does not belong to this run.
        TrainingError: if a step fails, a loss is not finite or memory runs out; says where, and
            what was saved.
    """
    program = as_program(model, guide)
    objective = objective_of(objective, model)
    check_names(precision, compile, checkpoint_seconds, callbacks, context)
    seed = seed_of(seed)
    source = as_source(data)
    if isinstance(source, TensorSource):
        program.check(*source.tensors)
    total = len(source)
    size = batch_size_of(batch_size, model, total)
    rounds = rounds_of(epochs, steps, size, total)
    settings = {
        "batch_size": size,
        "seed": seed,
        "data": total,
        "checksum": _checksum(source) if out is not None or resume is not None else None,
        "objective": re.sub(r" at 0x[0-9a-f]+", "", repr(objective)),
        "precision": precision,
    }
    content = read_checkpoint(resume) if resume is not None else None
    if content is not None and resume is not None:
        _check_same(content, settings, model, resume)
        out = out if out is not None else _folder_of(resume)
    fabric = fabric_for(device, precision)
    run: Run | None = None
    try:
        source = source.to(fabric.device)
        program.to(fabric.device)
        with isolated(seed, fabric.device) as store, own_modes(fabric.device), training(program):
            constants = {
                name: value.to(fabric.device) if isinstance(value, Tensor) else value
                for name, value in (context or {}).items()
            }
            layout = _prepared(program, objective, source, size, seed, constants, fabric.device)
            with on_device(fabric.device):
                state = objective.state().to(fabric.device)
            players = Players(program, objective, state, fabric)
            batches = Batches(source, size, seed, constants, layout, fabric.device)
            run = Run(
                model=model,
                program=program,
                engine=EagerEngine(players),
                state=state,
                batches=batches,
                steps=rounds,
                device=fabric.device,
                callbacks=tuple(callbacks),
                folder=writable_folder(out) if out is not None else None,
                checkpoint_seconds=checkpoint_seconds,
                settings=settings,
            )
            if content is not None and resume is not None:
                run.restore(content, resume)
            before = content["engine"] if content is not None else None
            run.engine = engine_for(players, batches, rounds, run.step, compile, before, callbacks)
            try:
                run.train()
            finally:
                run.engine.close()
            stored = pyro.get_param_store().items()
            params = {name: value.detach().clone() for name, value in stored}
    except (RuntimeError, MemoryError) as error:
        explained = None
        if not isinstance(error, PlausibleError):
            written = run.written if run is not None else None
            explained = out_of_memory(error, run.step if run is not None else 0, size, written)
        if explained is None:
            raise
        raise explained from error
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


def _prepared(
    program: Any,
    objective: Objective,
    source: Source,
    size: int,
    seed: int,
    context: Mapping[str, Any],
    device: torch.device,
) -> Layout | None:
    """Run model and guide once before the first step, on both batch sizes that will occur."""
    total = len(source)
    order = permutation(total, seed, 0).to(device)
    batch = Batch(first_batch(source, order[:size]), context, total)
    other = None
    if size < total:
        last = total % size or (size - 1 if size > 2 else size + 1)
        other = Batch(first_batch(source, order[:last]), context, total)
    if not isinstance(source, TensorSource):
        program.check(*batch.args)
    with OwnParameters(), on_device(device):
        layout = objective.prepare(program, batch, other)
    if isinstance(source, TensorSource) and other is not None:
        with on_device(device):
            check_supports(program, batch, source.tensors)
    return layout


def _checksum(source: Source) -> int | None:
    return source.checksum() if isinstance(source, TensorSource) else None


def _folder_of(resume: str | Path) -> Path:
    return Path(resume) if Path(resume).is_dir() else Path(resume).parent


def _check_same(
    content: Mapping[str, Any], settings: Mapping[str, Any], model: Any, path: str | Path
) -> None:
    recorded = {**content["settings"], "model": content["model"]}
    for name, value in {**settings, "model": description(model)}.items():
        if recorded.get(name) != value:
            raise CheckpointError(
                f"The run in {path} had {name}={recorded.get(name)}, but now it is {value}: "
                "resume with what it was started with, or start anew with another out=."
            )
