"""How a player's parameters are moved: descriptions that every engine carries out alike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor

from plausible.models.errors import ModelError
from plausible.models.objectives.schedules import Schedule, value_at

__all__ = ["SGD", "Adam", "AdamW", "ClippedAdam", "Optimizer"]

Tensors = Sequence[Tensor]
Moments = dict[str, list[Tensor]]


@dataclass(frozen=True)
class Optimizer:
    """What all optimisers share: the learning rate, and what is done to gradients before.

    Args:
        lr: learning rate, a positive number or a `Schedule` of the player's updates.
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
        if not isinstance(self.lr, Real | Tensor | Schedule):
            raise ModelError(
                "The learning rate is a positive number or a schedule, such as "
                f"CosineDecay(1e-3, steps); got {self.lr!r}."
            )
        if not isinstance(self.lr, Schedule) and not self.lr > 0:
            raise ModelError(f"The learning rate must be positive, but it is {self.lr}.")
        for name in ("clip_norm", "clip_value"):
            limit = getattr(self, name)
            if limit is not None and not (isinstance(limit, Real) and float(limit) > 0):
                raise ModelError(f"{name} must be positive or None, but it is {limit!r}.")

    def begin(self, parameters: Tensors) -> Moments:
        """The state before the first step: zeros like the parameters, by name."""
        return {name: [torch.zeros_like(p) for p in parameters] for name in self.moments}

    def rate(self, step: Tensor) -> Tensor | float:
        """The learning rate of an update, counted from 1."""
        return value_at(self.lr, step - 1)

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
            step: number of this update, counted from 1; a tensor.
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
        betas: decay rates of the first and second moment, from 0 (the last gradient alone) to
            below 1.
        eps: added to the denominator.

    Raises:
        ModelError: for decay rates outside [0, 1), or a negative eps.

    Source: Kingma and Ba, Adam: A Method for Stochastic Optimization (2015).
    """

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    moments: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ModelError(f"Both betas must be at least 0 and below 1; they are {self.betas}.")
        if not self.eps >= 0:
            raise ModelError(f"eps must be at least 0; it is {self.eps}.")

    def update(
        self, parameters: Tensors, gradients: Tensors, moments: Moments, step: Tensor
    ) -> tuple[list[Tensor], Moments]:
        (first, second), rate = self.betas, self.rate(step)
        size = rate / _correction(first, step)
        root = torch.rsqrt(_correction(second, step))
        moved, state = [], Moments(exp_avg=[], exp_avg_sq=[])
        old = zip(moments["exp_avg"], moments["exp_avg_sq"], strict=True)
        for p, g, (m, v) in zip(parameters, self.clipped(gradients), old, strict=True):
            # From the nearer end: with beta = 0 the moment is the gradient to the last digit.
            m = m + (1 - first) * (g - m) if first > 0.5 else g - first * (g - m)
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


def _correction(beta: float, step: Tensor) -> Tensor:
    """1 - beta ** step, without the cancellation that costs float32 four digits at first."""
    return -torch.expm1(step * math.log(beta)) if beta > 0 else torch.ones_like(step)


@dataclass(frozen=True)
class AdamW(Adam):
    r"""Adam with weights that decay apart from the gradient, by :math:`\eta \lambda \theta` a step.

    Args:
        weight_decay: the rate of decay.

    Raises:
        ModelError: for a negative rate of decay.

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019).
    """

    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.weight_decay >= 0:
            raise ModelError(f"weight_decay must be at least 0; it is {self.weight_decay}.")

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
        decay: factor of the learning rate a step (Pyro's `lrd`).

    Raises:
        ModelError: unless the factor is positive.
    """

    clip_value: float | None = 10.0
    decay: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decay > 0:
            raise ModelError(f"decay must be positive; it is {self.decay}.")

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
