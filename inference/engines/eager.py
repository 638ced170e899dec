"""The engine that runs Pyro as it is: the reference for all others."""

from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.engine import Backend
from plausible.inference.engines.players import Players

__all__ = ["EagerEngine"]


class EagerEngine:
    """Every player's loss, gradient and optimiser step, as Pyro and PyTorch run them.

    A player's gradient is taken with respect to its own parameters only, so all others are frozen
    in its turn. A step whose loss is not finite moves nothing, so that the weights before it can
    still be examined and saved. Nothing waits for the device.
    """

    def __init__(
        self, players: Players, reason: str = "compile=False asked for it.", fallback: bool = False
    ) -> None:
        self.players = players
        self.backend = Backend("eager", reason, fallback=fallback)

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        players, batch = self.players, batches.at(number)
        for i in players.turns(number):
            loss, gradients = players.loss_and_gradients(i, batch)
            players.optimizer_states[i].move(gradients, loss.isfinite())
            players.latest[i] = loss
        players.after_step()
        return players.latest.clone().unsqueeze(0)

    def close(self) -> None:
        """This engine holds nothing that has to be released."""
