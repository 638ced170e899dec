"""Objectives: what a model is fitted for, as one or more players with a loss each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.foreign import not_an_optimizer
from plausible.models.objectives.optimizers import Adam, Optimizer

__all__ = ["Objective", "Player", "StepCount", "trainable"]


@dataclass(frozen=True)
class Player:
    """One optimiser with its parameters and its loss.

    In a player's turn nothing else moves: the parameters of all others are frozen, and buffers of
    theirs that its loss changes, such as the averages of batch norm or the vectors of spectral
    norm, are put back.

    Attributes:
        name: what the loss curve calls it.
        parameters: from (model, state) to the parameters that this player moves.
        loss: from (model, batch, state) to a scalar tensor, in nats per datum where it has a unit.
        optimizer: how they are moved.
        updates: optimiser updates a turn.
        every: it takes a turn in the first step of `fit` and then every `every` steps.
        modules: from (model, state) to the modules whose buffers its loss may change. None leaves
            that to the parameters: a buffer belongs to the players whose parameters the nearest
            module around it holds, and to all players where no module around it holds any.

    Raises:
        ModelError: unless `updates` and `every` are at least 1, and for another kind of optimiser.
    """

    name: str
    parameters: Callable[[Any, Any], Iterable[nn.Parameter]]
    loss: Callable[[Any, Batch, Any], Tensor]
    optimizer: Optimizer = Adam()
    updates: int = 1
    every: int = 1
    modules: Callable[[Any, Any], Iterable[nn.Module]] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise not_an_optimizer(self.optimizer)
        if self.updates < 1 or self.every < 1:
            raise ModelError(
                f"Player {self.name!r} needs updates >= 1 and every >= 1, "
                f"but has updates={self.updates}, every={self.every}."
            )


class Objective:
    """One or more players in order, and what they hold besides the model.

    A step of `fit` is one round: every player whose turn it is, then `after_step`.
    """

    def players(self) -> tuple[Player, ...]:
        """The players of one round, in the order of their turns."""
        raise ModelError(f"{type(self).__name__} has no players: write its `players` method.")

    def state(self, model: Any) -> nn.Module:
        """A fresh module of the objective's own parameters and buffers.

        A discriminator, moving averages, a buffer of images, a step count: what players own in it
        is trained, all of it is kept by checkpoints, and `Fit.state` gives it back.
        """
        return nn.Module()

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        """Check that the objective can train the model, and find out how its sites lie in plates.

        Args:
            model: the generative model.
            batch: a first batch.
            other: a batch of another size; None where every step sees all data.

        Returns:
            The layout where the objective scores data: then all of them are checked against the
            supports of the sites that observe them. None where it does not, as here; the model then
            needs no guide.
        """
        return None

    def after_step(self, model: Any, state: Any) -> None:
        """Update averages and counts after a round, with tensor operations only."""


class StepCount(nn.Module):
    """The number of steps done, for weights that depend on it: a state, or a part of one."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros(()))


def trainable(model: Any, state: nn.Module) -> list[nn.Parameter]:
    """All parameters of model, guide and state that are not frozen."""
    return [p for p in (*model.parameters(), *state.parameters()) if p.requires_grad]
