"""What `fit` was asked for, checked before anything is changed."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from plausible.inference.engines.sources import Source, TensorSource, as_source
from plausible.inference.program import Function, Program, as_program
from plausible.inference.training.arguments import batch_size_of, objective_of, rounds_of, seed_of
from plausible.inference.training.checkpoints import description, read_checkpoint
from plausible.inference.training.folders import has_checkpoint
from plausible.inference.training.validation import as_validation, validated_every
from plausible.models.errors import CheckpointError
from plausible.models.objectives.objective import Objective

__all__ = ["Request", "request"]

_ADDED = ", vectorized=False"  # what runs of earlier versions did not say of their objective


@dataclass(frozen=True)
class Request:
    """What `fit` was asked for, checked; nothing was changed yet.

    Attributes:
        model: as it was given.
        program: model and guide.
        objective: what to train for.
        source: the data.
        context: constants, passed to model and guide by keyword.
        batch_size: data per step.
        scale_plates: whether plates over a batch are scaled by N/B.
        steps: rounds of the whole run.
        seed: of everything.
        out: folder for checkpoints; None where none are written.
        resume: the checkpoint to go on from; None for a new run.
        content: what that checkpoint holds.
        settings: what a resumed run must have in common with the one that it goes on from.
        judged: the validation data; None where there are none.
        every: steps between validations.
        patience: validations without a new lowest loss that end the run; None for no end.
    """

    model: Function
    program: Program
    objective: Objective
    source: Source
    context: Mapping[str, object]
    batch_size: int
    scale_plates: bool
    steps: int
    seed: int
    out: str | Path | None
    resume: str | Path | None
    content: Mapping[str, Any] | None
    settings: Mapping[str, Any]
    judged: Source | None
    every: int
    patience: int | None


def request(
    model: Function,
    data: Any,
    guide: Function | None,
    objective: Objective | None,
    context: Mapping[str, object] | None,
    epochs: int | None,
    steps: int | None,
    batch_size: int | Literal["auto"] | None,
    scale_plates: bool,
    precision: str,
    seed: int,
    out: str | Path | None,
    resume: str | Path | None,
    validation: Any,
) -> Request:
    """Check the arguments of `fit`, and read the checkpoint that it goes on from.

    Raises:
        DataError: if the data are none, or do not fit the model.
        ModelError: if model, guide or an argument cannot be trained as asked.
        CheckpointError: if the checkpoint is of another run, or `out` holds one.
    """
    source = as_source(data, model)
    program = as_program(model, guide, getattr(source, "names", ()))
    chosen, seed = objective_of(objective, model), seed_of(seed)
    if isinstance(source, TensorSource):
        program.check(*source.tensors)
    size = batch_size_of(batch_size, model, source)
    judge, kept = as_validation(validation), out is not None or resume is not None
    judged = as_source(judge.data, model) if judge is not None else None
    if isinstance(judged, TensorSource):
        program.check(*judged.tensors)
    every = validated_every(judge, math.ceil(len(source) / size)) if judge is not None else 0
    settings = {
        "batch_size": size,
        "seed": seed,
        "data": len(source),
        "checksum": _checksum(source) if kept else None,
        "objective": re.sub(r" at 0x[0-9a-f]+", "", repr(chosen)),
        "precision": precision,
        "scale_plates": scale_plates,
        "program": f"{_name(model)} with the guide {_name(guide)}",
        "validation": _described(judged, every, kept),
    }
    content = None
    if resume is not None:
        content = read_checkpoint(resume)
        _check_same(content, settings, model, resume)
        out = out if out is not None else _folder_of(resume)
    elif out is not None:
        _check_free(out, settings, model)
    return Request(
        model=model,
        program=program,
        objective=chosen,
        source=source,
        context=context or {},
        batch_size=size,
        scale_plates=scale_plates,
        steps=rounds_of(epochs, steps, size, len(source)),
        seed=seed,
        out=out,
        resume=resume,
        content=content,
        settings=settings,
        judged=judged,
        every=every,
        patience=judge.patience if judge is not None else None,
    )


def _described(judged: Source | None, every: int, kept: bool) -> str | None:
    """What a resumed run must have in common of its validation; its patience may differ."""
    if judged is None:
        return None
    checksum = f", checksum {_checksum(judged)}" if kept else ""
    return f"{len(judged):,} rows every {every:,} steps{checksum}"


def _checksum(source: Source) -> int | None:
    """A number that changes with the data; None for a source that has none."""
    checksum = getattr(source, "checksum", None)
    return checksum() if checksum is not None else None


def _folder_of(resume: str | Path) -> Path:
    return Path(resume) if Path(resume).is_dir() else Path(resume).parent


def _check_same(
    content: Mapping[str, Any], settings: Mapping[str, Any], model: Function, path: str | Path
) -> None:
    own = {name: value for name, value in settings.items() if name != "program"}  # may be renamed
    for name, recorded, value in _differences(content, own, model):
        raise CheckpointError(
            f"The run in {path} had {name}={recorded}, but now it is {value}: resume with what it "
            "was started with, or train anew from its weights, with fit(load(path), ...) and "
            "another out=."
        )


def _name(part: Any) -> str:
    """What a model or guide is called in its source; a module by its class."""
    return str(getattr(part, "__qualname__", type(part).__qualname__))


def _check_free(out: str | Path, settings: Mapping[str, Any], model: Function) -> None:
    """Refuse to write over another run. The same run, begun anew, takes its own place."""
    if not has_checkpoint(out):
        return
    for name, recorded, value in _differences(read_checkpoint(out), settings, model):
        raise CheckpointError(
            f"{out} holds another run, whose {name} is {recorded}, where now it is {value}. Choose "
            "another out=, or move the checkpoints away that are there."
        )


def _differences(
    content: Mapping[str, Any], settings: Mapping[str, Any], model: Function
) -> Iterator[tuple[str, Any, Any]]:
    """What a recorded run and this one do not have in common: name, recorded value, value now."""
    before = {"scale_plates": True, "program": settings.get("program")}  # of earlier versions
    recorded = {**before, **content["settings"], "model": content["model"]}
    recorded["objective"], objective = (
        str(text).replace(_ADDED, "") for text in (recorded["objective"], settings["objective"])
    )
    settings = {**settings, "objective": objective}
    if recorded.get("checksum") is None:  # of a source that had none when it was written
        settings = {**settings, "checksum": None}
    now = description(model)
    if "why" in now and "why" in recorded["model"]:  # neither can be rebuilt, for a reason in words
        recorded["model"] = now
    for name, value in {**settings, "model": now}.items():
        if recorded.get(name) != value:
            yield name, recorded.get(name), value
