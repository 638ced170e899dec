"""What the checkpoints of version 0.1.0 hold: models of a user's own, and what each model answers.

Everything is computed at fixed inputs, so that no random state takes part.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from torch import Tensor, nn

from plausible.models import VAE, ConditionalNetwork, GenerativeModel, Likelihood, Normal

Answer = Callable[[Any], list[Tensor]]


def wave(*shape: int, shift: float = 0.3) -> Tensor:
    """Numbers between -1 and 1 that look irregular, the same on every machine."""
    count = int(torch.tensor(shape).prod())
    return torch.sin(1.7 * torch.arange(count, dtype=torch.float64) + shift).float().reshape(shape)


def bits(*shape: int) -> Tensor:
    return (wave(*shape) > 0).float()


def greys(*shape: int) -> Tensor:
    return (wave(*shape) + 1) / 2


class Named(GenerativeModel):
    """A subclass of a user's own, without a registered name, whose likelihood is an argument."""

    def __init__(self, widths: tuple[int, ...], likelihood: Likelihood, note: str = "") -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(widths[0]))
        self.likelihood, self.note = likelihood, note

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        count = len(x) if x is not None else int(size or 0)
        with pyro.plate("data", count):
            p = self.likelihood(self.loc.expand(count, -1), self.loc.shape)
            return pyro.sample("x", p, obs=x)


class Stack(GenerativeModel):
    """A subclass that takes any number of positional arguments."""

    def __init__(self, *widths: int, scale: float = 1.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))
        self.scale = scale

    def model(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # type: ignore[override]
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(self.layers(x), self.scale).to_event(1), obs=y)

    def guide(self, x: Tensor, y: Tensor | None = None) -> None:  # type: ignore[override]
        """Empty: nothing is latent."""


class OwnVAE(VAE):
    """A subclass of a registered class that has no name of its own."""


class Line(nn.Module):
    """A plain Pyro model: a module that knows nothing of `GenerativeModel`."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))

    def forward(self, x: Tensor, y: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(self.net(x)[:, 0], 1.0), obs=y)


def mean_model(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def mean_guide(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.1))
    scale = pyro.param("scale", torch.tensor(0.5), constraint=constraints.positive)
    pyro.sample("mu", dist.Normal(loc, scale))


def own_network() -> ConditionalNetwork:
    """A model whose network no checkpoint can describe."""
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    return ConditionalNetwork(network, (2,), (), Normal("learned"))


def encoded(x: Tensor) -> Answer:
    """Of a VAE: the posterior's means and scales, a decoding, and ln p(x given z)."""
    z = wave(len(x), 2)

    def answer(model: Any) -> list[Tensor]:
        q, p = model.encode(x), model.decode(z)
        return [q.mean, q.stddev, p.mean, p.log_prob(x)]

    return answer


def predicted(x: Tensor, y: Tensor) -> Answer:
    """Of a conditional model: ln p(y given x)."""
    return lambda model: [model.predict(x).log_prob(y)]


def generated(*inputs: Tensor) -> Answer:
    """Of a generator: the outputs for given latents and conditions."""
    return lambda model: [model.generate(*inputs)]


X, Y, LABELS = wave(5, 2), wave(5, shift=1.1), torch.tensor([0, 1, 2, 1, 0])
SMALL, LARGE = (1, 2, 3), (1, 8, 9)

# Models that `load` builds alone.
ANSWERS: dict[str, Answer] = {
    "vae-mlp": encoded(bits(5, *SMALL)),
    "vae-linear": encoded(wave(5, 3)),
    "vae-convolutional": encoded(greys(5, *LARGE)),
    "vae-laplace": encoded(wave(5, 3)),
    "vae-diagonal-normal": encoded(wave(5, 3)),
    "vae-mixture": encoded(wave(5, 2)),
    "vae-binary-cross-entropy": encoded(greys(5, *SMALL)),
    "classifier-two": predicted(X, (LABELS > 0).float()),
    "classifier-convolutional": predicted(greys(5, 1, 8, 8), LABELS),
    "regressor": predicted(X, Y),
    "regressor-softplus": predicted(X, wave(5, 2, shift=0.9)),
    "regressor-categorical": predicted(X, LABELS),
    "regressor-from-images": predicted(greys(5, *LARGE), wave(5, 2)),
    "regressor-to-images": predicted(X, greys(5, *LARGE)),
    "regressor-between-images": predicted(greys(5, 1, 8, 8), wave(5, 1, 8, 8)),
    "mixture-density": predicted(X, Y),
    "mixture-density-full": predicted(X, wave(5, 2, shift=0.9)),
    "generator": generated(X),
    "generator-without-likelihood": generated(X),
    "generator-transposed": generated(X),
    "generator-upsample": generated(X),
    "conditional-generator": generated(X, wave(5, 3)),
    "conditional-generator-without-likelihood": generated(X, Y),
}
# Classes of a user's own, known once this module is imported.
OWN: dict[str, Answer] = {
    "own-subclass": lambda model: [model.loc, model.likelihood.current_scale(model.loc)],
    "own-stack": lambda model: [model.layers(X), torch.tensor(model.scale)],
    "own-vae": encoded(bits(5, *SMALL)),
}
# What only `load(path, model=...)` can load.
GIVEN: dict[str, tuple[Callable[[], nn.Module], Answer]] = {
    "own-network": (own_network, predicted(X, Y)),
    "pyro-module": (Line, lambda model: [model.net(X)]),
}
# Runs that `fit(..., resume=...)` takes up again.
RESUMED = ("pyro-functions", "vae-mlp")


@torch.no_grad()
def numbers(answer: Answer, model: Any) -> list[float]:
    """About twenty numbers of each part of a model's answer, in one list."""
    flat = [part.double().flatten() for part in answer(model)]
    return [float(x) for part in flat for x in part[:: max(1, len(part) // 20)]]
