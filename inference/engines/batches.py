"""The batches of a run, by the number of the round."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from plausible.inference.engines.sources import Source, TensorSource, order_of
from plausible.models.objectives.batch import Batch, Layout

__all__ = ["Batches"]

_AHEAD = 2**20  # numbers that are gathered at once for many rounds to come


class Batches:
    """A data set cut into batches, in an order that depends on the seed alone.

    Args:
        source: the data.
        size: data per batch; the last batch of an epoch may have fewer.
        seed: seed of the order.
        context: constants for model and guide.
        layout: how the model's sites lie in plates.
        device: where the order is kept.
        scale_plates: whether the plates over a batch are scaled by N/B, which `layout` tells too.

    Attributes:
        latest: the batch made last; None where making it failed.
    """

    def __init__(
        self,
        source: Source,
        size: int,
        seed: int,
        context: Mapping[str, object],
        layout: Layout | None,
        device: torch.device,
        scale_plates: bool = True,
    ) -> None:
        self.source, self.size, self.seed = source, size, seed
        self.context, self.layout, self.device = context, layout, device
        self.total, self.scale_plates = len(source), scale_plates
        self.per_epoch = math.ceil(self.total / size)
        self.whole = size == self.total
        self.latest: Batch | None = None
        self._epoch, self._order = -1, torch.arange(self.total, device=device)
        self._ahead: tuple[Tensor, ...] = ()
        self._rounds_ahead = range(0)

    def at(self, number: int) -> Batch:
        """The batch of this round, counted from 0 over the whole run."""
        self.latest = None
        self.latest = Batch(self._args(number), self.context, self.total, self.layout)
        return self.latest

    def is_short(self, number: int) -> bool:
        """Whether the batch of this round has fewer data than the others."""
        return number % self.per_epoch == self.total // self.size

    def like(self, number: int) -> int:
        """How many rounds from this one on have a batch of its size, within its epoch."""
        return 1 if self.is_short(number) else self.total // self.size - number % self.per_epoch

    def stacked(self, number: int, count: int, room: int) -> tuple[Tensor, ...]:
        """The full batches of `count` rounds on a new first dimension.

        Args:
            number: the first round.
            count: rounds, at most `like(number)`.
            room: size of the new dimension; beyond `count` it holds data of no meaning.
        """
        if number not in self._rounds_ahead or number + count > self._rounds_ahead.stop:
            self._look_ahead(number, room)
        first = number - self._rounds_ahead.start
        return tuple(x[first : first + room] for x in self._ahead)

    def _look_ahead(self, number: int, room: int) -> None:
        """Gather the full batches of all rounds that fit, and room after the last one."""
        self._turn_to(number)
        start = (number % self.per_epoch) * self.size
        row = sum(x.numel() for x in self.source.batch(self._order[:1]))
        rounds = min(self.like(number), max(room, _AHEAD // max(1, row * self.size)))
        index = self._order[start : start + rounds * self.size]
        gathered = self.source.batch(torch.cat([index, index.new_zeros((room - 1) * self.size)]))
        self._ahead = tuple(x.view(-1, self.size, *x.shape[1:]) for x in gathered)
        self._rounds_ahead = range(number, number + rounds)

    def _args(self, number: int) -> tuple[Tensor, ...]:
        if self.whole:
            if isinstance(self.source, TensorSource):
                # New tensors on the same memory: transforms keep results by the tensor.
                return tuple(x.view_as(x) for x in self.source.tensors)
            return self.source.batch(self._order)
        self._turn_to(number)
        start = (number % self.per_epoch) * self.size
        return self.source.batch(self._order[start : start + self.size])

    def _turn_to(self, number: int) -> None:
        epoch = number // self.per_epoch
        if self._epoch != epoch:
            self._epoch = epoch
            order = order_of(self.source, self.seed, epoch)
            if self.device.type == "cuda":
                order = order.pin_memory()  # what is copied from there is not waited for
            self._order = order.to(self.device, non_blocking=True)
