"""What carries out the rounds of an objective, and how it says which engine it is."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from plausible.inference.engines.batches import Batches

__all__ = ["Backend", "Engine"]


@dataclass(frozen=True)
class Backend:
    """Which engine trained, and why.

    Attributes:
        engine: "eager" (Pyro as it is), "captured" (one tensor graph, operation by operation) or
            "compiled" (the graph as machine code); the last where they took turns.
        reason: one sentence.
        compile_seconds: time that compiling took, beside the training; None where nothing was
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


class Engine(Protocol):
    """Carries out rounds; the training loop knows nothing else of it."""

    names: tuple[str, ...]

    @property
    def backend(self) -> Backend: ...

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        """Rounds of all players from this one on, at least one and at most `limit`.

        Returns:
            The players' losses, shape (rounds done, players).
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """The optimisers' state and every player's latest loss."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def close(self) -> None:
        """End what goes on beside the training, and give parameters memory of their own."""
        ...
