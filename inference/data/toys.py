"""Problems made of formulas, whose best possible likelihoods are known exactly."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from plausible.models.distributions.normal_mixture import NormalMixture
from plausible.models.errors import UnknownName

__all__ = [
    "HETEROSCEDASTIC",
    "INVERSE_SINE",
    "INVERSE_WAVE",
    "NoisyCurve",
    "NoisyInverse",
    "clusters",
    "clusters_density",
    "problem",
    "ring",
    "ring_density",
]

_GRID = 4000
_NORMAL_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)


@dataclass(frozen=True)
class NoisyInverse:
    r"""An inverse problem: the cause t is uniform, x is a function of it and noise, t is sought.

    .. math:: t \sim U(a, b), \qquad x = f(t) + \epsilon

    Where f takes a value at several places, p(t given x) has several peaks.

    Attributes:
        curve: f.
        low, high: a and b.
        noise: half-width of uniform noise, or standard deviation of normal noise.
        uniform: whether the noise is uniform.
    """

    curve: Callable[[Tensor], Tensor]
    low: float
    high: float
    noise: float
    uniform: bool

    def draw(self, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw x of shape (size, 1), and t of shape (size,)."""
        random = torch.Generator().manual_seed(seed)
        t = self.low + (self.high - self.low) * torch.rand(size, generator=random)
        if self.uniform:
            noise = 2 * torch.rand(size, generator=random) - 1
        else:
            noise = torch.randn(size, generator=random)
        return (self.curve(t) + self.noise * noise).unsqueeze(-1), t

    @property
    def floor(self) -> float:
        """Entropy of t given x: no model has a smaller mean negative log-likelihood, in nats."""
        return self._exact[0]

    @property
    def single_normal(self) -> float:
        """The best that one normal for each x can reach, in nats."""
        return self._exact[1]

    @property
    def least_squares(self) -> float:
        """The best that one normal of fixed width can reach, in nats."""
        return self._exact[2]

    @cached_property
    def _exact(self) -> tuple[float, float, float]:
        """By the midpoint rule in t and x, from p(x given t) alone."""
        t = _midpoints(self.low, self.high, _GRID)
        f = self.curve(t)
        reach = self.noise if self.uniform else 8 * self.noise
        x = _midpoints(float(f.min()) - reach, float(f.max()) + reach, _GRID)
        step = float(x[1] - x[0])
        within = float(t[1] - t[0]) ** 2 / 12  # variance inside a cell of the grid
        totals: list[Tensor] = []
        for part in x.split(500):
            apart = (part.unsqueeze(-1) - f) / self.noise
            if self.uniform:
                weight = (apart.abs() <= 1).double() / (2 * self.noise)
            else:
                weight = (-0.5 * apart**2).exp() / (self.noise * math.sqrt(2 * math.pi))
            mass = weight.mean(-1)
            mean = (weight * t).mean(-1) / mass
            variance = (weight * (t - mean.unsqueeze(-1)) ** 2).mean(-1) / mass + within
            seen = mass > 0
            spread = variance.clamp(min=torch.finfo(mass.dtype).tiny)
            surprise = -mass * mass.log()
            totals.append(
                torch.stack(
                    [
                        torch.where(seen, surprise, 0.0).sum(),
                        torch.where(seen, mass * spread.log(), 0.0).sum(),
                        torch.where(seen, mass * variance, 0.0).sum(),
                    ]
                )
            )
        entropy, log_variance, variance_mean = (step * torch.stack(totals).sum(0)).tolist()
        noise = math.log(2 * self.noise) if self.uniform else _NORMAL_ENTROPY + math.log(self.noise)
        return (
            math.log(self.high - self.low) + noise - entropy,
            _NORMAL_ENTROPY + 0.5 * log_variance,
            _NORMAL_ENTROPY + 0.5 * math.log(variance_mean),
        )


INVERSE_SINE = NoisyInverse(
    lambda t: t + 0.3 * torch.sin(2 * math.pi * t), 0.0, 1.0, noise=0.1, uniform=True
)
"""Bishop's inverse problem (Mixture Density Networks, 1994, section 5)."""

INVERSE_WAVE = NoisyInverse(
    lambda t: 7 * torch.sin(0.75 * t) + 0.5 * t, -10.5, 10.5, noise=1.0, uniform=False
)
"""A wave with up to seven causes for one effect."""


@dataclass(frozen=True)
class NoisyCurve:
    r"""A curve with noise whose width depends on the place: :math:`y \sim N(f(x), s(x)^2)`.

    Inputs are uniform on (0, 1).

    Attributes:
        curve: f.
        scale: s.
    """

    curve: Callable[[Tensor], Tensor]
    scale: Callable[[Tensor], Tensor]

    def draw(self, size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Draw x of shape (size, 1), and y of shape (size,)."""
        random = torch.Generator().manual_seed(seed)
        x = torch.rand(size, generator=random)
        return x.unsqueeze(-1), self.curve(x) + self.scale(x) * torch.randn(size, generator=random)

    @property
    def floor(self) -> float:
        """Entropy of y given x, in nats."""
        return _NORMAL_ENTROPY + float(self.scale(_midpoints(0.0, 1.0, _GRID)).log().mean())

    @property
    def fixed_scale(self) -> float:
        """The best that a normal of fixed width can reach, in nats."""
        variance = self.scale(_midpoints(0.0, 1.0, _GRID)).square().mean()
        return _NORMAL_ENTROPY + 0.5 * math.log(float(variance))


HETEROSCEDASTIC = NoisyCurve(
    lambda x: torch.sin(2 * math.pi * x), lambda x: 0.05 + 0.45 * torch.sin(math.pi * x) ** 4
)
"""One period of a sine, with noise that is ten times as wide in the middle as at the ends."""


def clusters(size: int, seed: int = 0) -> Tensor:
    """Points in the plane in four clusters far apart, shape (size, 2)."""
    return _drawn(clusters_density(), size, seed)


def clusters_density() -> NormalMixture:
    """The density of `clusters`: four normals of different weight and width, none in the middle."""
    centres = [[-3.0, -2.0], [-2.5, 2.5], [3.0, 2.2], [2.6, -2.4]]
    scales = [[0.5, 0.35], [0.4, 0.4], [0.45, 0.3], [0.35, 0.45]]
    weights = torch.tensor([0.3, 0.25, 0.2, 0.25])
    return NormalMixture(weights.log(), torch.tensor(centres), torch.tensor(scales))


def ring(size: int, seed: int = 0) -> Tensor:
    """Points of eight narrow normals on a circle, shape (size, 2)."""
    return _drawn(ring_density(), size, seed)


def ring_density() -> NormalMixture:
    """The density of `ring`: radius 2, standard deviation .02, equal weights."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    centres = 2 * torch.stack([angles.cos(), angles.sin()], dim=-1)
    return NormalMixture(torch.zeros(8), centres, torch.full((1, 2), 0.02))


def _drawn(density: NormalMixture, size: int, seed: int) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return density.sample((size,))


def _midpoints(low: float, high: float, count: int) -> Tensor:
    return low + (high - low) * (torch.arange(count, dtype=torch.double) + 0.5) / count


PROBLEMS = {"sine": INVERSE_SINE, "wave": INVERSE_WAVE}


def problem(name: str) -> NoisyInverse:
    """The inverse problem of that name.

    Raises:
        UnknownName: for another name.
    """
    if name not in PROBLEMS:
        raise UnknownName("problem", name, PROBLEMS)
    return PROBLEMS[name]
