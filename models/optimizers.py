"""How a player's parameters are moved: a description that any engine can carry out."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from plausible.models.errors import ModelError

__all__ = ["Adam"]


@dataclass(frozen=True)
class Adam:
    r"""Adam, :math:`\theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)`.

    Args:
        lr: learning rate, positive.
        betas: decay rates of the first and second moment.
        eps: added to the denominator.

    Raises:
        ModelError: if the learning rate is not positive.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015).
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ModelError(f"The learning rate must be positive, but it is {self.lr}.")

    def build(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """The fused optimiser over these parameters, for the eager engine."""
        return torch.optim.Adam(parameters, self.lr, self.betas, self.eps, fused=True)
