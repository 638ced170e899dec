"""How rounds of one kind go from captured graphs to compiled code."""

import statistics
from dataclasses import dataclass, field

from plausible.inference.engines.compiled_step import CompiledStep
from plausible.inference.engines.plans import Plan
from plausible.inference.graphs.background import Compilation

__all__ = ["Phase"]


@dataclass
class Phase:
    """How rounds of one kind are carried out: by Pyro, by captured graphs, or by compiled code.

    Its stages: "new", "measuring" the captured graphs, "compiling" beside them, "trying" both in
    turns, "decided".

    Attributes:
        plan: the captured graphs; None where Pyro carries out the rounds.
        stage: one of those.
        compiled: whether compiled code is there and not found to be slower.
        compiled_step: what calls the code.
        compilation: what is being compiled.
        seconds: what single rounds took, by engine, while that is measured.
    """

    plan: Plan | None
    stage: str = "new"
    compiled: bool = False
    compiled_step: CompiledStep | None = None
    compilation: Compilation | None = None
    seconds: dict[str, list[float]] = field(
        default_factory=lambda: {"captured": [], "compiled": []}
    )

    def engine(self) -> str:
        """The engine of the next round."""
        if self.plan is None:
            return "eager"
        if self.stage == "trying":
            captured, compiled = (len(times) for times in self.seconds.values())
            return "compiled" if compiled < captured else "captured"
        return "compiled" if self.compiled else "captured"

    def typical(self, engine: str) -> float:
        """Median of the seconds a round."""
        return statistics.median(self.seconds[engine])
