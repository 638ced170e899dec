"""How rounds of one kind go from captured graphs to compiled code."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.compiled_step import CompiledStep
from plausible.inference.engines.costs import break_even, unrolling_pays
from plausible.inference.engines.engine import Report
from plausible.inference.engines.packing import Packed, Packing
from plausible.inference.engines.plans import Plan
from plausible.inference.engines.sources import TensorSource
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.cuda import Pool
from plausible.inference.graphs.machine_code import MachineCode

__all__ = ["LOADING", "TRIED", "Phase", "Terms"]

TRIED = 10  # rounds of each engine in the comparison of captured and compiled
# Seconds of training left from which on it pays to load code that was compiled before, and to load
# it where PyTorch's compiler is imported already; and how far above the time at which compiling
# while captured graphs train pays must be left.
LOADING, _LOADING_AGAIN, _COMPILING = 4.0, 0.5, 1.0
# Rounds a call by the work of a round, and up to which work one thread is faster than several.
_UNROLLED = ((3e5, 8), (3e6, 4))
_MOST_OPERATIONS, _ONE_THREAD = 8000, 1e7


@dataclass(frozen=True)
class Terms:
    """What all kinds of rounds of a run have in common.

    Attributes:
        batches: the data.
        steps: rounds of the whole run.
        cycle: rounds after which the players' turns repeat.
        wait: whether to wait for the compiled code before the first round, and use it in any case.
        thrifty: whether a call does several rounds only where the run is long enough for the time
            that this takes to compile, or the code is there.
        watched: whether callbacks look on: they may change the model between rounds.
        packing: the players' parameters.
        report: where it is said what was done, and why.
        pool: on a CUDA device, the memory that recordings share.
    """

    batches: Batches
    steps: int
    cycle: int
    wait: bool
    thrifty: bool
    watched: bool
    packing: Packing
    report: Report
    pool: Pool | None


class Phase:
    """How rounds of one kind are carried out: by Pyro, by captured graphs, or by compiled code.

    Its stages: "new", "measuring" the captured graphs, "compiling" while they train, "trying" both
    in turns, "decided".

    Args:
        plan: the captured graphs; None where Pyro carries out the rounds.
        short: whether the rounds are those of the last, shorter batch of an epoch.
        terms: of the run.

    Attributes:
        stage: one of those.
        compiled: whether compiled code is there and was not measured to be slower.
        step: what calls the code.
        seconds: what single rounds took, by engine, while that is measured.
    """

    def __init__(self, plan: Plan | None, short: bool, terms: Terms) -> None:
        self.plan, self.short, self.terms = plan, short, terms
        self.stage = "new" if plan is not None else "decided"
        self.compiled = False
        self.step: CompiledStep | None = None
        self.seconds: dict[str, list[float]] = {"captured": [], "compiled": []}
        self._code: MachineCode | None = None

    def engine(self) -> str:
        """The engine of the next round."""
        if self.plan is None:
            return "eager"
        if self.stage == "trying":
            captured, compiled = (len(times) for times in self.seconds.values())
            return "compiled" if compiled < captured else "captured"
        return "compiled" if self.compiled else "captured"

    def pending(self) -> bool:
        """Whether something is still to be done before it is decided who carries out the rounds."""
        return self.stage != "decided"

    def go_on(self, number: int) -> None:
        """Do what it is time for before this round; on a failure the captured graphs stay."""
        try:
            if self.stage == "new":
                self._open(number)
            elif self.stage == "measuring" and len(self.seconds["captured"]) >= TRIED:
                self._weigh(number)
            elif self.stage == "compiling" and self._code is not None and self._code.done():
                self._take(number)
            elif self.stage == "trying" and all(len(t) >= TRIED for t in self.seconds.values()):
                self._decide()
        except Refused as refused:
            self.stage, self.compiled = "decided", False
            which = "some rounds are " if self.short else ""
            self.terms.report.fall_back(f"{which}not compiled, because {refused}")

    def leave(self) -> None:
        """From now on Pyro carries out the rounds."""
        self.stop()
        self.plan, self.stage = None, "decided"

    def stop(self) -> None:
        """End the compilation, if one is under way."""
        if self._code is not None:
            self._code.stop()
            self._code = None

    def _open(self, number: int) -> None:
        assert self.plan is not None
        step = self.step = self._compiled_step(self.plan)
        code = self._code = step.machine_code(number)
        if self.terms.thrifty and not (code.kept() or self._pays_unrolled(step, number)):
            step = self.step = self._compiled_step(self.plan, single=True)
            code = self._code = step.machine_code(number)
        if self.terms.wait:
            step.code = code.obtain()
            self._use(step, number)
        else:
            self.stage = "measuring"

    def _compiled_step(self, plan: Plan, single: bool = False) -> CompiledStep:
        alone = single or self._alone() or plan.draws_inside()
        count = 1 if alone else self._rounds_a_call(plan, _UNROLLED)
        return CompiledStep(plan, self._packed(plan), count, small=plan.work() < _ONE_THREAD)

    def _packed(self, plan: Plan) -> list[Packed]:
        return self.terms.packing.of({i: graph.moved for i, graph in plan.graphs.items()})

    def _alone(self) -> bool:
        """Whether rounds of this kind have to be called one by one."""
        terms = self.terms
        in_memory = isinstance(terms.batches.source, TensorSource)
        return terms.watched or terms.cycle > 1 or self.short or not in_memory

    def _rounds_a_call(self, plan: Plan, rounds: Sequence[tuple[float, int]]) -> int:
        """Rounds a call by the work of a round, unless their graph is too large."""
        work = plan.work()
        count = next((k for most, k in rounds if work < most), 1)
        return 1 if count * plan.size() > _MOST_OPERATIONS else count

    def _pays_unrolled(self, step: CompiledStep, number: int) -> bool:
        return unrolling_pays(step.plan.size(), step.count, self.terms.steps - number)

    def _weigh(self, number: int) -> None:
        """Load the code if it is there, or begin to compile, if enough training is left."""
        step, code = self.step, self._code
        assert step is not None and code is not None
        share = self._share() * (1 / self.terms.batches.per_epoch if self.short else 1.0)
        typical = statistics.median(self.seconds["captured"])
        left = typical * (self.terms.steps - number) * share
        imported = "torch._inductor.compile_fx" in sys.modules
        pays = break_even(step.plan.size(), step.count, step.small, typical)
        if code.kept() and left > (_LOADING_AGAIN if imported else LOADING):
            self._take(number)
        elif left > _COMPILING * pays:
            code.begin()
            self.stage = "compiling"
        else:
            self.stage = "decided"
            if not self.short:
                why = f": compiling would not pay for the {left:.2g} s that are left"
                self.terms.report.reason += why

    def _share(self) -> float:
        """The share of a cycle's rounds in which the same players act."""
        assert self.plan is not None
        turns = self.plan.players.turns
        rounds = range(self.terms.cycle)
        return sum(turns(number) == self.plan.turns for number in rounds) / len(rounds)

    def _take(self, number: int) -> None:
        """Load the code; where a file of an earlier run is damaged, it is compiled anew."""
        step, code = self.step, self._code
        assert step is not None and code is not None
        loaded = code.load()
        if loaded is None:
            self.stage = "compiling"
            return
        step.code = loaded
        self._use(step, number)

    def _use(self, step: CompiledStep, number: int) -> None:
        """Compare the code with the graphs, and try both in turns."""
        report = self.terms.report
        if self._code is not None:
            report.compile_seconds = (report.compile_seconds or 0.0) + self._code.seconds
            self._code = None
        step.verify(number)
        self.compiled = True
        self.stage = "decided" if self.terms.wait else "trying"
        for times in self.seconds.values():
            times.clear()

    def _decide(self) -> None:
        self.stage = "decided"
        captured, compiled = (statistics.median(times) for times in self.seconds.values())
        self.compiled = compiled < captured
        if not self.compiled:
            self.terms.report.reason = (
                "The captured graph runs operation by operation, because that was measured "
                f"to be as fast as compiled code ({1e3 * captured:.3g} against "
                f"{1e3 * compiled:.3g} ms a step)"
            )
