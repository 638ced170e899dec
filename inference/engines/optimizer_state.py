"""What an optimiser moves, with its state: the same for every engine and in every checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from plausible.models.objectives.optimizers import Moments, Optimizer
from plausible.models.objectives.schedules import Plateau

__all__ = ["OptimizerState"]


class OptimizerState:
    """The parameters of one player, its optimiser and the optimiser's state.

    Attributes:
        parameters: what is moved.
        moments: the optimiser's state, by name and parameter.
        step: number of steps done, a scalar tensor.
        plateau: the learning rate, where it follows the validation loss; of this run alone.
    """

    def __init__(self, optimizer: Optimizer, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.plateau: Plateau | None = None
        if isinstance(optimizer.lr, Plateau):
            ones = torch.ones((), device=self.parameters[0].device)
            self.plateau = replace(optimizer.lr, scale=ones)
            optimizer = replace(optimizer, lr=self.plateau)
        self.optimizer = optimizer
        self.moments: Moments = optimizer.begin([p.detach() for p in self.parameters])
        self.step = torch.zeros((), device=self.parameters[0].device)

    @torch.no_grad()
    def move(self, gradients: Sequence[Tensor | None], go: Tensor) -> None:
        """One step, where `go` is true. Parameters without a gradient stay as they are."""
        moving = [i for i, g in enumerate(gradients) if g is not None]
        self.step.add_(go)
        self.optimizer.update_in_place(
            [self.parameters[i].detach() for i in moving],
            [g for g in gradients if g is not None],
            {name: [m[i] for i in moving] for name, m in self.moments.items()},
            self.step,
            go,
        )

    def state_dict(self) -> dict[str, Any]:
        moments = {name: [m.cpu().clone() for m in ms] for name, ms in self.moments.items()}
        return {"step": self.step.cpu().clone(), "moments": moments}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: if it is of another optimiser or of other parameters.
        """
        saved = state["moments"]
        if saved.keys() != self.moments.keys() or any(
            [m.shape for m in saved[name]] != [m.shape for m in ms]
            for name, ms in self.moments.items()
        ):
            raise ValueError("it is of another optimiser, or of parameters of other shapes")
        self.step.copy_(state["step"])
        for name, ms in self.moments.items():
            for own, value in zip(ms, saved[name], strict=True):
                own.copy_(value)
