"""Schedules: learning rates and weights that depend on the step, by tensor operations alone."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from plausible.models.errors import ModelError

__all__ = ["Annealing", "CosineDecay", "GeometricDecay", "Schedule", "value_at"]


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
