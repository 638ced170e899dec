"""Exact posteriors of rates and shares from counts, and what follows from them by their draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import arviz as az
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from plausible.fairness.estimation.estimates import DRAWS, LEVEL, Estimate
from plausible.inference.errors import DataError

__all__ = ["PRIORS", "Prior", "Rates", "inference_data", "shares"]

Array = NDArray[np.float64]
_POINTS = 2000  # of the quadrature over one rate; ten times as many move no interval by 1e-5
_LOG_RATIOS = (-60.0, 60.0)


@dataclass(frozen=True)
class Prior:
    """A Beta prior of a rate: as if so many events and non-events had been seen before.

    Attributes:
        events: first parameter, above 0.
        others: second parameter, above 0.
    """

    events: float = 1.0
    others: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.events < np.inf and 0 < self.others < np.inf):
            raise DataError(f"A Beta prior needs two positive numbers, but got {self}.")

    def __str__(self) -> str:
        return f"Beta({self.events:g}, {self.others:g})"


# The priors that a line on sensitivity goes through.
PRIORS: Mapping[str, Prior] = {
    "uniform": Prior(1, 1),
    "Jeffreys": Prior(0.5, 0.5),
    "doubtful of extremes": Prior(2, 2),
}


class Rates:
    r"""Independent exact posteriors of a rate in each group.

    .. math:: \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g)

    Args:
        events: k, shape (groups,).
        trials: n, the same shape. No trials leave the prior.
        prior: Beta(a, b) of every group.
        seed: of the draws.

    Raises:
        DataError: unless 0 <= events <= trials.
    """

    def __init__(
        self, events: ArrayLike, trials: ArrayLike, prior: Prior = PRIORS["uniform"], seed: int = 0
    ) -> None:
        k, n = np.asarray(events, dtype=np.float64), np.asarray(trials, dtype=np.float64)
        if k.shape != n.shape or k.ndim != 1 or (k < 0).any() or (k > n).any():
            raise DataError(f"Rates need 0 <= events <= trials for each group, but got {k} of {n}.")
        self.prior, self.seed = prior, seed
        self.a, self.b = prior.events + k, prior.others + n - k

    def draws_of(self, i: int) -> Array:
        """Draws of one group's rate, shape (DRAWS,), the same whatever other groups there are."""
        random = np.random.default_rng([self.seed, i])
        return random.beta(self.a[i], self.b[i], size=DRAWS)

    @cached_property
    def draws(self) -> Array:
        """Draws of all groups' rates, shape (DRAWS, groups): for many groups use `draws_of`."""
        return np.stack([self.draws_of(i) for i in range(len(self.a))], axis=1)

    def estimate(self, label: str, i: int, *, level: float = LEVEL) -> Estimate:
        """The rate of group i: exact mean and exact central interval."""
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        low, high = special.betaincinv(self.a[i], self.b[i], tails)
        mean = self.a[i] / (self.a[i] + self.b[i])
        return Estimate(label, float(mean), float(low), float(high), "share", level)

    def difference(self, label: str, i: int, j: int, *, level: float = LEVEL) -> Estimate:
        r"""Rate of group i minus rate of group j, exactly.

        .. math:: P(\theta_i - \theta_j \le t) = \int F_i(t + y)\, f_j(y)\, dy
        """

        other = self._points(j)

        def below(t: float) -> float:
            return self._mean_below(i, t + other)

        low, high = (optimize.brentq(_above(below, p), -1, 1) for p in _tails(level))
        mean = self.a / (self.a + self.b)
        value = float(mean[i] - mean[j])
        return Estimate(label, value, low, high, "difference", level, 1 - below(0.0))

    def ratio(self, label: str, i: int, j: int, *, level: float = LEVEL) -> Estimate:
        r"""Rate of group i over rate of group j, exactly; its value is the median.

        .. math:: P(\theta_i / \theta_j \le r) = \int F_i(r y)\, f_j(y)\, dy
        """

        other = self._points(j)

        def below(log_r: float) -> float:
            return self._mean_below(i, np.exp(log_r) * other)

        low, value, high = (
            float(np.exp(optimize.brentq(_above(below, p), *_LOG_RATIOS)))
            for p in (_tails(level)[0], 0.5, _tails(level)[1])
        )
        return Estimate(label, value, low, high, "ratio", level, 1 - below(0.0))

    def _points(self, i: int) -> Array:
        """Equally likely values of rate i."""
        return special.betaincinv(self.a[i], self.b[i], (np.arange(_POINTS) + 0.5) / _POINTS)

    def _mean_below(self, i: int, bounds: Array) -> float:
        """P(rate i <= bound), averaged over the bounds."""
        return float(special.betainc(self.a[i], self.b[i], bounds.clip(0, 1)).mean())


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2


def _above(below: Callable[[float], float], p: float) -> Callable[[float], float]:
    return lambda t: below(t) - p


def shares(counts: ArrayLike, prior: float = 1.0, seed: int = 0) -> Array:
    r"""Draws of the shares of several kinds under a Dirichlet posterior.

    .. math:: \pi \mid k \sim \mathrm{Dirichlet}(\alpha + k)

    Args:
        counts: k, shape (kinds,).
        prior: α, the same for every kind.
        seed: of the draws.

    Returns:
        Shape (DRAWS, kinds).
    """
    return np.random.default_rng(seed).dirichlet(prior + np.asarray(counts, float), size=DRAWS)


def inference_data(
    draws: Mapping[str, Array],
    dims: Mapping[str, list[str]] | None = None,
    coords: Mapping[str, list[str]] | None = None,
) -> az.InferenceData:
    """Independent draws as ArviZ data, in four chains.

    Args:
        draws: by name, each of shape (DRAWS, ...).
        dims: names of the dimensions after the first, by name of the draws.
        coords: names along each dimension.
    """
    chained = {name: x.reshape(4, -1, *x.shape[1:]) for name, x in draws.items()}
    return az.from_dict(posterior=chained, dims=dict(dims or {}), coords=dict(coords or {}))
