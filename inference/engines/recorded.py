"""On a CUDA device: one round, and several in a row, recorded as graphs of kernels."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from plausible.inference.engines.compiled_step import CompiledStep
from plausible.inference.engines.packing import Packed
from plausible.inference.engines.phases import LOADING, Phase
from plausible.inference.engines.plans import Plan
from plausible.inference.graphs.capture import Refused, refusing
from plausible.inference.graphs.cuda import Pool, record
from plausible.inference.isolation import random_state_kept

__all__ = ["RecordedPhase", "RecordedStep"]

# Rounds a replay by the work of a round: it is Python's time that several save.
_ROUNDS = ((3e8, 8),)
# Whether kernels are compiled, and the seconds of training left that pay for that.
_FUSED, _FUSING = True, 60.0
_FAILED: dict[str, str] = {}  # code that this process need not try again, and why


class RecordedStep(CompiledStep):
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
        pool: Pool | None,
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


class RecordedPhase(Phase):
    """How rounds of one kind are carried out on a CUDA device: by recordings.

    The first is of PyTorch's own kernels. Where enough training is left, the compiler makes others
    meanwhile, which are recorded in turn, compared, and taken if they are faster.
    """

    _fused: RecordedStep | None = None  # whose kernels are being compiled

    def pending(self) -> bool:
        return super().pending() or self._fused is not None

    def go_on(self, number: int) -> None:
        if self.stage == "decided":
            self._look_after_fused(number)
        else:
            super().go_on(number)

    def stop(self) -> None:
        super().stop()
        self._fused = None

    def _open(self, number: int) -> None:
        assert self.plan is not None
        step = self.step = self._recorded_step(self.plan, fused=False)
        step.record(number)
        self._use(step, number)
        self.stage = "decided"
        self._fuse(self.plan, step, number)

    def _recorded_step(self, plan: Plan, fused: bool) -> RecordedStep:
        several = 1 if self._alone() else self._rounds_a_call(plan, _ROUNDS)
        return RecordedStep(plan, self._packed(plan), several, fused, self.terms.pool)

    def _fuse(self, plan: Plan, recorded: RecordedStep, number: int) -> None:
        """Have the compiler make the recording's kernels, where enough training is left."""
        if not _FUSED or self.short:
            return
        fused = self._recorded_step(plan, fused=True)
        try:
            code = fused.machine_code(number)
            if not self.terms.wait:
                rounds = (self.terms.steps - number) * self._share()
                if recorded.timed(number) * rounds < (LOADING if code.kept() else _FUSING):
                    return
            self._fused, self._code = fused, code
            if code.name in _FAILED:
                raise Refused(_FAILED[code.name])
            if not code.kept():
                code.begin()
                if self.terms.wait:
                    code.wait()
        except Refused as refused:
            self._not_fused(refused)
        else:
            if self.terms.wait or code.kept():
                self._look_after_fused(number)

    def _look_after_fused(self, number: int) -> None:
        """Once there are compiled kernels, record and compare them, and take them if faster."""
        fused, code, report = self._fused, self._code, self.terms.report
        assert fused is not None and code is not None and isinstance(self.step, RecordedStep)
        try:
            if not code.done():
                return
            loaded = code.load()
            if loaded is None:  # the file of an earlier run was damaged
                if self.terms.wait:
                    loaded = code.obtain()
                else:
                    return
            report.compile_seconds = (report.compile_seconds or 0.0) + code.seconds
            fused.code = loaded
            with refusing("its code cannot be recorded"):
                fused.record(number)
            fused.verify(number)
            if self.terms.wait or fused.timed(number) < self.step.timed(number):
                self.step, report.reason = fused, fused.description
            self._fused = self._code = None
        except Refused as refused:
            self._not_fused(refused)

    def _not_fused(self, refused: Refused) -> None:
        if self._code is not None:
            _FAILED[self._code.name] = str(refused)
        self.terms.report.note(f"the kernels are PyTorch's own, because {refused}")
        self._fused = self._code = None
