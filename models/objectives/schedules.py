"""Schedules: learning rates and weights that depend on the step, by tensor operations alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from plausible.models.errors import ModelError

__all__ = [
    "Annealing",
    "CosineDecay",
    "GeometricDecay",
    "Plateau",
    "Schedule",
    "StepDecay",
    "value_at",
]


@runtime_checkable
class Schedule(Protocol):
    """A number that depends on the step, such as a learning rate or the weight of a penalty."""

    def at(self, step: Tensor) -> Tensor:
        """The number after `step` steps, a tensor like it, by tensor operations only."""
        ...


def value_at(value: float | Schedule, step: Tensor) -> Tensor | float:
    """A fixed number as it is, a schedule's number at this step."""
    return value.at(step) if isinstance(value, Schedule) else value


@dataclass(frozen=True)
class Annealing:
    r"""A number that rises or falls linearly and then stays.

    .. math:: a_t = a_0 + (a_1 - a_0) \min(t / T, 1)

    Args:
        start: number of the first step.
        end: number from step `steps` on.
        steps: steps T in between.

    Raises:
        ModelError: for fewer than one step.

    Source: as the weight of the ELBO's KL term, Bowman et al., Generating Sentences from a
        Continuous Space (2016).
    """

    start: float = 0.0
    end: float = 1.0
    steps: int = 1000

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ModelError(f"Annealing needs at least one step, but got {self.steps}.")

    def at(self, step: Tensor) -> Tensor:
        return self.start + (self.end - self.start) * (step / self.steps).clamp(max=1.0)


@dataclass(frozen=True)
class CosineDecay:
    r"""Half a cosine from `start` to `end`, after a linear rise from zero.

    .. math:: a_t = a_1 + (a_0 - a_1)\, \tfrac12 (1 + \cos \pi t / T)

    Args:
        start: highest number, at the end of the warm-up.
        steps: steps T after the warm-up until `end` is reached; the number stays there.
        end: last number.
        warmup: steps of the linear rise.

    Raises:
        ModelError: unless start is positive, end and warm-up at least 0 and steps at least 1.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """

    start: float
    steps: int
    end: float = 0.0
    warmup: int = 0

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.end >= 0 and self.steps >= 1 and self.warmup >= 0):
            raise ModelError(
                f"{self} needs a positive start, end and warmup of at least 0 and steps of at "
                "least 1."
            )

    def at(self, step: Tensor) -> Tensor:
        done = ((step - self.warmup) / self.steps).clamp(0.0, 1.0)
        value = self.end + (self.start - self.end) * 0.5 * (1.0 + torch.cos(math.pi * done))
        return value * ((step + 1) / (self.warmup + 1)).clamp(max=1.0)


@dataclass(frozen=True)
class GeometricDecay:
    r"""A number that changes by the same factor each step and then stays.

    .. math:: a_t = a_0 \left(a_1 / a_0\right)^{\min(t / T,\, 1)}

    Args:
        start: number of the first step.
        end: number from step `steps` on.
        steps: steps T in between.

    Raises:
        ModelError: unless start and end are positive and steps at least 1.
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.end > 0 and self.steps >= 1):
            raise ModelError(f"{self} needs a positive start and end and steps of at least 1.")

    def at(self, step: Tensor) -> Tensor:
        done = (step / self.steps).clamp(max=1.0)
        return self.start * torch.exp(math.log(self.end / self.start) * done)


@dataclass(frozen=True)
class StepDecay:
    r"""A number that falls by a factor every so many steps.

    .. math:: a_t = a_0\, f^{\lfloor t / T \rfloor}

    Args:
        start: number of the first T steps.
        factor: what the number is multiplied by, f.
        every: steps T between two falls.

    Raises:
        ModelError: unless start and factor are positive and `every` at least 1.
    """

    start: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.factor > 0 and self.every >= 1):
            raise ModelError(f"{self} needs a positive start and factor and every of at least 1.")

    def at(self, step: Tensor) -> Tensor:
        falls = torch.floor((step + 0.5) / self.every)  # away from where rounding decides
        return self.start * torch.pow(self.factor, falls)


@dataclass(frozen=True)
class Plateau:
    r"""A learning rate that falls when the validation loss no longer does.

    .. math:: a_t = a_0\, f^{k}

    Here k counts how often `patience` validations in a row brought no new lowest loss; after each
    time the count begins again. It needs `fit(validation=...)`. A run of `fit` has a copy with a
    `scale` of its own, so that one description serves any number of runs.

    Args:
        start: learning rate at the start.
        factor: what it is multiplied by, f.
        patience: validations without a new lowest loss until it falls.
        scale: :math:`f^k` now, a scalar tensor; `fit` sets it.

    Raises:
        ModelError: unless start is positive, the factor above 0 and below 1, and patience a whole
            number of at least 1.

    Source: as PyTorch's ReduceLROnPlateau.
    """

    start: float
    factor: float = 0.1
    patience: int = 10
    scale: Tensor = field(
        default_factory=lambda: torch.ones((), device="cpu"), repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not (self.start > 0 and 0 < self.factor < 1 and self.patience >= 1):
            raise ModelError(
                f"{self} needs a positive start, a factor between 0 and 1 and patience of at "
                "least 1."
            )

    def at(self, step: Tensor) -> Tensor:
        return self.start * self.scale

    def follow(self, losses: Sequence[float]) -> None:
        """Set the scale to what it is after these validations, all since the start of the run."""
        best, waited, falls = math.inf, 0, 0
        for loss in losses:
            waited = 0 if loss < best else waited + 1
            best = min(best, loss)
            if waited == self.patience:
                waited, falls = 0, falls + 1
        self.scale.fill_(self.factor**falls)
