"""A GAN on a ring of eight normals, written as a user would: any Pyro program and an objective.

The recipe is that of Huang et al., The GAN is dead; long live the GAN! (2024): relativistic
pairing, gradient penalties on data and on draws, no momentum, an average of the generator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from plausible.models import Adam, GeometricDecay, Objective, Optimizer, Player, Schedule, StepCount
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.schedules import value_at

__all__ = ["LATENTS", "RADIUS", "SPREAD", "RingGAN", "centres", "mlp", "program", "ring"]

RADIUS, SPREAD, LATENTS = 2.0, 0.02, 2
NO_MOMENTUM = Adam(2e-3, betas=(0.0, 0.99))


def centres() -> Tensor:
    angle = torch.arange(8) * (2 * math.pi / 8)
    return RADIUS * torch.stack([angle.cos(), angle.sin()], 1)


def ring(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mode = torch.randint(8, (count,), generator=generator)
    made = centres()[mode] + SPREAD * torch.randn(count, 2, generator=generator)
    return made.to(torch.get_default_dtype())


def mlp(*widths: int) -> nn.Sequential:
    """Layers with leaky rectifiers between them, initialised as He et al. (2015) do."""
    layers: list[nn.Module] = []
    for size, width in pairwise(widths):
        linear = nn.Linear(size, width)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers[:-1])


def program(generator: nn.Module) -> Callable[..., Tensor]:
    """z ~ N(0, I) and what a network makes of it; nothing is observed, and there is no guide."""

    def model(x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        pyro.module("generator", generator)
        count = len(x) if x is not None else size
        with pyro.plate("data", count):
            z = pyro.sample("z", dist.Normal(torch.zeros(count, LATENTS), 1.0).to_event(1))
            made: Tensor = pyro.deterministic("x", generator(z), event_dim=1)
            return made

    return model


class RingState(nn.Module):
    """The discriminator, the average of the generator's parameters, and the number of steps."""

    def __init__(self, discriminator: nn.Module, parameters: list[Tensor]) -> None:
        super().__init__()
        self.discriminator, self.count = discriminator, StepCount()
        self.average = nn.Module()
        for i, parameter in enumerate(parameters):
            self.average.register_buffer(str(i), parameter.detach().clone())


@dataclass(frozen=True)
class RingGAN(Objective):
    """Relativistic pairing with R1 and R2, whose weight falls geometrically.

    Args:
        hidden: widths of the discriminator.
        penalty: weight of both gradient penalties.
        decay: of the generator's moving average, a step.
        optimizer: of both players.
        every: the generator takes a turn once in so many steps.
    """

    hidden: tuple[int, ...] = (16, 16)
    penalty: float | Schedule = GeometricDecay(1.0, 1e-2, 50)
    decay: float = 0.9
    optimizer: Optimizer = field(default=NO_MOMENTUM)
    every: int = 1

    def players(self) -> tuple[Player, ...]:
        return (
            Player("discriminator", discriminators, self._discriminate, self.optimizer),
            Player("generator", generators, self._generate, self.optimizer, every=self.every),
        )

    def state(self, model: Any) -> RingState:
        return RingState(mlp(2, *self.hidden, 1), list(model.parameters()))

    def after_step(self, model: Any, state: RingState) -> None:
        state.count.step.add_(1)
        with torch.no_grad():
            for average, own in zip(state.average.buffers(), model.parameters(), strict=True):
                average.lerp_(own, 1 - self.decay)

    def _discriminate(self, model: Any, batch: Batch, state: RingState) -> Tensor:
        with torch.no_grad():
            fake = model.model(size=batch.size)
        fake, real = fake.requires_grad_(), batch.args[0].detach().requires_grad_()
        on_fake, on_real = state.discriminator(fake), state.discriminator(real)
        weight = 0.5 * value_at(self.penalty, state.count.step)
        slopes = slope(on_real, real) + slope(on_fake, fake)
        return softplus(on_fake - on_real).mean() + weight * slopes

    def _generate(self, model: Any, batch: Batch, state: RingState) -> Tensor:
        on_fake = state.discriminator(model.model(size=batch.size))
        return softplus(state.discriminator(batch.args[0]) - on_fake).mean()


def discriminators(model: Any, state: RingState) -> list[nn.Parameter]:
    return list(state.discriminator.parameters())


def generators(model: Any, state: RingState) -> list[nn.Parameter]:
    return list(model.parameters())


def slope(score: Tensor, x: Tensor) -> Tensor:
    """Mean of the squared length of the score's gradient, itself with a gradient."""
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return gradient.square().sum(1).mean()
