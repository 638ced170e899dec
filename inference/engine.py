"""Engines: what carries out one round of an objective. The eager engine is the reference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives import Objective
from plausible.models.plates import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Backend", "EagerEngine", "Engine"]


@dataclass(frozen=True)
class Backend:
    """Which engine trained, and why.

    Attributes:
        engine: name of the engine.
        reason: one sentence.
    """

    engine: str
    reason: str


class Engine(Protocol):
    """Carries out rounds; the training loop knows nothing else of it."""

    backend: Backend
    names: tuple[str, ...]

    def round(self, batch: Batch, number: int) -> Tensor:
        """One round of all players on this batch; returns their losses, shape (players,)."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The optimisers' state and every player's latest loss."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class EagerEngine:
    """Every player's loss, gradient and fused optimiser step, as PyTorch runs them.

    A player's gradient is taken with respect to its own parameters only, so all others are frozen
    in its turn. A step whose loss is not finite moves nothing, so that the weights before it can
    still be examined and saved. Nothing waits for the device.

    Raises:
        ModelError: if a player has no parameter to move.
    """

    backend = Backend("eager", "The eager engine runs every model.")

    def __init__(
        self, model: Any, objective: Objective, state: nn.Module, fabric: "Fabric"
    ) -> None:
        self.model, self.objective, self.state, self.fabric = model, objective, state, fabric
        self.players = objective.players()
        self.names = tuple(player.name for player in self.players)
        if len(set(self.names)) < len(self.names) or not self.names:
            raise ModelError(f"An objective needs players of different names; has {self.names}.")
        self.parameters = []
        for player in self.players:
            own = [p for p in player.parameters(model) if p.requires_grad]
            if not own:
                raise ModelError(
                    f"There is nothing to train for the objective's {player.name}: model and guide "
                    "have no parameter that requires a gradient."
                )
            self.parameters.append(own)
        self.optimizers: list[Any] = [
            player.optimizer.build(own)
            for player, own in zip(self.players, self.parameters, strict=True)
        ]
        self.latest = [torch.zeros((), device=fabric.device) for _ in self.players]

    def round(self, batch: Batch, number: int) -> Tensor:
        for i, player in enumerate(self.players):
            if number % player.every == 0:
                for _ in range(player.steps):
                    self.latest[i] = self._step(i, batch)
        self.objective.after_step(self.model, self.state)
        return self.latest[0] if len(self.latest) == 1 else torch.stack(self.latest)

    def _step(self, i: int, batch: Batch) -> Tensor:
        own, optimizer = self.parameters[i], self.optimizers[i]
        with self.fabric.autocast():
            loss = self.players[i].loss(self.model, batch, self.state)
        self._check(i, loss)
        gradients = torch.autograd.grad(loss, own, allow_unused=True)
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.found_inf = (~loss.detach().isfinite()).float()  # 1 skips the step
        optimizer.step()
        for parameter in own:
            parameter.grad = None
        return loss.detach()

    def _check(self, i: int, loss: Any) -> None:
        if not isinstance(loss, Tensor) or loss.dim():
            given = f"a {type(loss).__name__}"
            if isinstance(loss, Tensor):
                given = f"of shape {tuple(loss.shape)}"
            raise ModelError(f"The {self.names[i]} must be a scalar tensor, but is {given}.")
        if not loss.requires_grad:
            raise ModelError(
                f"The {self.names[i]} does not depend on any parameter that it may move."
            )

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "latest": torch.stack(self.latest).cpu(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.latest = list(state["latest"].to(self.fabric.device).unbind())
