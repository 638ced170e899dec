"""Why training stopped: a value that is not finite, memory that ran out, a step that failed."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor

from plausible.inference.engines.players import Players, listed, named_parameters
from plausible.models.errors import TrainingError, reason_of
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.tracing import traces

__all__ = [
    "TrainingWarning",
    "failed",
    "not_finite",
    "out_of_memory",
    "parameter_not_finite",
    "warn_of_baselines",
    "warn_of_fall",
    "warn_of_missing_gradients",
    "weights_not_finite",
]


class TrainingWarning(UserWarning):
    """Something in a run is probably not meant as it is."""


def warn_of_missing_gradients(players: Players) -> None:
    """Name the parameters on which their players' first losses did not depend."""
    for player, names in players.without_gradient.items():
        if names:
            warnings.warn(
                f"The {player} does not depend on {listed(names)}, which training will leave as "
                "it is. Use it in the model or guide, or freeze it with requires_grad_(False).",
                TrainingWarning,
                stacklevel=2,
            )


def warn_of_fall(fall: float, steps: int) -> None:
    """Say that the loss was still falling when the run ended; to whoever called `fit`."""
    warnings.warn(
        f"The loss was still falling at the end, by {fall:.3g} over the last {steps // 2:,} of "
        f"{steps:,} steps: the model has not arrived. Take more steps or epochs, or a larger "
        "learning rate, as in ELBO(optimizer=Adam(1e-2)). Calling fit again goes on from here.",
        TrainingWarning,
        stacklevel=3,
    )


def warn_of_baselines(sites: Mapping[str, Any]) -> None:
    """Say that baselines, which lessen the noise of score-function gradients, are not used."""
    names = [name for name, site in sites.items() if site["infer"].get("baseline")]
    if names:
        warnings.warn(
            f"The site {listed(names)} has infer={{'baseline': ...}}, which fit does not use: the "
            "gradient is right without it, but noisier, and parameters of the baseline stay as "
            "they are. Remove it, take more particles, or sum the site out with "
            "infer={'enumerate': 'parallel'}.",
            TrainingWarning,
            stacklevel=2,
        )


def not_finite(
    players: Players, player: int, batch: Batch, step: int, checkpoint: Path | None
) -> TrainingError:
    """The error for a loss that is not finite: names step, culprit and last good checkpoint.

    Args:
        players: of the run.
        player: the first whose loss was not finite.
        batch: the data of the step.
        step: steps done before it.
        checkpoint: the last one written.
    """
    whose = f", the {players.names[player]}'s," if len(players.names) > 1 else ""
    return TrainingError(
        f"The loss of step {step + 1}{whose} is not finite: {_culprit(players, batch)}. "
        f"{_saved(checkpoint)} A smaller learning rate, or a floor on scales, often helps."
    )


def parameter_not_finite(players: Players) -> str | None:
    """The name of the first trainable parameter with a value that is not finite."""
    for name, parameter in named_parameters(players.program, players.state):
        if parameter.requires_grad and not bool(parameter.isfinite().all()):
            return str(name)
    return None


def weights_not_finite(parameter: str, step: int, checkpoint: Path | None) -> TrainingError:
    """The error for weights that a step with a finite loss, but not a finite gradient, left."""
    return TrainingError(
        f"Step {step} has left the parameter {parameter!r} not finite: its gradient was not, as at "
        f"the edge of a square root or a logarithm. {_saved(checkpoint)}"
    )


def _saved(checkpoint: Path | None) -> str:
    return f"The last good checkpoint is {checkpoint}." if checkpoint else "Nothing was saved."


def _culprit(players: Players, batch: Batch) -> str:
    parameter = parameter_not_finite(players)
    if parameter is not None:
        return f"the parameter {parameter!r} was not finite before it"
    if batch.layout is None:  # only the objective knows what it does with model and data
        return "no parameter is, but the objective's value is"
    try:
        with torch.no_grad(), pyro.validation_enabled(False):
            model, guide = traces(players.program, batch)
            model.compute_log_prob()
            guide.compute_log_prob()
    except Exception as error:  # a model that cannot even run on this batch
        return f"the model fails on this batch ({type(error).__name__}: {error})"
    for trace, role in ((guide, "guide"), (model, "model")):
        for name, site in trace.nodes.items():
            if site["type"] != "sample":
                continue
            for what, value in (("value", site["value"]), ("log probability", site["log_prob"])):
                if isinstance(value, Tensor) and not bool(value.isfinite().all()):
                    return f"the {what} of site {name!r} in the {role} is not finite"
    return "no single site is, but their sum or the objective is"


def out_of_memory(
    error: BaseException, step: int, batch_size: int, checkpoint: Path | None
) -> TrainingError | None:
    """The error for memory that ran out; None if this is another failure."""
    text = str(error).lower()
    allocator = isinstance(error, RuntimeError) and "alloc" in text and "memory" in text
    if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and not allocator:
        return None
    return TrainingError(
        f"Memory ran out in step {step + 1} with {batch_size:,} data per step. "
        "Use a smaller batch_size, fewer steps, a smaller network, or another device. "
        f"{_saved(checkpoint)}"
    )


def failed(
    error: Exception, batch: Batch | None, step: int, checkpoint: Path | None
) -> TrainingError:
    """The error for a model, guide, loss or source that raised in the middle of a run."""
    args = batch.args if batch is not None else ()
    shapes = ", ".join(str(tuple(x.shape)) for x in args) or "which were not made"
    return TrainingError(
        f"Step {step + 1} failed on data {'of shape ' if args else ''}{shapes}: "
        f"{type(error).__name__}: {reason_of(error)}. {_saved(checkpoint)}"
    )
