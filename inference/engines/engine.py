"""What carries out the rounds of an objective, and how it says which engine it is."""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from plausible.inference.engines.batches import Batches

__all__ = ["Backend", "Engine", "Report"]


@dataclass(frozen=True)
class Backend:
    """Which engine trained, and why.

    Attributes:
        engine: "eager" (Pyro as it is), "captured" (one tensor graph, operation by operation) or
            "compiled" (the graph as machine code); the last where they took turns.
        reason: one sentence.
        compile_seconds: time that compiling took, while training went on; None where nothing was
            compiled.
        steps_per_second: rate of every engine that trained, by name.
        since: number of the first step of the last engine.
        fallback: whether a faster engine was wanted and could not be had.
    """

    engine: str
    reason: str
    compile_seconds: float | None = None
    steps_per_second: dict[str, float] = field(default_factory=dict)
    since: int = 0
    fallback: bool = False


@dataclass
class Report:
    """What is noted while engines train, and becomes a `Backend`.

    Attributes:
        engine: the last one that took over.
        reason: why, without a stop.
        since: number of its first step.
        notes: what else there is to say, without stops.
        fallback: whether a faster engine was wanted and could not be had.
        compile_seconds: time that compiling took.
        spent: rounds and seconds of every engine.
    """

    engine: str
    reason: str
    since: int
    notes: list[str] = field(default_factory=list)
    fallback: bool = False
    compile_seconds: float | None = None
    spent: dict[str, tuple[int, float]] = field(default_factory=dict)

    def count(self, engine: str, rounds: int, seconds: float) -> None:
        """Add the time that some rounds took."""
        done, spent = self.spent.get(engine, (0, 0.0))
        self.spent[engine] = done + rounds, spent + seconds

    def take_over(self, engine: str, number: int, reason: str) -> None:
        """This engine trains from this step on."""
        self.engine, self.since, self.reason = engine, number, reason

    def fall_back(self, note: str) -> None:
        """Some rounds run slower than they might, because of this."""
        self.fallback = True
        self.note(note)

    def note(self, note: str) -> None:
        """Say this too, once."""
        if note not in self.notes:
            self.notes.append(note)

    def backend(self) -> Backend:
        rates = {name: n / t for name, (n, t) in self.spent.items() if t > 0}
        reason = "; ".join([self.reason, *self.notes]) + "."
        return Backend(self.engine, reason, self.compile_seconds, rates, self.since, self.fallback)


class Engine(Protocol):
    """Carries out rounds; the training loop knows nothing else of it."""

    @property
    def backend(self) -> Backend: ...

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        """Rounds of all players from this one on, at least one and at most `limit`.

        Returns:
            The players' losses, shape (rounds done, players).
        """
        ...

    def close(self) -> None:
        """End compilations, and give parameters memory of their own."""
        ...
