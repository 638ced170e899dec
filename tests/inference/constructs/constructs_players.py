"""Constructs of players: two networks against one another, penalties, turns, moving averages."""

import copy
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from construct import Construct, Table, normals
from ring import RingGAN, mlp, program, ring
from torch import Tensor, nn
from torch.nn.functional import softplus

from plausible.models import Adam, GenerativeModel, Objective, Player
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.optimizers import SGD

__all__ = ["TABLE"]

TABLE = Table()

Penalty = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Pair(GenerativeModel):
    """A generator of points in the plane and its critic."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        # Without a last bias: Wasserstein's loss has no gradient for it but rounding errors.
        last = nn.Linear(8, 1, bias=False)
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), last)

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        count = len(x) if x is not None else size
        with pyro.plate("data", count):
            z = pyro.sample("z", dist.Normal(torch.zeros(count, 3), 1.0).to_event(1))
            return pyro.deterministic("generated", self.generator(z), event_dim=1)


class Adversarial(Objective):
    """A critic, and a generator that follows it.

    Args:
        saturating: of the critic's outputs on data and draws, its loss.
        penalty: added to the critic's loss.
        updates: of the critic a turn.
        every: the generator acts once in so many steps.
        keeps: whether the generator's moving average is kept and the critic's weights clipped.
    """

    def __init__(
        self,
        wasserstein: bool = False,
        penalty: Penalty | None = None,
        updates: int = 1,
        every: int = 1,
        keeps: bool = False,
    ) -> None:
        self.wasserstein, self.penalty, self.keeps = wasserstein, penalty, keeps
        self.updates, self.every = updates, every

    def players(self) -> tuple[Player, ...]:
        critic = Player(
            "critic", self._critic, self._critic_loss, Adam(2e-3, betas=(0.5, 0.9)), self.updates
        )
        generator = Player(
            "generator",
            self._generator,
            self._generator_loss,
            SGD(0.05, momentum=0.5),
            1,
            self.every,
        )
        return critic, generator

    def state(self, model: Pair) -> nn.Module:
        return Averages() if self.keeps else nn.Module()

    def _critic(self, pair: Pair, state: nn.Module) -> Iterable[nn.Parameter]:
        return pair.critic.parameters()

    def _generator(self, pair: Pair, state: nn.Module) -> Iterable[nn.Parameter]:
        return pair.generator.parameters()

    def _critic_loss(self, pair: Pair, batch: Batch, state: Any) -> Tensor:
        real = batch.args[0]
        with torch.no_grad():
            fake = pair.model(size=batch.size)
        on_real, on_fake = pair.critic(real), pair.critic(fake)
        if self.wasserstein:
            loss = on_fake.mean() - on_real.mean()
        else:
            loss = softplus(-on_real).mean() + softplus(on_fake).mean()
        return loss if self.penalty is None else loss + self.penalty(pair.critic, real, fake)

    def _generator_loss(self, pair: Pair, batch: Batch, state: Any) -> Tensor:
        on_fake = pair.critic(pair.model(size=batch.size))
        return -on_fake.mean() if self.wasserstein else softplus(-on_fake).mean()

    def after_step(self, pair: Pair, state: Any) -> None:
        if not self.keeps:
            return
        with torch.no_grad():
            for average, weight in zip(state.buffers(), pair.generator.parameters(), strict=True):
                average.lerp_(weight, 0.1)
            for weight in pair.critic.parameters():
                weight.clamp_(-0.3, 0.3)


class Averages(nn.Module):
    """A moving average of every parameter of the generator."""

    def __init__(self) -> None:
        super().__init__()
        for i, weight in enumerate(copy.deepcopy(Pair().generator).parameters()):
            self.register_buffer(f"average_{i}", torch.zeros_like(weight))


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """10 (|grad D| - 1)² on the way from draws to data: Gulrajani et al. (2017)."""
    alpha = torch.rand(len(real), 1)
    between = (alpha * real + (1 - alpha) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return 10.0 * (slope.norm(2, dim=1) - 1).square().mean()


def r1(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """|grad D|² on the data, weight 5: Mescheder et al. (2018)."""
    real = real.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return 5.0 * slope.square().sum(1).mean()


def _against(batch_size: int = 8, **arguments: Any) -> Construct:
    return Construct(
        Pair(), (normals(21, 2),), objective=Adversarial(**arguments), batch_size=batch_size
    )


TABLE.row("GAN, non-saturating")(_against)
TABLE.row("WGAN, gradient penalty")(partial(_against, wasserstein=True, penalty=gradient_penalty))
TABLE.row("GAN, R1")(partial(_against, penalty=r1))
TABLE.row("turns: updates=3, every=2")(partial(_against, updates=3, every=2, batch_size=21))
TABLE.row("WGAN, weights clipped, average kept")(partial(_against, wasserstein=True, keeps=True))


@TABLE.row("ring GAN of a plain function: relativistic, R1 and R2")
def ring_gan() -> Construct:
    return Construct(program(mlp(2, 16, 16, 2)), (ring(21),), objective=RingGAN(), batch_size=8)
