"""The players of an objective with what they move: their losses, gradients and optimisers."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.objective import Objective

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Players"]


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
        self.optimizer_states: list[OptimizerState] = []
        for player in self.players:
            own = [p for p in player.parameters(program, state) if p.requires_grad]
            if not own:
                raise ModelError(
                    f"There is nothing to train for the objective's {player.name}: model and guide "
                    "have no parameter that requires a gradient."
                )
            self.optimizer_states.append(OptimizerState(player.optimizer, own))
        self.latest = torch.zeros(len(self.players), device=fabric.device)

    def turns(self, number: int) -> tuple[int, ...]:
        """The players that act in this round, in order, once for every update."""
        return tuple(
            i
            for i, player in enumerate(self.players)
            if number % player.every == 0
            for _ in range(player.updates)
        )

    def loss_and_gradients(self, i: int, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
        """A player's loss and its gradient with respect to the player's parameters.

        Raises:
            ModelError: unless the loss is a scalar tensor that depends on them.
        """
        with self.fabric.autocast():
            loss = self.players[i].loss(self.program, batch, self.state)
        name = self.names[i]
        if not isinstance(loss, Tensor) or loss.dim():
            given = f"a {type(loss).__name__}"
            if isinstance(loss, Tensor):
                given = f"of shape {tuple(loss.shape)}"
            raise ModelError(f"The {name} must be a scalar tensor, but is {given}.")
        if not loss.requires_grad:
            raise ModelError(f"The {name} does not depend on any parameter that it may move.")
        own = self.optimizer_states[i].parameters
        return loss.detach(), list(torch.autograd.grad(loss, own, allow_unused=True))

    def state_dict(self) -> dict[str, Any]:
        return {
            "optimizers": [state.state_dict() for state in self.optimizer_states],
            "latest": self.latest.cpu().clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for own, saved in zip(self.optimizer_states, state["optimizers"], strict=True):
            own.load_state_dict(saved)
        self.latest.copy_(state["latest"])
