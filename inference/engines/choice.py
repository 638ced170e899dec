"""Which engine a run gets."""

from typing import Literal

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
    rounds: range,
    compile: Literal["auto"] | bool,
    before: str | None,
    watched: bool,
) -> Engine:
    """The engine for a run.

    Args:
        players: of the objective.
        batches: the data.
        rounds: those to do; they end with the last one of the whole run.
        compile: as `fit` was asked.
        before: the engine at the end of the run that is resumed; None for a new one.
        watched: whether callbacks look on between rounds.
    """
    if compile is False:
        return EagerEngine(players, "compile=False asked for it.")
    auto = compile == "auto"
    if auto and before in (None, "eager") and len(rounds) < _CAPTURE_PAYS:
        return EagerEngine(players, f"Fewer than {_CAPTURE_PAYS} steps do not pay for a capture.")
    try:
        wait = not auto or before == "compiled"
        return CompiledEngine(
            players, batches, rounds.stop, rounds.start, wait, thrifty=auto, watched=watched
        )
    except Refused as refused:
        reason = f"Model and guide run step by step in Pyro, which is slower, because {refused}."
        return EagerEngine(players, reason, fallback=True)
