"""Why training stopped: the site whose value is not finite, or the memory that ran out."""

from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor

from plausible.models.errors import TrainingError
from plausible.models.plates import Batch, traces

__all__ = ["not_finite", "out_of_memory"]


def not_finite(program: Any, batch: Batch, step: int, checkpoint: Path | None) -> TrainingError:
    """The error for a loss that is not finite: names step, culprit and last good checkpoint."""
    saved = f"The last good checkpoint is {checkpoint}." if checkpoint else "Nothing was saved."
    return TrainingError(
        f"The loss of step {step + 1} is not finite: {_culprit(program, batch)}. {saved} "
        "A smaller learning rate, or a floor on scales, often helps."
    )


def _culprit(program: Any, batch: Batch) -> str:
    for name, parameter in program.named_parameters():
        if not bool(parameter.isfinite().all()):
            return f"the parameter {name!r} is not finite after the step before"
    try:
        with torch.no_grad(), pyro.validation_enabled(False):
            model, guide = traces(program, batch)
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


def out_of_memory(error: BaseException, step: int, batch_size: int) -> TrainingError | None:
    """The error for memory that ran out; None if this is another failure."""
    text = str(error).lower()
    allocator = "alloc" in text and "memory" in text
    if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and not allocator:
        return None
    return TrainingError(
        f"Memory ran out in step {step + 1} with {batch_size:,} data per step. "
        "Use a smaller batch_size, a smaller network, or another device."
    )
