"""The data of one step, and how a model's sites lie in its plates over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from plausible.models.errors import ModelError

__all__ = ["Batch", "Layout", "draws_at_once"]

_DRAWS_AT_ONCE, _NUMBERS_AT_ONCE = 10_000, 2**23


def draws_at_once(chunk: int | None, x: Tensor) -> int:
    """How many draws like the data are scored at a time, which bounds the memory.

    Args:
        chunk: as it was asked for; None for 10,000, or fewer, which hold 8 million numbers.
        x: data, shape (N, ...).

    Raises:
        ModelError: for fewer than one.
    """
    if chunk is None:
        return max(1, min(_DRAWS_AT_ONCE, _NUMBERS_AT_ONCE // max(1, x[:1].numel())))
    if chunk < 1:
        raise ModelError(f"chunk is the number of draws at a time, at least 1, but is {chunk}.")
    return chunk


@dataclass(frozen=True)
class Layout:
    """How a model's sites lie in its plates.

    Attributes:
        plates: names of the plates that run over the batch, whose log probabilities are scaled by
            N/B; none where the model does that itself.
        dim: the batch dimension of log probabilities, negative; None where no plate or more than
            one dimension could be it.
        nesting: number of dimensions that plates take, so that `-1 - nesting` is free.
        latent: whether anything is latent.
        scaled: whether log probabilities stand for all data, not for those of the batch alone.
    """

    plates: frozenset[str]
    dim: int | None
    nesting: int
    latent: bool
    scaled: bool = True


@dataclass(frozen=True)
class Batch:
    """The data of one step.

    Attributes:
        args: tensors with one leading dimension, passed to model and guide by position.
        context: constants, passed by keyword.
        total: number of data in the whole set.
        layout: how the model's sites lie in plates; None until an objective needs it.
        scale_plates: whether that layout is to find the plates over the batch, as the model does
            not scale by N/B itself.
    """

    args: tuple[Tensor, ...]
    context: Mapping[str, Any]
    total: int
    layout: Layout | None = None
    scale_plates: bool = True

    @property
    def size(self) -> int:
        return self.args[0].shape[0] if self.args else 1

    @property
    def represented(self) -> int:
        """The number of data for which log probabilities stand once plates are scaled."""
        assert self.layout is not None
        return self.total if self.layout.scaled else self.size
