"""All that a run needs before its first step: on its device, and with what it has done before."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyro
import torch
from torch import Tensor, nn

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.players import Players, make_parameters
from plausible.inference.engines.sources import (
    Source,
    TensorSource,
    first_batch,
    order_of,
)
from plausible.inference.isolation import generators, on_device
from plausible.inference.program import Function, Program, UserProgram
from plausible.inference.starts import OwnParameters, check_starts
from plausible.inference.training.checkpoints import load_weights, writable_folder
from plausible.inference.training.failures import warn_of_baselines
from plausible.inference.training.request import Request
from plausible.inference.training.supports import check_supports
from plausible.inference.training.validation import Judge
from plausible.models.errors import CheckpointError, ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.tracing import Seen
from plausible.models.ownership import Owners

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A run before its first step, or before the first after a resumption.

    Attributes:
        model: as it was given.
        program: model and guide.
        players: of the objective, with their parameters and optimisers.
        state: the objective's own tensors.
        batches: the data.
        steps: rounds of the whole run.
        device: where it runs.
        folder: for checkpoints; None where none are written.
        settings: what a resumed run must have in common with this one.
        inputs: names, shapes and types of the tensors of a batch.
        parameters: of the program, as they are before the first step.
        step: steps that are done.
        seconds: that those took.
        losses: of those, shape (step, players).
        engine: the one that did the last of those; None for a new run.
        judge: of the validation data; None where there are none.
    """

    model: Function
    program: Program
    players: Players
    state: nn.Module
    batches: Batches
    steps: int
    device: torch.device
    folder: Path | None
    settings: Mapping[str, Any]
    inputs: Mapping[str, Any]
    parameters: list[Tensor]
    step: int
    seconds: float
    losses: Tensor
    engine: str | None
    judge: Judge | None


def prepare(asked: Request, fabric: "Fabric", owners: Owners) -> Prepared:
    """Move a run to its device, run model and guide once, and go on from its checkpoint.

    Args:
        asked: the run.
        fabric: its device and precision.
        owners: of its parameters.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if model, guide or objective cannot be trained as asked.
        CheckpointError: if `out` cannot be written, or the checkpoint does not fit.
    """
    device, program, objective = fabric.device, asked.program, asked.objective
    source = asked.source.to(device)
    program.to(device)
    constants = {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in asked.context.items()
    }
    check_starts(program)
    with owners.joining():
        layout, first = _layout(asked, source, constants, device, owners)
    with on_device(device):
        state = objective.state(program).to(device)
    _check_held(program, state)
    players = Players(program, objective, state, fabric)
    batches = Batches(
        source, asked.batch_size, asked.seed, constants, layout, device, asked.scale_plates
    )
    judge = None
    if asked.judged is not None:
        judged = asked.judged.to(device)
        judge = Judge(players, judged, batches, asked.every, asked.patience)
    elif any(optimizer.plateau is not None for optimizer in players.optimizer_states):
        raise ModelError(
            "The learning rate is a Plateau, which follows the validation loss: pass validation=."
        )
    folder = writable_folder(asked.out) if asked.out is not None else None
    none = torch.zeros(0, len(players.names), device="cpu")
    done: Mapping[str, Any] = {"step": 0, "seconds": 0.0, "losses": none, "engine": None}
    if asked.content is not None and asked.resume is not None:
        done = asked.content
        _restore(asked, players, done, asked.resume)
        if judge is not None:
            judge.load_state_dict(done["validation"])
    return Prepared(
        model=asked.model,
        program=program,
        players=players,
        state=state,
        batches=batches,
        steps=asked.steps,
        device=device,
        folder=folder,
        settings=asked.settings,
        inputs=_kinds(source, first),
        parameters=[*program.parameters()],
        step=done["step"],
        seconds=done["seconds"],
        losses=done["losses"],
        engine=done["engine"],
        judge=judge,
    )


def _kinds(source: Source, tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    return {
        "names": list(getattr(source, "names", ())),
        "shapes": [list(x.shape) for x in tensors],
        "types": [str(x.dtype).removeprefix("torch.") for x in tensors],
    }


def _layout(
    asked: Request,
    source: Source,
    context: Mapping[str, object],
    device: torch.device,
    owners: Owners,
) -> tuple[Layout | None, tuple[Tensor, ...]]:
    """Run model and guide once before the first step, on both batch sizes that will occur.

    Returns:
        How the model's sites lie in plates, and the first batch.
    """
    total, size, program = len(source), asked.batch_size, asked.program
    order = order_of(source, asked.seed, 0).to(device)
    scale = asked.scale_plates
    batch = Batch(first_batch(source, order[:size]), context, total, scale_plates=scale)
    other = None
    if size < total:
        last = total % size or (size - 1 if size > 2 else size + 1)
        other = Batch(first_batch(source, order[:last]), context, total, scale_plates=scale)
    if not isinstance(source, TensorSource):
        program.check(*batch.args)
    with OwnParameters(owners), on_device(device), Seen() as seen:
        layout = asked.objective.prepare(program, batch, other)
        if layout is None:
            make_parameters(program, asked.objective, batch)
        elif isinstance(source, TensorSource) and other is not None:
            check_supports(program, batch, source.tensors)
    warn_of_baselines(seen.sites)
    return layout, batch.args


def _check_held(program: Program, state: nn.Module) -> None:
    """Refuse a parameter that a `Model` leaves in Pyro's store, where nothing would train it."""
    if isinstance(program, UserProgram):
        return
    held = {id(p) for p in (*program.parameters(), *state.parameters())}
    for name, parameter in pyro.get_param_store().named_parameters():
        if id(parameter) not in held:
            cls, attribute = type(program).__name__, name.replace("$$$", ".")
            raise ModelError(
                f"{cls} makes the parameter {attribute!r} by pyro.param or pyro.module, but its "
                "parameters are attributes: write self.scale = PyroParam(tensor(1.0), "
                "constraint=constraints.positive), or self.net = net, in its __init__."
            )


def _restore(
    asked: Request, players: Players, content: Mapping[str, Any], path: str | Path
) -> None:
    """Put optimisers, weights and generators to where a checkpoint left them.

    Raises:
        CheckpointError: if it is further than this run goes, or of other players, optimisers
            or weights; then nothing has changed.
    """
    if content["step"] > asked.steps:
        raise CheckpointError(
            f"The run in {path} has done {content['step']} steps, more than the {asked.steps} "
            "asked for: ask for at least that many."
        )
    if content["players"] != list(players.names):
        raise CheckpointError(
            f"The run in {path} trained {content['players']}, but the objective has "
            f"{list(players.names)}: resume with the objective that it was started with."
        )
    try:
        players.load_state_dict(content["engine_state"])
        players.state.load_state_dict(content["objective_state"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"The optimiser or the objective's state in {path} does not fit this run: {reason}"
        ) from error
    load_weights(players.program, content["weights"], path)
    for generator, state in zip(generators(players.fabric.device), content["rng"], strict=False):
        generator.set_state(state)
