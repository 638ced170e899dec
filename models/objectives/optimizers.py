"""How a player's parameters are moved: descriptions that every engine carries out alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from plausible.models.errors import ModelError

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "ClippedAdam",
    "CosineDecay",
    "ExponentialDecay",
    "Optimizer",
    "Schedule",
]

Tensors = Sequence[Tensor]
Moments = dict[str, list[Tensor]]


@runtime_checkable
class Schedule(Protocol):
    """A learning rate that depends on the step; `Annealing` is one too."""

    def at(self, step: Tensor) -> Tensor:
        """The rate after `step` steps, a tensor like it, by tensor operations only."""
        ...


@dataclass(frozen=True)
class CosineDecay:
    r"""Half a cosine from `start` to `end`, after a linear rise from zero.

    .. math:: \eta_t = \eta_1 + (\eta_0 - \eta_1)\, \tfrac12 (1 + \cos \pi t / T)

    Args:
        start: highest rate, at the end of the warm-up.
        steps: steps T after the warm-up until `end` is reached; the rate stays there.
        end: last rate.
        warmup: steps of the linear rise.

    Raises:
        ModelError: unless rates and numbers of steps can be a schedule.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).
    """

    start: float
    steps: int
    end: float = 0.0
    warmup: int = 0

    def __post_init__(self) -> None:
        if not (self.start > 0 and self.end >= 0 and self.steps >= 1 and self.warmup >= 0):
            raise ModelError(
                f"{self} is no schedule: start must be positive, end and warmup at least 0 and "
                "steps at least 1."
            )

    def at(self, step: Tensor) -> Tensor:
        done = ((step - self.warmup) / self.steps).clamp(0.0, 1.0)
        rate = self.end + (self.start - self.end) * 0.5 * (1.0 + torch.cos(math.pi * done))
        return rate * ((step + 1) / (self.warmup + 1)).clamp(max=1.0)


@dataclass(frozen=True)
class ExponentialDecay:
    r"""A rate that shrinks by a factor a step, :math:`\eta_t = \eta_0 \gamma^t`.

    Args:
        start: first rate.
        factor: the factor a step, at most 1; for a hundredth after T steps it is .01 ** (1 / T).

    Raises:
        ModelError: unless the rate is positive and the factor in (0, 1].
    """

    start: float
    factor: float

    def __post_init__(self) -> None:
        if not (self.start > 0 and 0 < self.factor <= 1):
            raise ModelError(f"{self} is no schedule: start must be positive, factor in (0, 1].")

    def at(self, step: Tensor) -> Tensor:
        return self.start * torch.pow(self.factor, step)


@dataclass(frozen=True)
class Optimizer:
    """What all optimisers share: the learning rate, and what is done to gradients before.

    Args:
        lr: learning rate, a positive number or a `Schedule` of the player's steps.
        clip_norm: largest Euclidean norm of all gradients of the player together.
        clip_value: largest size of any single derivative; applied before `clip_norm`.

    Raises:
        ModelError: if a rate or a limit is not positive.
    """

    lr: float | Schedule = 1e-3
    clip_norm: float | None = None
    clip_value: float | None = None

    moments: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Schedule) and not self.lr > 0:
            raise ModelError(f"The learning rate must be positive, but it is {self.lr}.")
        for name in ("clip_norm", "clip_value"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ModelError(f"{name} must be positive or None, but it is {limit}.")

    def begin(self, parameters: Tensors) -> Moments:
        """The state before the first step: zeros like the parameters, by name."""
        return {name: [torch.zeros_like(p) for p in parameters] for name in self.moments}

    def rate(self, step: Tensor) -> Tensor | float:
        """The learning rate of a step, counted from 1."""
        return self.lr.at(step - 1) if isinstance(self.lr, Schedule) else self.lr

    def clipped(self, gradients: Tensors) -> list[Tensor]:
        """The gradients within their limits."""
        gradients = list(gradients)
        if self.clip_value is not None:
            gradients = [g.clamp(-self.clip_value, self.clip_value) for g in gradients]
        if self.clip_norm is not None:
            norm = torch.stack([(g * g).sum() for g in gradients]).sum().sqrt()
            factor = (self.clip_norm / (norm + 1e-6)).clamp(max=1.0)
            gradients = [g * factor for g in gradients]
        return gradients

    def update(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor
    ) -> tuple[list[Tensor], Moments]:
        """Parameters and state after a step, as new tensors.

        Args:
            parameters: what is moved.
            gradients: their gradients, as they are before clipping.
            moments: what `begin` or the last step gave.
            step: number of this step, counted from 1; a tensor.
        """
        raise NotImplementedError

    def update_in_place(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor, go: Tensor
    ) -> None:
        """The same in place, and only where the scalar `go` is true."""
        moved, state = self.update(parameters, gradients, moments, step)
        for old, new in zip(parameters, moved, strict=True):
            old.copy_(torch.where(go, new, old))
        for name, values in state.items():
            for old, new in zip(moments[name], values, strict=True):
                old.copy_(torch.where(go, new, old))


@dataclass(frozen=True)
class Adam(Optimizer):
    r"""Adam, :math:`\theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)`.

    Args:
        betas: decay rates of the first and second moment.
        eps: added to the denominator.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015).
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    moments: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    def update(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor
    ) -> tuple[list[Tensor], Moments]:
        (first, second), rate = self.betas, self.rate(step)
        # 1 - beta ** step, without the cancellation that costs float32 four digits at first
        size = rate / -torch.expm1(step * math.log(first))
        root = torch.rsqrt(-torch.expm1(step * math.log(second)))
        moved, state = [], Moments(exp_avg=[], exp_avg_sq=[])
        old = zip(moments["exp_avg"], moments["exp_avg_sq"], strict=True)
        for p, g, (m, v) in zip(parameters, self.clipped(gradients), old, strict=True):
            m = m + (1 - first) * (g - m)
            v = second * v + (1 - second) * g * g
            moved.append(self._moved(p, m, v, rate, size, root))
            state["exp_avg"].append(m)
            state["exp_avg_sq"].append(v)
        return moved, state

    def _moved(
        self, p: Tensor, m: Tensor, v: Tensor, rate: Tensor | float, size: Tensor, root: Tensor
    ) -> Tensor:
        return p - size * m / (v.sqrt() * root + self.eps)

    def update_in_place(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor, go: Tensor
    ) -> None:
        self._fused(torch._fused_adam_, 0.0, parameters, gradients, moments, step, go)

    def _fused(
        self,
        kernel: object,
        weight_decay: float,
        parameters: Tensors,
        gradients: Tensors,
        moments: Moments,
        step: Tensor,
        go: Tensor,
    ) -> None:
        kernel(  # type: ignore[operator]
            list(parameters),
            self.clipped(gradients),
            moments["exp_avg"],
            moments["exp_avg_sq"],
            [],
            [step] * len(parameters),
            lr=self.rate(step),
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            found_inf=1.0 - go.float(),
        )


