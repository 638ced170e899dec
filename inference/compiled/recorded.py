"""A plan on a CUDA device: one round, and several in a row, recorded as graphs of kernels."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from plausible.inference.compiled.cuda import record
from plausible.inference.compiled.machine import Machine
from plausible.inference.compiled.packing import Packed
from plausible.inference.compiled.plans import Plan
from plausible.inference.isolation import random_state_kept

__all__ = ["Recorded"]


class Recorded(Machine):
    """Carries out the rounds of a plan by recordings, which wait for nothing between their kernels.

    What is recorded is the function of one round, as it is or compiled, and the draws before it:
    they are those of single rounds, because a recording draws in the order in which it was made.

    Args:
        plan: the captured graphs.
        packed: the players' parameters and optimisers' state.
        several: rounds in the longer recording; 1 where one of a single round is all.
        fused: whether the kernels are to be the compiler's, which do many operations each.
        pool: the memory that all recordings of a run share.
    """

    def __init__(
        self,
        plan: Plan,
        packed: list[Packed],
        several: int,
        fused: bool,
        pool: Any,
    ) -> None:
        super().__init__(plan, packed, 1, small=False, in_place=not fused)
        self.longest, self._pool = several, pool
        kernels = "compiled for it" if fused else "of PyTorch's own"
        self.description = f"Model, guide and optimiser run as one recording of kernels {kernels}"
        self._recordings: dict[int, Callable[..., Tensor]] = {}

    def record(self, number: int) -> None:
        """Record the code.

        Raises:
            Refused: if it cannot be recorded.
        """
        changing = len(self._state) + len(self._others)
        for count in sorted({1, self.longest}):
            data = tuple(x.clone() for x in self._data(number, count))
            places = self._inputs or self._laid_out(data)
            with random_state_kept(self.plan.players.fabric.device):
                self._recordings[count] = record(
                    self._in_a_row(count), places, changing, self._pool
                )

    def timed(self, number: int) -> float:
        """Seconds a round, at best of three calls that are undone."""
        device = self.plan.players.fabric.device
        changing = [*self._state, *self._others, self.plan.players.latest]
        before = [x.clone() for x in changing]
        taken = []
        with random_state_kept(device), torch.no_grad():
            for _ in range(3):
                torch.cuda.synchronize(device)
                began = time.perf_counter()
                rounds = len(self.run(number, self.longest, lambda _: True))
                torch.cuda.synchronize(device)
                taken.append((time.perf_counter() - began) / rounds)
            for x, value in zip(changing, before, strict=True):
                x.copy_(value)
        return min(taken)

    def _in_a_row(self, count: int) -> Callable[..., Tensor]:
        """So many rounds as a function of a machine's inputs, batches on a first dimension."""
        last = len(self._state) + len(self._others) + len(self._fixed)
        each = count > 1 and not self.plan.batches.whole

        def rounds(*inputs: Tensor) -> Tensor:
            losses = []
            data = inputs[last : last + self.function.batch]
            for k in range(count):
                if self.function.draws:
                    self._noise[0].normal_()
                batch = [x[k] for x in data] if each else data
                result = self.code(*inputs[:last], *batch, *inputs[last + len(data) :])
                losses.append(result if isinstance(result, Tensor) else result[0])
            return torch.cat(losses)

        return rounds

    def _calls(self, number: int, limit: int, alike: Callable[[int], bool]) -> list[Tensor]:
        batches, losses, done = self.plan.batches, list[Tensor](), 0
        while True:
            ready = limit - done
            if not batches.whole:
                ready = min(ready, batches.like(number + done))
            count = self.longest if ready >= self.longest else 1
            inputs = self._inputs or self._laid_out(self._data(number + done, count))
            losses.append(self._recordings[count](*inputs))
            done += count
            if done >= limit or not alike(number + done):
                return losses

    def _data(self, number: int, count: int) -> tuple[Tensor, ...]:
        batches = self.plan.batches
        if count == 1 or batches.whole:
            return batches.at(number).args
        return batches.stacked(number, count, count)

    def _counts(self, number: int) -> list[int]:
        batches = self.plan.batches
        enough = batches.whole or batches.like(number) >= self.longest
        return sorted({1, self.longest}) if enough else [1]
