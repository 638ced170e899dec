"""The engine that trains with captured graphs, and with compiled code once there is some."""

import time

import torch
from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.eager import EagerEngine
from plausible.inference.engines.engine import Backend, Report
from plausible.inference.engines.packing import Packing
from plausible.inference.engines.phases import Phase, Terms
from plausible.inference.engines.plans import Plan, weights_of_run
from plausible.inference.engines.players import Players, named_parameters
from plausible.inference.engines.recorded import RecordedPhase
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.graph import Unknown
from plausible.inference.isolation import random_state_kept

__all__ = ["CompiledEngine"]

_CHECKED_EVERY = 64  # rounds, where callbacks look on


class CompiledEngine:
    """Rounds as flat tensor graphs, compiled while they train; see docs/engine.md.

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
        self.players, self.batches = players, batches
        self.eager = EagerEngine(players)
        self.weights = weights_of_run(players)
        self._cuda = _is_gpu(players.fabric.device)
        if players.fabric.device.type not in ("cpu", "cuda"):
            raise Refused(f"it was not tested on the device {players.fabric.device.type}")
        self._report = Report("captured", "The captured graph runs operation by operation", first)
        self._packing = Packing(players, self.weights)
        pool = torch.cuda.graph_pool_handle() if self._cuda else None
        self._terms = Terms(
            batches, steps, players.cycle, wait, thrifty, watched, self._packing, self._report, pool
        )
        self._seen: dict[tuple[object, ...], int] = {}
        self._flags = self._numbered(_flags(players))
        self._phases: dict[object, Phase] = {}
        try:
            with random_state_kept(players.fabric.device):  # a source may draw at random
                self._phases[self._kind(first)] = self._first_phase(first)
                self._prepare(first)
        except BaseException:
            self.close()
            raise

    @property
    def backend(self) -> Backend:
        return self._report.backend()

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        if self._terms.watched:
            self._flags = self._numbered(_flags(self.players))
        phase = self._gone_on(number)
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

    def _gone_on(self, number: int) -> Phase:
        """The phase of this round, after what it is time for before it.

        Graphs and code are compared on batches, which a source may draw at random.
        """
        phase = self._phases.get(self._kind(number))
        checked = self._terms.watched and number % _CHECKED_EVERY == 0
        if phase is not None and not (phase.pending() or checked):
            return phase
        with random_state_kept(self.players.fabric.device):
            phase = self._phase(number)
            if checked and phase.plan is not None:
                self._check_again(phase, phase.plan, number)
            if phase.pending():
                phase.go_on(number)
        return phase

    def _by_graph(self, phase: Phase, engine: str, number: int, limit: int) -> Tensor:
        if engine == "captured":
            assert phase.plan is not None
            return phase.plan.round(number).unsqueeze(0)
        assert phase.step is not None
        kind = self._kind(number)
        most = limit if phase.stage == "decided" else min(limit, phase.step.longest)
        return phase.step.run(number, most, lambda n: self._kind(n) == kind)

    def close(self) -> None:
        for phase in self._phases.values():
            phase.stop()
        self._packing.unpack()

    def _kind(self, number: int) -> tuple[bool, tuple[int, ...], int]:
        """Rounds of one kind have batches of one shape, the same turns, and the same flags."""
        return self.batches.is_short(number), self.players.turns(number), self._flags

    def _numbered(self, flags: tuple[object, ...]) -> int:
        return self._seen.setdefault(flags, len(self._seen))

    def _phase(self, number: int) -> Phase:
        kind = self._kind(number)
        if kind not in self._phases:
            self._phases[kind] = self._new_phase(self._plan_or_none(number), number)
        return self._phases[kind]

    def _prepare(self, first: int) -> None:
        """Compile what is at hand, or everything that will be needed where that was asked for."""
        numbers, cycle = [first], self._terms.cycle
        if self._terms.wait:
            numbers = [*range(first, first + cycle)]
            epoch = self.batches.per_epoch
            last = range(first - first % epoch + epoch - 1, self._terms.steps, epoch)
            numbers += [n for n in last[:cycle] if self.batches.is_short(n)]
        for number in numbers:
            phase = self._phase(number)
            if phase.stage == "new":
                phase.go_on(number)

    def _new_phase(self, plan: Plan | None, number: int) -> Phase:
        kind = RecordedPhase if self._cuda else Phase
        return kind(plan, self.batches.is_short(number), self._terms)

    def _plan(self, number: int) -> Plan:
        steady = not self._terms.watched
        return Plan(self.players, self.weights, self.batches, number, fixed=steady)

    def _first_phase(self, number: int) -> Phase:
        """A phase whose weights hold what the program changes besides its modules' tensors."""
        while True:
            try:
                return self._new_phase(self._plan(number), number)
            except Unknown as unknown:  # one is seen after the other, but all in the end
                self.weights += unknown.tensors

    def _plan_or_none(self, number: int) -> Plan | None:
        try:
            return self._plan(number)
        except Refused as refused:
            self._report.fall_back(f"some rounds run step by step in Pyro, because {refused}")
            return None

    def _check_again(self, phase: Phase, plan: Plan, number: int) -> None:
        """Callbacks may change what no flag shows: then Pyro goes on."""
        try:
            plan.compare(number)
        except Refused as refused:
            self._leave(phase, number, f"The model changed between steps ({refused})")

    def _leave(self, phase: Phase, number: int, why: str) -> None:
        """From this round on Pyro carries out all rounds of the kind."""
        phase.leave()
        self._report.take_over("eager", number, f"{why}, so Pyro runs it step by step")
        self._report.fallback = True

    def _note(self, phase: Phase, engine: str, rounds: int, number: int, seconds: float) -> None:
        """Keep the rates, and say which engine is at work."""
        self._report.count(engine, rounds, seconds)
        if phase.stage != "decided" and engine in phase.seconds:
            phase.seconds[engine].append(seconds / rounds)
        takes_over = engine == "compiled" != self._report.engine
        if takes_over and phase.stage == "decided":
            assert phase.step is not None
            self._report.take_over("compiled", number, phase.step.description)


def _is_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def _flags(players: Players) -> tuple[object, ...]:
    """Switches and numbers that modules and the objective hold outside of tensors."""
    modules = [*players.program.modules(), *players.state.modules()]
    kept = [
        (name, value)
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, (bool, int, float, str))
    ]
    frozen = [p.requires_grad for _, p in named_parameters(players.program, players.state)]
    return *kept, *frozen, repr(players.objective)