@dataclass(frozen=True)
class AdamW(Adam):
    r"""Adam with weights that decay apart from the gradient, by :math:`\eta \lambda \theta` a step.

    Args:
        weight_decay: the rate of decay.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019).
    """

    weight_decay: float = 1e-2

    def _moved(
        self, p: Tensor, m: Tensor, v: Tensor, rate: Tensor | float, size: Tensor, root: Tensor
    ) -> Tensor:
        return super()._moved(p * (1 - rate * self.weight_decay), m, v, rate, size, root)

    def update_in_place(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor, go: Tensor
    ) -> None:
        kernel = torch._fused_adamw_
        self._fused(kernel, self.weight_decay, parameters, gradients, moments, step, go)


@dataclass(frozen=True)
class ClippedAdam(Adam):
    r"""Adam as Pyro's `ClippedAdam` has it.

    Single derivatives are limited to `clip_value`, the rate shrinks by a factor a step, and eps is
    added to :math:`\sqrt v` before its bias is corrected.

    Args:
        decay: factor of the learning rate a step (Pyro's `lrd`); for a number `lr` only.
    """

    clip_value: float | None = 10.0
    decay: float = 1.0

    def rate(self, step: Tensor) -> Tensor | float:
        rate = super().rate(step)
        return rate if self.decay == 1.0 else rate * torch.pow(self.decay, step)

    def _moved(
        self, p: Tensor, m: Tensor, v: Tensor, rate: Tensor | float, size: Tensor, root: Tensor
    ) -> Tensor:
        return p - size / root * m / (v.sqrt() + self.eps)

    def update_in_place(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor, go: Tensor
    ) -> None:
        Optimizer.update_in_place(self, parameters, gradients, moments, step, go)


@dataclass(frozen=True)
class SGD(Optimizer):
    r"""Gradient descent, :math:`b \leftarrow \mu b + g`, :math:`\theta \leftarrow \theta - \eta b`.

    Args:
        momentum: how much :math:`\mu` of the last step's direction is kept.

    Raises:
        ModelError: unless 0 <= momentum < 1.

    Source: Sutskever et al., On the Importance of Initialization and Momentum (2013).
    """

    momentum: float = 0.0

    moments: ClassVar[tuple[str, ...]] = ("momentum",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise ModelError(f"momentum must be at least 0 and below 1; it is {self.momentum}.")

    def update(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor
    ) -> tuple[list[Tensor], Moments]:
        rate = self.rate(step)
        direction = [
            self.momentum * b + g
            for b, g in zip(moments["momentum"], self.clipped(gradients), strict=True)
        ]
        moved = [p - rate * b for p, b in zip(parameters, direction, strict=True)]
        return moved, {"momentum": direction}
