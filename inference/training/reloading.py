"""A run of a user's own model and guide, taken up from its checkpoint without training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from plausible.inference.engines.engine import Backend
from plausible.inference.inputs.arrays import as_tensors
from plausible.inference.isolation import isolated, own_modes
from plausible.inference.program import Function, Program, as_program, stored_parameters
from plausible.inference.starts import OwnParameters
from plausible.inference.training.checkpoints import best_weights, load_weights
from plausible.inference.training.result import Fit
from plausible.models.errors import CheckpointError, PlausibleError, reason_of
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.tracing import traces, trying
from plausible.models.ownership import Owners
from plausible.models.stores import taking_turns

__all__ = ["put_statements", "reloaded"]

_CPU = torch.device("cpu")


def reloaded(
    path: str | Path,
    content: Mapping[str, Any],
    model: Function,
    guide: Function | None,
    data: Any,
    context: Mapping[str, Any],
) -> Fit:
    """The run as `fit` returned it, on the CPU, with its modules in evaluation mode.

    Parameters that statements and autoguides make exist after a first run only: model and guide
    run once, on zeros of the shapes of the run's data where no data are given.

    Args:
        path: where the checkpoint is.
        content: what it holds.
        model: the run's model.
        guide: the run's guide.
        data: the run's data; () for zeros.
        context: the run's constants.

    Raises:
        CheckpointError: if model and guide do not run, or the weights do not fit them.
    """
    tensors, names = _inputs(path, content, data)
    program = as_program(model, guide, names)
    program.to(_CPU).eval()
    batch = Batch(tensors, context, len(tensors[0]) if tensors else 1)
    with (
        taking_turns(),
        Owners(program).running() as owners,
        isolated(0, _CPU) as store,
        own_modes(_CPU),
    ):
        with owners.joining(), OwnParameters(owners):
            _run_once(path, program, batch)
        load_weights(program, best_weights(content), path)
        owners.settle()
        params = {name: value.detach().clone() for name, value in pyro.get_param_store().items()}
    losses: Tensor = content["losses"]
    judged = content.get("validation") or {"steps": [], "losses": []}
    validation = dict(zip(judged["steps"], judged["losses"], strict=True))
    validation |= dict([judged["last"]]) if judged.get("last") else {}
    return Fit(
        model=model,
        losses={name: losses[:, i] for i, name in enumerate(content["players"])},
        steps=content["step"],
        seconds=content["seconds"],
        interrupted=False,
        backend=Backend(content["engine"], "The run was loaded from its checkpoint."),
        state=nn.Module(),
        params=params,
        guide=guide,
        checkpoint=Path(path),
        validation=validation,
        best_step=judged.get("best_step"),
        _store=store,
    )


def put_statements(
    path: str | Path,
    content: Mapping[str, Any],
    model: nn.Module,
    data: Any,
    context: Mapping[str, Any],
) -> None:
    """Give a module what `pyro.param` statements inside it had made, which no weight of it is.

    The arguments are those of `reloaded`.

    Raises:
        CheckpointError: if the module does not run, or makes other parameters.
    """
    tensors, names = _inputs(path, content, data)
    program = as_program(model, None, names)
    batch = Batch(tensors, context, len(tensors[0]) if tensors else 1)
    with (
        taking_turns(),
        Owners(program).running() as owners,
        isolated(0, _CPU, owners.start),
        own_modes(_CPU),
    ):
        with owners.joining(), OwnParameters(owners):
            _run_once(path, program, batch)
        values = best_weights(content)
        with torch.no_grad():
            for name, parameter in stored_parameters(program).items():
                if name not in values or values[name].shape != parameter.shape:
                    raise CheckpointError(
                        f"The model makes a parameter {name!r} of shape {tuple(parameter.shape)}, "
                        f"which {path} does not hold."
                    )
                parameter.copy_(values[name])
        owners.settle()


def _inputs(
    path: str | Path, content: Mapping[str, Any], data: Any
) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    if not isinstance(data, tuple) or data:
        return as_tensors(data)
    recorded = content.get("inputs")
    if recorded is None:
        raise CheckpointError(
            f"{path} was written by a version that did not note the shapes of the data, which are "
            "needed to make the guide's parameters: pass the run's data to load(..., data=)."
        )
    kinds = zip(recorded["shapes"], recorded["types"], strict=True)
    zeros = [torch.zeros(shape, dtype=getattr(torch, name)) for shape, name in kinds]
    return tuple(zeros), tuple(recorded["names"])


def _run_once(path: str | Path, program: Program, batch: Batch) -> None:
    try:
        with trying(program, batch), pyro.validation_enabled(False):
            traces(program, batch)
    except (PlausibleError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError(
            f"Model and guide do not run on zeros of the shapes that the run in {path} had: "
            f"{reason_of(error)}. Pass the run's data and constants to "
            "load(..., data=, context=)."
        ) from error
