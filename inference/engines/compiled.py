"""The engine that trains with captured graphs, and with compiled ones as soon as they are there."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.compiled_step import CompiledStep
from plausible.inference.engines.costs import break_even, unrolling_pays
from plausible.inference.engines.eager import EagerEngine
from plausible.inference.engines.engine import Backend
from plausible.inference.engines.packing import Packed, pack
from plausible.inference.engines.phases import Phase
from plausible.inference.engines.plans import Plan, Unknown, weights_of_run
from plausible.inference.engines.players import Players
from plausible.inference.engines.sources import TensorSource
from plausible.inference.graphs.background import Compilation
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.inductor import (
    artifact_path,
    check_compiler,
    key_of,
    load_artifact,
)

__all__ = ["CompiledEngine"]

_TRIED = 10  # rounds of each engine in the comparison of captured and compiled
# Seconds of training left from which on it pays to load code that was compiled before, and to load
# it where PyTorch's compiler is imported already; and how far above the time at which compiling
# beside the training pays must be left.
_LOADING, _LOADING_AGAIN, _COMPILING = 4.0, 0.5, 1.0
_CHECKED_EVERY = 64  # rounds, where callbacks look on
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
# Rounds a call by the work of a round, and up to which work one thread is faster than several.
_UNROLLED = ((3e5, 8), (3e6, 4))
_MOST_OPERATIONS, _ONE_THREAD = 8000, 1e7


class CompiledEngine:
    """Rounds as flat tensor graphs, compiled beside the training; see docs/engine.md.

    Args:
        players: of the objective.
        batches: the data.
        steps: rounds of the whole run.
        first: number of the first round.
        wait: wait for the compiled code before the first round, and use it in any case.
        thrifty: let a call do several rounds only where the run is long enough for the time that
            this takes to compile, or the code is there.
        watched: whether callbacks look on: they may change the model between rounds.

    Raises:
        Refused: if the first round cannot be captured, or its graph gives anything else than Pyro.
    """

    def __init__(
        self,
        players: Players,
        batches: Batches,
        steps: int,
        first: int = 0,
        wait: bool = False,
        thrifty: bool = False,
        watched: bool = False,
    ) -> None:
        self.players, self.names = players, players.names
        self.batches, self.steps, self.wait, self.watched = batches, steps, wait, watched
        self.thrifty = thrifty
        self.eager = EagerEngine(players)
        self.weights = weights_of_run(players)
        self._cycle = math.lcm(*(player.every for player in players.players))
        self._reason, self._fallback = "The captured graph runs operation by operation", False
        self._notes: list[str] = []
        self._cuda = players.fabric.device.type == "cuda"
        if players.fabric.device.type not in ("cpu", "cuda"):
            raise Refused(f"it was not tested on the device {players.fabric.device.type}")
        self._compile_seconds: float | None = None
        self._spent: dict[str, tuple[int, float]] = {}
        self._engine, self._since = "captured", first
        self._packed: list[Packed] | None = None
        self._seen: dict[Any, int] = {}
        self._flags = self._numbered(_flags(players))
        self._phases = {self._kind(first): Phase(self._first_plan(first))}
        try:
            self._prepare(first)
        except BaseException:
            self.close()
            raise

    @property
    def backend(self) -> Backend:
        rates = {name: n / t for name, (n, t) in self._spent.items() if t > 0}
        seconds = self._compile_seconds
        reason = "; ".join([self._reason, *self._notes]) + "."
        return Backend(self._engine, reason, seconds, rates, self._since, self._fallback)

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        if self.watched:
            self._flags = self._numbered(_flags(self.players))
        phase = self._phase(number)
        if self.watched and phase.plan is not None and number % _CHECKED_EVERY == 0:
            self._check_again(phase, number)
        if phase.stage != "decided":
            self._look_after(phase, number)
        engine, began = phase.engine(), time.perf_counter()
        if engine == "eager":
            rows = self.eager.advance(batches, number, limit)
        else:
            try:
                rows = self._by_graph(phase, engine, number, limit)
            except Exception as error:
                # A model may catch an error of its own, which its graph cannot; if not, Pyro fails
                # in the same way.
                engine, rows = "eager", self.eager.advance(batches, number, limit)
                self._leave(phase, number, f"Its graph failed ({type(error).__name__})")
        if self._cuda and (engine == "compiled" or phase.stage != "decided"):
            torch.cuda.synchronize(self.players.fabric.device)  # for the time that it took
        self._note(phase, engine, len(rows), number, time.perf_counter() - began)
        return rows

    def _by_graph(self, phase: Phase, engine: str, number: int, limit: int) -> Tensor:
        if engine == "captured":
            assert phase.plan is not None
            return phase.plan.round(number).unsqueeze(0)
        assert phase.compiled_step is not None
        kind = self._kind(number)
        most = limit if phase.stage == "decided" else min(limit, phase.compiled_step.count)
        return phase.compiled_step.run(number, most, lambda n: self._kind(n) == kind)

    def state_dict(self) -> dict[str, Any]:
        return self.players.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.players.load_state_dict(state)

    def close(self) -> None:
        for phase in self._phases.values():
            if phase.compilation is not None:
                phase.compilation.stop()
        for packed in self._packed or ():
            packed.unpack()
        self._packed = None

    def _kind(self, number: int) -> tuple[bool, int, int]:
        """Rounds of one kind have batches of one shape, the same players, and the same flags."""
        return self.batches.is_short(number), number % self._cycle, self._flags

    def _numbered(self, flags: tuple[Any, ...]) -> int:
        return self._seen.setdefault(flags, len(self._seen))

    def _phase(self, number: int) -> Phase:
        kind = self._kind(number)
        if kind not in self._phases:
            self._phases[kind] = Phase(self._plan_or_none(number))
        return self._phases[kind]

    def _prepare(self, first: int) -> None:
        """Compile what is at hand, or everything that will be needed where that was asked for."""
        numbers = [first]
        if self.wait:
            numbers = [*range(first, first + self._cycle)]
            epoch = self.batches.per_epoch
            last = range(first - first % epoch + epoch - 1, self.steps, epoch)
            numbers += [n for n in last[: self._cycle] if self.batches.is_short(n)]
        for number in numbers:
            phase = self._phase(number)
            if phase.stage == "new":
                self._look_after(phase, number)

    def _plan(self, number: int) -> Plan:
        return Plan(self.players, self.weights, self.batches, number, fixed=not self.watched)

    def _first_plan(self, number: int) -> Plan:
        """A plan whose weights hold what the program changes besides its modules' tensors."""
        while True:
            try:
                return self._plan(number)
            except Unknown as unknown:  # found one after the other, but all in the end
                self.weights += unknown.tensors

    def _plan_or_none(self, number: int) -> Plan | None:
        try:
            return self._plan(number)
        except Refused as refused:
            self._notes.append(f"some rounds run step by step in Pyro, because {refused}")
            self._fallback = True
            return None

    def _check_again(self, phase: Phase, number: int) -> None:
        """Callbacks may change what no flag shows: then Pyro goes on."""
        assert phase.plan is not None
        try:
            phase.plan.compare(number)
        except Refused as refused:
            self._leave(phase, number, f"The model changed between steps ({refused})")

    def _leave(self, phase: Phase, number: int, why: str) -> None:
        """From this round on Pyro carries out all rounds of the kind."""
        if phase.compilation is not None:
            phase.compilation.stop()
        phase.plan, phase.stage, phase.compilation = None, "decided", None
        self._engine, self._since, self._fallback = "eager", number, True
        self._reason = f"{why}, so Pyro runs it step by step"

    # How a kind of round comes from captured graphs to compiled code.

    def _look_after(self, phase: Phase, number: int) -> None:
        try:
            if phase.stage == "new":
                self._open(phase, number)
            elif phase.stage == "measuring" and len(phase.seconds["captured"]) >= _TRIED:
                self._weigh(phase, number)
            elif phase.stage == "compiling":
                assert phase.compilation is not None
                if phase.compilation.done():
                    self._take(phase, number)
            elif phase.stage == "trying" and all(len(t) >= _TRIED for t in phase.seconds.values()):
                self._decide(phase)
        except Refused as refused:
            phase.stage, phase.compiled = "decided", False
            which = "some rounds are " if self.batches.is_short(number) else ""
            self._notes.append(f"{which}not compiled, because {refused}")
            self._fallback = True

    def _open(self, phase: Phase, number: int) -> None:
        if phase.plan is None:
            phase.stage = "decided"
            return
        compiled_step = phase.compiled_step = self._compiled_step(phase.plan, number)
        if self._cuda:
            compiled_step.record(number)
            self._take(phase, number)
            return
        check_compiler()
        if self.thrifty and not self._pays_unrolled(compiled_step, number):
            compiled_step = phase.compiled_step = self._compiled_step(
                phase.plan, number, single=True
            )
        if not self.wait:
            phase.stage = "measuring"
            return
        if not self._artifact(compiled_step, number).exists():
            self._begin(phase, number)
            assert phase.compilation is not None
            phase.compilation.wait()
        self._take(phase, number)

    def _pays_unrolled(self, compiled_step: CompiledStep, number: int) -> bool:
        """Whether the code of several rounds a call is there, or worth the time to compile it."""
        size, left = compiled_step.plan.size(), self.steps - number
        return (
            unrolling_pays(size, compiled_step.count, left)
            or self._artifact(compiled_step, number).exists()
        )

    def _weigh(self, phase: Phase, number: int) -> None:
        """Load the code if it is there, or begin to compile, if enough training is left."""
        assert phase.compiled_step is not None
        short, _, _ = self._kind(number)
        share = (1 / self.batches.per_epoch if short else 1.0) / self._cycle
        left = phase.typical("captured") * (self.steps - number) * share
        imported = "torch._inductor.compile_fx" in sys.modules
        there = self._artifact(phase.compiled_step, number).exists()
        if there and left > (_LOADING_AGAIN if imported else _LOADING):
            self._take(phase, number)
        elif left > _COMPILING * self._break_even(phase):
            self._begin(phase, number)
        else:
            phase.stage = "decided"
            if not short:
                self._reason += f": compiling would not pay for the {left:.2g} s that are left"

    def _break_even(self, phase: Phase) -> float:
        compiled_step = phase.compiled_step
        assert compiled_step is not None
        seconds = phase.typical("captured")
        return break_even(
            compiled_step.plan.size(), compiled_step.count, compiled_step.small, seconds
        )

    def _begin(self, phase: Phase, number: int) -> None:
        compiled_step = phase.compiled_step
        assert compiled_step is not None
        path = self._artifact(compiled_step, number)
        inputs = compiled_step.inputs(number)
        phase.compilation = Compilation(compiled_step.function, inputs, path, compiled_step.small)
        phase.stage = "compiling"

    def _take(self, phase: Phase, number: int) -> None:
        """Load the code, compare it with the graphs, and try it beside them."""
        compiled_step = phase.compiled_step
        assert compiled_step is not None
        if not self._cuda and not self._load(phase, compiled_step, number):
            return
        compiled_step.verify(number, _TOLERANCE.get(compiled_step.plan.dtype, 1e-2))
        phase.compiled = True
        phase.stage = "decided" if self.wait else "trying"
        for times in phase.seconds.values():
            times.clear()

    def _load(self, phase: Phase, compiled_step: CompiledStep, number: int) -> bool:
        """Load the code; if a file of an earlier run is damaged, begin to compile it anew."""
        compiled, path = phase.compilation, self._artifact(compiled_step, number)
        seconds = compiled.seconds if compiled is not None else 0.0
        self._compile_seconds = (self._compile_seconds or 0.0) + seconds
        phase.compilation = None
        try:
            compiled_step.code = load_artifact(path)
        except Exception as error:
            path.unlink(missing_ok=True)
            if compiled is not None:
                raise Refused(f"its code cannot be loaded ({type(error).__name__})") from error
            self._begin(phase, number)
            if not self.wait:
                return False
            assert phase.compilation is not None
            phase.compilation.wait()
            return self._load(phase, compiled_step, number)
        return True

    def _decide(self, phase: Phase) -> None:
        phase.stage = "decided"
        captured, compiled = phase.typical("captured"), phase.typical("compiled")
        phase.compiled = compiled < captured
        if not phase.compiled:
            self._reason = (
                "The captured graph runs operation by operation, because that was measured "
                f"to be as fast as compiled code ({1e3 * captured:.3g} against "
                f"{1e3 * compiled:.3g} ms a step)"
            )

    def _compiled_step(self, plan: Plan, number: int, single: bool = False) -> CompiledStep:
        if self._packed is None:
            owned = [frozenset(range(len(m.parameters))) for m in self.players.optimizer_states]
            for i, graph in plan.graphs.items():
                owned[i] = frozenset(graph.moved)
            self._packed = pack(self.players.optimizer_states, self.weights, owned)
        work = plan.work()
        count = next((k for most, k in _UNROLLED if work < most), 1)
        alone = (
            single
            or self.watched
            or self._cycle > 1
            or self.batches.is_short(number)
            or plan.draws_inside()
            or not isinstance(self.batches.source, TensorSource)
            or count * plan.size() > _MOST_OPERATIONS
        )
        return CompiledStep(plan, self._packed, 1 if alone else count, small=work < _ONE_THREAD)

    def _artifact(self, compiled_step: CompiledStep, number: int) -> Path:
        return artifact_path(
            key_of(compiled_step.function, compiled_step.inputs(number), compiled_step.small)
        )

    def _note(self, phase: Phase, engine: str, rounds: int, number: int, seconds: float) -> None:
        """Keep the rates, and say which engine is at work."""
        done, spent = self._spent.get(engine, (0, 0.0))
        self._spent[engine] = done + rounds, spent + seconds
        if phase.stage != "decided" and engine in phase.seconds:
            phase.seconds[engine].append(seconds / rounds)
        if engine == "compiled" and phase.stage == "decided" and self._engine != "compiled":
            self._engine, self._since = "compiled", number
            self._reason = "Model, guide and optimiser run as one compiled function"


def _flags(players: Players) -> tuple[Any, ...]:
    """Switches and numbers that modules and the objective hold outside of tensors."""
    modules = [*players.program.modules(), *players.state.modules()]
    kept = [
        (name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, (bool, int, float, str))
    ]
    frozen = [p.requires_grad for p in players.program.parameters()]
    return *kept, *frozen, repr(players.objective)
