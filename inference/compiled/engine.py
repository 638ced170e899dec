"""The engine that trains with captured graphs, and with compiled ones as soon as they are there."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plausible.inference.batches import Batches
from plausible.inference.compiled.background import Compilation
from plausible.inference.compiled.capture import Refused, refusing
from plausible.inference.compiled.costs import break_even, unrolling_pays
from plausible.inference.compiled.inductor import (
    artifact_path,
    check_compiler,
    key_of,
    load_artifact,
)
from plausible.inference.compiled.machine import Machine
from plausible.inference.compiled.packing import Packed, pack
from plausible.inference.compiled.plans import Plan, Unknown, weights_of_run
from plausible.inference.compiled.recorded import Recorded
from plausible.inference.compiled.way import Way
from plausible.inference.engine import Backend, EagerEngine, Players
from plausible.inference.sources import TensorSource

__all__ = ["CompiledEngine"]

_TRIED = 10  # rounds of each way in the comparison of captured and compiled
# Seconds of training left from which on it pays to load code that was compiled before, and to load
# it where PyTorch's compiler is imported already; and how far above the time at which compiling
# beside the training pays must be left.
_LOADING, _LOADING_AGAIN, _COMPILING = 4.0, 0.5, 1.0
_CHECKED_EVERY = 64  # rounds, where callbacks look on
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
# Rounds a call by the work of a round, and up to which work one thread is faster than several.
_UNROLLED = ((3e5, 8), (3e6, 4))
_RECORDED = ((3e8, 8),)  # the same on a GPU, where it is Python's time that it saves
# On a GPU, whether kernels are compiled, and the seconds of training left that pay for that.
_FUSED, _FUSING = True, 60.0
_FAILED: dict[Path, str] = {}  # code that this process need not try again, and why
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
        self._cuda = _is_gpu(players.fabric.device)
        if players.fabric.device.type not in ("cpu", "cuda"):
            raise Refused(f"it was not tested on the device {players.fabric.device.type}")
        self._compile_seconds: float | None = None
        self._spent: dict[str, tuple[int, float]] = {}
        self._engine, self._since = "captured", first
        self._packed: list[Packed] | None = None
        self._pool = torch.cuda.graph_pool_handle() if self._cuda else None
        self._seen: dict[Any, int] = {}
        self._flags = self._numbered(_flags(players))
        self._ways = {self._kind(first): Way(self._first_plan(first))}
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
        way = self._way(number)
        if self.watched and way.plan is not None and number % _CHECKED_EVERY == 0:
            self._check_again(way, number)
        if way.phase != "decided":
            self._look_after(way, number)
        elif way.fused is not None:
            self._look_after_fused(way, number)
        engine, began = way.engine(), time.perf_counter()
        if engine == "eager":
            rows = self.eager.advance(batches, number, limit)
        else:
            try:
                rows = self._by_graph(way, engine, number, limit)
            except Exception as error:
                # A model may catch an error of its own, which its graph cannot; if not, Pyro fails
                # in the same way.
                engine, rows = "eager", self.eager.advance(batches, number, limit)
                self._leave(way, number, f"Its graph failed ({type(error).__name__})")
        if self._cuda and (engine == "compiled" or way.phase != "decided"):
            torch.cuda.synchronize(self.players.fabric.device)  # for the time that it took
        self._note(way, engine, len(rows), number, time.perf_counter() - began)
        return rows

    def _by_graph(self, way: Way, engine: str, number: int, limit: int) -> Tensor:
        if engine == "captured":
            assert way.plan is not None
            return way.plan.round(number).unsqueeze(0)
        assert way.machine is not None
        kind = self._kind(number)
        most = limit if way.phase == "decided" else min(limit, way.machine.longest)
        return way.machine.run(number, most, lambda n: self._kind(n) == kind)

    def state_dict(self) -> dict[str, Any]:
        return self.players.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.players.load_state_dict(state)

    def close(self) -> None:
        for way in self._ways.values():
            if way.compilation is not None:
                way.compilation.stop()
        for packed in self._packed or ():
            packed.unpack()
        self._packed = None

    def _kind(self, number: int) -> tuple[bool, int, int]:
        """Rounds of one kind have batches of one shape, the same players, and the same flags."""
        return self.batches.is_short(number), number % self._cycle, self._flags

    def _numbered(self, flags: tuple[Any, ...]) -> int:
        return self._seen.setdefault(flags, len(self._seen))

    def _way(self, number: int) -> Way:
        kind = self._kind(number)
        if kind not in self._ways:
            self._ways[kind] = Way(self._plan_or_none(number))
        return self._ways[kind]

    def _prepare(self, first: int) -> None:
        """Compile what is at hand, or everything that will be needed where that was asked for."""
        numbers = [first]
        if self.wait:
            numbers = [*range(first, first + self._cycle)]
            epoch = self.batches.per_epoch
            last = range(first - first % epoch + epoch - 1, self.steps, epoch)
            numbers += [n for n in last[: self._cycle] if self.batches.is_short(n)]
        for number in numbers:
            way = self._way(number)
            if way.phase == "new":
                self._look_after(way, number)

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

    def _check_again(self, way: Way, number: int) -> None:
        """Callbacks may change what no flag shows: then Pyro goes on."""
        assert way.plan is not None
        try:
            way.plan.compare(number)
        except Refused as refused:
            self._leave(way, number, f"The model changed between steps ({refused})")

    def _leave(self, way: Way, number: int, why: str) -> None:
        """From this round on Pyro carries out all rounds of the kind."""
        if way.compilation is not None:
            way.compilation.stop()
        way.plan, way.phase, way.compilation, way.fused = None, "decided", None, None
        self._engine, self._since, self._fallback = "eager", number, True
        self._reason = f"{why}, so Pyro runs it step by step"

    # How a kind of round comes from captured graphs to compiled code.

    def _look_after(self, way: Way, number: int) -> None:
        try:
            if way.phase == "new":
                self._open(way, number)
            elif way.phase == "measuring" and len(way.seconds["captured"]) >= _TRIED:
                self._weigh(way, number)
            elif way.phase == "compiling":
                assert way.compilation is not None
                if way.compilation.done():
                    self._take(way, number)
            elif way.phase == "trying" and all(len(t) >= _TRIED for t in way.seconds.values()):
                self._decide(way)
        except Refused as refused:
            way.phase, way.compiled = "decided", False
            which = "some rounds are " if self.batches.is_short(number) else ""
            self._notes.append(f"{which}not compiled, because {refused}")
            self._fallback = True

    def _open(self, way: Way, number: int) -> None:
        if way.plan is None:
            way.phase = "decided"
            return
        machine = way.machine = self._machine(way.plan, number)
        if isinstance(machine, Recorded):
            machine.record(number)
            self._take(way, number)
            self._fuse(way, machine, number)
            return
        check_compiler()
        if self.thrifty and not self._pays_unrolled(machine, number):
            machine = way.machine = self._machine(way.plan, number, single=True)
        if not self.wait:
            way.phase = "measuring"
            return
        if not self._artifact(machine, number).exists():
            self._begin(way, number)
            assert way.compilation is not None
            way.compilation.wait()
        self._take(way, number)

    def _pays_unrolled(self, machine: Machine, number: int) -> bool:
        """Whether the code of several rounds a call is there, or worth the time to compile it."""
        size, left = machine.plan.size(), self.steps - number
        return unrolling_pays(size, machine.count, left) or self._artifact(machine, number).exists()

    def _weigh(self, way: Way, number: int) -> None:
        """Load the code if it is there, or begin to compile, if enough training is left."""
        assert way.machine is not None
        short, _, _ = self._kind(number)
        share = (1 / self.batches.per_epoch if short else 1.0) / self._cycle
        left = way.typical("captured") * (self.steps - number) * share
        imported = "torch._inductor.compile_fx" in sys.modules
        there = self._artifact(way.machine, number).exists()
        if there and left > (_LOADING_AGAIN if imported else _LOADING):
            self._take(way, number)
        elif left > _COMPILING * self._break_even(way):
            self._begin(way, number)
        else:
            way.phase = "decided"
            if not short:
                self._reason += f": compiling would not pay for the {left:.2g} s that are left"

    def _break_even(self, way: Way) -> float:
        machine = way.machine
        assert machine is not None
        seconds = way.typical("captured")
        return break_even(machine.plan.size(), machine.count, machine.small, seconds)

    def _begin(self, way: Way, number: int) -> None:
        machine = way.machine
        assert machine is not None
        path = self._artifact(machine, number)
        inputs = machine.inputs(number)
        way.compilation = Compilation(machine.function, inputs, path, machine.small)
        way.phase = "compiling"

    def _take(self, way: Way, number: int) -> None:
        """Load the code, compare it with the graphs, and try it beside them."""
        machine = way.machine
        assert machine is not None
        if not self._cuda and not self._load(way, machine, number):
            return
        machine.verify(number, _TOLERANCE.get(machine.plan.dtype, 1e-2))
        way.compiled = True
        way.phase = "decided" if self.wait or self._cuda else "trying"
        for times in way.seconds.values():
            times.clear()

    def _load(self, way: Way, machine: Machine, number: int) -> bool:
        """Load the code; if a file of an earlier run is damaged, begin to compile it anew."""
        compiled, path = way.compilation, self._artifact(machine, number)
        seconds = compiled.seconds if compiled is not None else 0.0
        self._compile_seconds = (self._compile_seconds or 0.0) + seconds
        way.compilation = None
        try:
            machine.code = load_artifact(path)
        except Exception as error:
            path.unlink(missing_ok=True)
            if compiled is not None:
                raise Refused(f"its code cannot be loaded ({type(error).__name__})") from error
            self._begin(way, number)
            if not self.wait:
                return False
            assert way.compilation is not None
            way.compilation.wait()
            return self._load(way, machine, number)
        return True

    def _fuse(self, way: Way, recorded: Recorded, number: int) -> None:
        """Have the compiler make the recording's kernels, where enough training is left."""
        if not _FUSED or way.plan is None or self.batches.is_short(number):
            return
        left = math.inf
        if not self.wait:
            left = recorded.timed(number) * (self.steps - number) / self._cycle
        fused = self._machine(way.plan, number, fused=True)
        path = self._artifact(fused, number)
        if left < (_LOADING if path.exists() else _FUSING):
            return
        assert isinstance(fused, Recorded)
        way.fused = fused
        try:
            if path in _FAILED:
                raise Refused(_FAILED[path])
            if not path.exists():
                way.compilation = Compilation(fused.function, fused.inputs(number), path, False)
                if self.wait:
                    way.compilation.wait()
        except Refused as refused:
            self._not_fused(way, refused, number)
        else:
            if self.wait or way.compilation is None:
                self._look_after_fused(way, number)

    def _look_after_fused(self, way: Way, number: int) -> None:
        """Once there are compiled kernels, record and compare them, and take them if faster."""
        fused, compilation = way.fused, way.compilation
        assert fused is not None and isinstance(way.machine, Recorded)
        try:
            if compilation is not None and not compilation.done():
                return
            seconds = compilation.seconds if compilation is not None else 0.0
            self._compile_seconds = (self._compile_seconds or 0.0) + seconds
            with refusing("its code cannot be loaded"):
                fused.code = load_artifact(self._artifact(fused, number))
            fused.record(number)
            fused.verify(number, _TOLERANCE.get(fused.plan.dtype, 1e-2))
            if self.wait or fused.timed(number) < way.machine.timed(number):
                way.machine, self._reason = fused, fused.description
            way.fused = way.compilation = None
        except Refused as refused:
            self._not_fused(way, refused, number)

    def _not_fused(self, way: Way, refused: Refused, number: int) -> None:
        assert way.fused is not None
        _FAILED[self._artifact(way.fused, number)] = str(refused)
        self._notes.append(f"the kernels are PyTorch's own, because {refused}")
        way.fused = way.compilation = None

    def _decide(self, way: Way) -> None:
        way.phase = "decided"
        captured, compiled = way.typical("captured"), way.typical("compiled")
        way.compiled = compiled < captured
        if not way.compiled:
            self._reason = (
                "The captured graph runs operation by operation, because that was measured "
                f"to be as fast as compiled code ({1e3 * captured:.3g} against "
                f"{1e3 * compiled:.3g} ms a step)"
            )

    def _machine(
        self, plan: Plan, number: int, single: bool = False, fused: bool = False
    ) -> Machine:
        if self._packed is None:
            owned = [frozenset(range(len(m.parameters))) for m in self.players.movers]
            for i, graph in plan.graphs.items():
                owned[i] = frozenset(graph.moved)
            self._packed = pack(self.players.movers, self.weights, owned)
        work = plan.work()
        unrolled = _RECORDED if self._cuda else _UNROLLED
        count = next((k for most, k in unrolled if work < most), 1)
        alone = (
            single
            or self.watched
            or self._cycle > 1
            or self.batches.is_short(number)
            or (plan.draws_inside() and not self._cuda)
            or not isinstance(self.batches.source, TensorSource)
            or count * plan.size() > _MOST_OPERATIONS
        )
        if self._cuda:
            return Recorded(plan, self._packed, 1 if alone else count, fused, self._pool)
        return Machine(plan, self._packed, 1 if alone else count, small=work < _ONE_THREAD)

    def _artifact(self, machine: Machine, number: int) -> Path:
        return artifact_path(key_of(machine.function, machine.inputs(number), machine.small))

    def _note(self, way: Way, engine: str, rounds: int, number: int, seconds: float) -> None:
        """Keep the rates, and say which engine is at work."""
        done, spent = self._spent.get(engine, (0, 0.0))
        self._spent[engine] = done + rounds, spent + seconds
        if way.phase != "decided" and engine in way.seconds:
            way.seconds[engine].append(seconds / rounds)
        if engine == "compiled" and way.phase == "decided" and self._engine != "compiled":
            assert way.machine is not None
            self._engine, self._since = "compiled", number
            self._reason = way.machine.description


def _is_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


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
