"""How rounds of one kind go from captured graphs to compiled code."""

import statistics
from dataclasses import dataclass, field

from plausible.inference.compiled.background import Compilation
from plausible.inference.compiled.machine import Machine
from plausible.inference.compiled.plans import Plan
from plausible.inference.compiled.recorded import Recorded

__all__ = ["Way"]


@dataclass
class Way:
    """How rounds of one kind are carried out: by Pyro, by captured graphs, or by compiled code.

    Its phases: "new", "measuring" the captured graphs, "compiling" beside them, "trying" both in
    turns, "decided".

    Attributes:
        plan: the captured graphs; None where Pyro carries out the rounds.
        phase: one of those.
        compiled: whether compiled code is there and not found to be slower.
        machine: what calls the code.
        fused: on a GPU, the machine whose code is being compiled while the other one runs.
        compilation: what is being compiled.
        seconds: what single rounds took, by engine, while that is measured.
    """

    plan: Plan | None
    phase: str = "new"
    compiled: bool = False
    machine: Machine | None = None
    fused: Recorded | None = None
    compilation: Compilation | None = None
    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {"captured": [], "compiled": []}
    )

    def engine(self) -> str:
        """The engine of the next round."""
        if self.plan is None:
            return "eager"
        if self.phase == "trying":
            captured, compiled = (len(times) for times in self.seconds.values())
            return "compiled" if compiled < captured else "captured"
        return "compiled" if self.compiled else "captured"

    def typical(self, engine: str) -> float:
        """Median of the seconds a round."""
        return statistics.median(self.seconds[engine])
