"""A round of two players, one discriminator step and one generator step, on points in the plane."""

from collections.abc import Iterable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from svi_peers import LEARNING_RATE, EagerPlayers, PlausibleFit
from svi_timing import FIT, Case, Peer, Target
from torch import Tensor, nn
from torch.nn.functional import softplus

from plausible.models import Adam, GenerativeModel, Objective, Player
from plausible.models.objectives.batch import Batch

__all__ = ["case"]

TOTAL, BATCH, LATENT, HIDDEN = 6400, 128, 16, 64


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-ln D(x) - ln(1 - D(G(z))) from logits, means over the batch."""
    return softplus(-real).mean() + softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-ln D(G(z)), which does not saturate: Goodfellow et al. (2014), section 3."""
    return softplus(-fake).mean()


def generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(LATENT, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 2),
    )


def discriminator() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(HIDDEN, HIDDEN),
        nn.LeakyReLU(0.2),
        nn.Linear(HIDDEN, 1),
    )


class Pair(GenerativeModel):
    """A generator and its discriminator."""

    def __init__(self) -> None:
        super().__init__()
        self.generator, self.discriminator = generator(), discriminator()

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """z ~ N(0, I) and the point that the generator makes of it, shape (size, 2)."""
        count = len(x) if x is not None else size
        with pyro.plate("data", count):
            loc = torch.zeros(count, LATENT, device=next(self.parameters()).device)
            z = pyro.sample("z", dist.Normal(loc, 1.0).to_event(1))
            return pyro.deterministic("generated", self.generator(z), event_dim=1)


class NonSaturating(Objective):
    """The two players, each with fresh latents in its turn."""

    def players(self) -> tuple[Player, ...]:
        adam = Adam(LEARNING_RATE)
        return (
            Player("discriminator", self._discriminator, self._discriminator_loss, adam),
            Player("generator", self._generator, self._generator_loss, adam),
        )

    def _discriminator(self, pair: Pair, state: Any) -> Iterable[nn.Parameter]:
        return pair.discriminator.parameters()

    def _generator(self, pair: Pair, state: Any) -> Iterable[nn.Parameter]:
        return pair.generator.parameters()

    def _discriminator_loss(self, pair: Pair, batch: Batch, state: Any) -> Tensor:
        with torch.no_grad():
            fake = pair.model(size=batch.size)
        return discriminator_loss(pair.discriminator(batch.args[0]), pair.discriminator(fake))

    def _generator_loss(self, pair: Pair, batch: Batch, state: Any) -> Tensor:
        return generator_loss(pair.discriminator(pair.model(size=batch.size)))


def case(device: torch.device) -> Case:
    angle = torch.randint(8, (TOTAL,)) * (torch.pi / 4)
    x = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(TOTAL, 2)
    x = x.to(device)

    def eager(fused: bool | None) -> Peer:
        return EagerPlayers(
            generator().to(device),
            discriminator().to(device),
            (discriminator_loss, generator_loss),
            LATENT,
            (x,),
            BATCH,
            fused,
        )

    return Case(
        title=f"players: generator {LATENT}-{HIDDEN}-{HIDDEN}-2 and discriminator, batch {BATCH}",
        unit=TOTAL // BATCH,
        peers={
            "PyTorch, eager": lambda: eager(None),
            "PyTorch, eager, fused Adam": lambda: eager(True),
            FIT: lambda: PlausibleFit(Pair(), (x,), BATCH, objective=NonSaturating()),
        },
        targets=(Target(2, ("PyTorch, eager", "PyTorch, eager, fused Adam")),),
    )
