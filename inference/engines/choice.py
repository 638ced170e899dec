"""Which engine a run gets."""

from collections.abc import Sequence
from typing import Any, Literal

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.compiled import CompiledEngine
from plausible.inference.engines.eager import EagerEngine
from plausible.inference.engines.engine import Engine
from plausible.inference.engines.players import Players
from plausible.inference.graphs.capture import Refused

__all__ = ["engine_for"]

# A capture takes as long as some 150 rounds take less by it, whatever the model: both grow with the
# number of operations. The number is fixed so that the same run takes the same way every time.
_CAPTURE_PAYS = 500


def engine_for(
    players: Players,
    batches: Batches,
    steps: int,
    first: int,
    compile: Literal["auto"] | bool,
    before: str | None,
    callbacks: Sequence[Any],
) -> Engine:
    """The engine for a run.

    Args:
        players: of the objective.
        batches: the data.
        steps: rounds of the whole run.
        first: number of the first round.
        compile: as `fit` was asked.
        before: the engine at the end of the run that is resumed; None for a new one.
        callbacks: who looks on between rounds.
    """
    if compile is False:
        return EagerEngine(players, "compile=False asked for it.")
    auto = compile == "auto"
    if auto and before in (None, "eager") and steps - first < _CAPTURE_PAYS:
        return EagerEngine(players, f"Fewer than {_CAPTURE_PAYS} steps do not pay for a capture.")
    try:
        wait = not auto or before == "compiled"
        watched = bool(callbacks)
        return CompiledEngine(players, batches, steps, first, wait, thrifty=auto, watched=watched)
    except Refused as refused:
        reason = f"Model and guide run step by step in Pyro, which is slower, because {refused}."
        return EagerEngine(players, reason, fallback=True)
