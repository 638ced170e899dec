"""Whether a program gives the same with a dimension of particles to the left of its plates."""

from typing import Any

import torch

from plausible.models.errors import ModelError, PlausibleError, reason_of
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.bounds import elbo
from plausible.models.objectives.tracing import Program, trying

__all__ = ["check_vectorized"]

_TOLERANCE = 1e-3
_REMEDY = "Count dimensions from the right (x[..., 0], sum(-1)), and name no sizes"


def check_vectorized(program: Program, batch: Batch, **terms: Any) -> None:
    """Refuse a program whose bound is another with one particle than without their dimension.

    Both have the same draws, so that they are equal but for rounding. A program that is random by
    itself, so that two runs with one seed differ, cannot be judged and passes.

    Args:
        program: model and guide.
        batch: data with its `Layout`.
        terms: what else `elbo` takes.

    Raises:
        ModelError: if it does not run with that dimension, or gives another bound.
    """
    with trying(program, batch):
        try:
            elbo(program, batch, particles=2, **terms)
        except Exception as error:
            if isinstance(error, (PlausibleError, MemoryError)) or "alloc" in str(error):
                raise
            raise ModelError(
                "The model or guide does not run with a dimension of particles to the left of its "
                f"plates: {reason_of(error)}. {_REMEDY}; or leave out "
                "vectorized=True."
            ) from error
    bounds = []
    for particles in (None, 1, None):
        with trying(program, batch):
            torch.manual_seed(0)
            bounds.append(elbo(program, batch, particles=particles, **terms))
    alone, vectorized, again = bounds
    if bool(torch.equal(alone, again)) and not torch.allclose(alone, vectorized, rtol=_TOLERANCE):
        raise ModelError(
            "With a dimension of particles to the left of its plates the model or guide gives the "
            f"bound {float(vectorized):,.6g} where it is {float(alone):,.6g}: something takes "
            f"particles for data. {_REMEDY}; or leave out vectorized=True."
        )
