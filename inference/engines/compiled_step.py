"""A plan with compiled code: fills the inputs of many rounds, and calls the code."""

from collections.abc import Callable

import torch
from torch import Tensor

from plausible.inference.engines.packing import Packed
from plausible.inference.engines.plans import Plan
from plausible.inference.engines.sources import TensorSource
from plausible.inference.graphs.capture import refusing
from plausible.inference.graphs.equality import check_equal
from plausible.inference.graphs.inductor import Code
from plausible.inference.graphs.machine_code import MachineCode
from plausible.inference.isolation import random_state_kept

__all__ = ["CompiledStep"]

_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
_TENSOR_FLOAT = 1e-3  # TF32 keeps ten bits of a float32's fraction


class CompiledStep:
    """Carries out the rounds of a plan by compiled code, several rounds a call.

    Args:
        plan: the captured graphs.
        packed: the players' parameters and optimisers' state.
        count: rounds a call.
        small: whether one thread is faster than several, which cost more to start than they save.
        in_place: whether optimisers are PyTorch's fused kernels.

    Attributes:
        function: what is to be compiled.
        code: the compiled function; the function itself until there is one.
        longest: rounds of the longest call.
        description: what runs, for `Backend.reason`.
    """

    description = "Model, guide and optimiser run as one compiled function"

    def __init__(
        self, plan: Plan, packed: list[Packed], count: int, small: bool, in_place: bool = False
    ) -> None:
        self.plan, self.count, self.small, self.longest = plan, count, small, count
        device = plan.players.fabric.device
        self.function = plan.rounds([p.groups for p in packed], count, in_place)
        self.code: Code = self.function
        self._state = [x for p in packed for group in p.state for x in group]
        self._groups = [[len(group) for group in p.state] for p in packed]
        self._others = [plan.weights[i].detach() for i in self.function.others]
        self._fixed = plan.fixed()
        self._noise = torch.zeros(count, self.function.draws, dtype=plan.dtype, device=device)
        self._rounds = torch.tensor(count, device=device)
        self._last = {player: k for k, player in enumerate(plan.turns)}
        self._direct = plan.turns == tuple(range(len(plan.players.players)))
        whole = plan.batches.whole and isinstance(plan.batches.source, TensorSource)
        self._inputs = self._laid_out(plan.batches.at(0).args) if whole else None

    def inputs(self, number: int) -> list[Tensor]:
        """Inputs of a call that begins with this round."""
        return self._inputs or self._laid_out(self._batch(number, 1))

    def machine_code(self, number: int) -> MachineCode:
        """The code of the function, for a call that begins with this round.

        Raises:
            Refused: if there is no C++ compiler.
        """
        return MachineCode(self.function, self.inputs(number), self.small)

    def run(self, number: int, limit: int, alike: Callable[[int], bool]) -> Tensor:
        """Rounds from this one on, at least one and at most `limit`, as long as they are alike.

        The last call is one that is full, if any is: what is left is for the next time, because a
        call takes as long for one round as for `count`.
        """
        threads = torch.get_num_threads()
        if not self.small or threads == 1:
            return self._run(number, limit, alike)
        torch.set_num_threads(1)
        try:
            return self._run(number, limit, alike)
        finally:
            torch.set_num_threads(threads)

    @torch.no_grad()
    def _run(self, number: int, limit: int, alike: Callable[[int], bool]) -> Tensor:
        losses = self._calls(number, limit, alike)
        rows = losses[0] if len(losses) == 1 else torch.cat(losses)
        if not self._direct:
            rows = self._of_players(rows)
        self.plan.players.latest.copy_(rows[-1])
        return rows

    def _calls(self, number: int, limit: int, alike: Callable[[int], bool]) -> list[Tensor]:
        """The losses that each call gives, shape (rounds, turns)."""
        batches, losses, done = self.plan.batches, list[Tensor](), 0
        while True:
            count = min(self.count, limit - done)
            if not batches.whole:
                count = min(count, batches.like(number + done))
            inputs = self._inputs or self._laid_out(self._batch(number + done, count))
            self._draw(count)
            if self.count > 1:
                self._rounds.fill_(count)
            result = self.code(*inputs)
            losses.append((result if isinstance(result, Tensor) else result[0])[:count])
            done += count
            if limit - done < self.count or not alike(number + done):
                return losses

    def _draw(self, count: int) -> None:
        """Fill the noise of some rounds with what they would draw one by one."""
        if self._noise.shape[1]:
            noise = self._noise if count == self.count else self._noise[:count]
            noise.normal_()

    @torch.no_grad()
    def verify(self, number: int) -> None:
        """Compare calls of the code with the same rounds of the graphs, then undo both.

        Raises:
            Refused: if losses, moments, parameters or buffers differ.
        """
        for count in self._counts(number):
            self._verify(number, count)

    def _counts(self, number: int) -> list[int]:
        """Numbers of rounds a call that are worth a comparison."""
        batches = self.plan.batches
        return [self.count if batches.whole else min(self.count, batches.like(number))]

    def _verify(self, number: int, count: int) -> None:
        plan, tolerance = self.plan, self._tolerance()
        changing = [*self._state, *self._others, plan.players.latest]
        before = [x.clone() for x in changing]
        device = plan.players.fabric.device
        try:
            with random_state_kept(device), refusing("a call of the compiled code failed"):
                losses = self.run(number, count, lambda _: False).clone()
        finally:
            given = _swap(changing, before)
        with random_state_kept(device):
            rows = [plan.round(number + k) for k in range(count)]
            expected = _swap(changing, before)
        check_equal("the loss of the compiled code", [losses], [torch.stack(rows)], tolerance)
        counted = self._counted(expected)
        right = [_change(e, b)[c] for e, b, c in zip(expected, before, counted, strict=True)]
        changes = [_change(g, b)[c] for g, b, c in zip(given, before, counted, strict=True)]
        check_equal("what the compiled code changes", changes, right, 50 * tolerance)

    def _tolerance(self) -> float:
        """The relative error that the arithmetic of the graphs allows."""
        plan, backends = self.plan, torch.backends
        tolerance = _TOLERANCE.get(plan.dtype, 1e-2)
        if plan.players.fabric.device.type != "cuda" or plan.dtype != torch.float32:
            return tolerance
        convolves = any(g.graph.operations.convolves for g in plan.graphs.values())
        rounded = backends.cuda.matmul.allow_tf32 or (convolves and backends.cudnn.allow_tf32)
        return _TENSOR_FLOAT if rounded else tolerance

    def _counted(self, state: list[Tensor]) -> list[Tensor]:
        """Which numbers of the state are compared.

        Adam divides a gradient by its size, also one that is nothing but rounding error, as that of
        a bias before batch norm is. Parameters whose first moment is a thousandth of the largest or
        less are therefore left out; their moments are not.
        """
        counted = [torch.ones_like(x, dtype=torch.bool) for x in state]
        position = 0
        for groups in self._groups:
            for length in groups:
                if length > 1:
                    moment = state[position + 1].abs()
                    counted[position] = moment > 1e-3 * moment.max()
                position += length
        return counted

    def _batch(self, number: int, count: int) -> tuple[Tensor, ...]:
        if self.function.each:
            return self.plan.batches.stacked(number, count, self.count)
        return self.plan.batches.at(number).args

    def _laid_out(self, batch: tuple[Tensor, ...]) -> list[Tensor]:
        inputs = [*self._state, *self._others, *self._fixed, *batch]
        if self._noise.shape[1]:
            inputs.append(self._noise)
        if self.count > 1:
            inputs.append(self._rounds)
        return inputs

    def _of_players(self, rows: Tensor) -> Tensor:
        """From one loss a turn to the latest loss of every player."""
        full = self.plan.players.latest.repeat(len(rows), 1)
        for player, column in self._last.items():
            full[:, player] = rows[:, column]
        return full


def _change(after: Tensor, before: Tensor) -> Tensor:
    return after != before if after.dtype == torch.bool else after - before


def _swap(tensors: list[Tensor], values: list[Tensor]) -> list[Tensor]:
    was = [x.clone() for x in tensors]
    for x, value in zip(tensors, values, strict=True):
        x.copy_(value)
    return was
