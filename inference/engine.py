"""Engines: what carries out the rounds of an objective. The eager engine is the reference."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from plausible.inference.batches import Batches
from plausible.inference.isolation import on_device
from plausible.inference.movers import Mover
from plausible.models.errors import ModelError
from plausible.models.objectives import Objective
from plausible.models.plates import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Backend", "EagerEngine", "Engine", "Players"]


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


class Players:
    """The players of an objective with their parameters and optimisers, for any engine.

    Raises:
        ModelError: if two players share a name, or one has no parameter to move.
    """

    def __init__(
        self, program: Any, objective: Objective, state: nn.Module, fabric: "Fabric"
    ) -> None:
        self.program, self.objective, self.state, self.fabric = program, objective, state, fabric
        self.players = objective.players()
        self.names = tuple(player.name for player in self.players)
        if len(set(self.names)) < len(self.names) or not self.names:
            raise ModelError(f"An objective needs players of different names; has {self.names}.")
        self.movers: list[Mover] = []
        for player in self.players:
            own = [p for p in player.parameters(program) if p.requires_grad]
            if not own:
                raise ModelError(
                    f"There is nothing to train for the objective's {player.name}: model and guide "
                    "have no parameter that requires a gradient."
                )
            self.movers.append(Mover(player.optimizer, own))
        self.latest = torch.zeros(len(self.players), device=fabric.device)

    def turns(self, number: int) -> tuple[int, ...]:
        """The players that act in this round, in order, once for every step."""
        return tuple(
            i
            for i, player in enumerate(self.players)
            if number % player.every == 0
            for _ in range(player.steps)
        )

    def loss_and_gradients(self, i: int, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
        """A player's loss and its gradient with respect to the player's parameters.

        Raises:
            ModelError: unless the loss is a scalar tensor that depends on them.
        """
        with on_device(self.fabric.device), self.fabric.autocast():
            loss = self.players[i].loss(self.program, batch, self.state)
        name = self.names[i]
        if not isinstance(loss, Tensor) or loss.dim():
            given = f"a {type(loss).__name__}"
            if isinstance(loss, Tensor):
                given = f"of shape {tuple(loss.shape)}"
            raise ModelError(f"The {name} must be a scalar tensor, but is {given}.")
        if not loss.requires_grad:
            raise ModelError(f"The {name} does not depend on any parameter that it may move.")
        own = self.movers[i].parameters
        return loss.detach(), list(torch.autograd.grad(loss, own, allow_unused=True))

    def after_step(self) -> None:
        """What the objective does after a round."""
        with on_device(self.fabric.device):
            self.objective.after_step(self.program, self.state)

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimizers": [mover.state_dict() for mover in self.movers],
            "latest": self.latest.cpu().clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for mover, saved in zip(self.movers, state["optimizers"], strict=True):
            mover.load_state_dict(saved)
        self.latest.copy_(state["latest"])


class EagerEngine:
    """Every player's loss, gradient and optimiser step, as Pyro and PyTorch run them.

    A player's gradient is taken with respect to its own parameters only, so all others are frozen
    in its turn. A step whose loss is not finite moves nothing, so that the weights before it can
    still be examined and saved. Nothing waits for the device.
    """

    def __init__(
        self, players: Players, reason: str = "compile=False asked for it.", fallback: bool = False
    ) -> None:
        self.players, self.names = players, players.names
        self.backend = Backend("eager", reason, fallback=fallback)

    def advance(self, batches: Batches, number: int, limit: int) -> Tensor:
        players, batch = self.players, batches.at(number)
        for i in players.turns(number):
            loss, gradients = players.loss_and_gradients(i, batch)
            players.movers[i].move(gradients, loss.isfinite())
            players.latest[i] = loss
        players.after_step()
        return players.latest.clone().unsqueeze(0)

    def state_dict(self) -> dict[str, Any]:
        return self.players.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.players.load_state_dict(state)

    def close(self) -> None:
        """Nothing goes on beside this engine."""
