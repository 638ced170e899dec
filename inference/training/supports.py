"""All data against the support of the sites that observe them, before the first step."""

from typing import Any

from torch import Tensor

from plausible.inference.program import Program
from plausible.models.errors import DataError
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.tracing import is_validated, traces, trying

__all__ = ["check_supports"]


def check_supports(program: Program, batch: Batch, data: tuple[Tensor, ...]) -> None:
    """Raise `DataError` if a row outside the first batch cannot be scored by its site.

    A run checks nothing for speed, and Pyro's checks on the first batch have not seen the others. A
    site is checked where it observes a data tensor as it is, its support is the same for all rows,
    and no `validate_args=False` turns checks off.

    Args:
        program: model and guide.
        batch: a first batch, fewer rows than the data.
        data: all rows of the tensors whose first batch that is.
    """
    if batch.size < 2:
        return
    with trying(program, batch):  # draws nothing, as a source that is not checked draws nothing
        model, _ = traces(program, batch)
    for name, site in model.nodes.items():
        if site["type"] != "sample" or not site["is_observed"] or not is_validated(site["fn"]):
            continue
        for part, whole in zip(batch.args, data, strict=True):
            if site["value"] is part:
                _check(name, site["fn"], whole)


def _check(name: str, distribution: Any, x: Tensor) -> None:
    try:
        support = distribution.support
        inside = support.check(x)
    except (RuntimeError, NotImplementedError, ValueError):  # the support differs between rows
        return
    outside = (~inside).reshape(len(x), -1).any(1) if inside.dim() else inside.new_zeros(0)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        raise DataError(
            f"{int(outside.sum()):,} of {len(x):,} data lie outside the support of site {name!r} "
            f"({support}), the first in row {row}: {x[row].flatten()[:5].tolist()}."
        )
