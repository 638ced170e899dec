"""Exact posteriors of rates and shares from counts, and what follows from them by their draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import arviz as az
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from plausible.fairness.estimates import DRAWS, LEVEL, Estimate
from plausible.inference.errors import DataError

__all__ = ["PRIORS", "Prior", "Rates", "inference_data", "shares"]

Array = NDArray[np.float64]


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

    Attributes:
        draws: shape (DRAWS, groups), the same for equal arguments.
    """

    def __init__(
        self, events: ArrayLike, trials: ArrayLike, prior: Prior = PRIORS["uniform"], seed: int = 0
    ) -> None:
        k, n = np.asarray(events, dtype=np.float64), np.asarray(trials, dtype=np.float64)
        if k.shape != n.shape or k.ndim != 1 or (k < 0).any() or (k > n).any():
            raise DataError(f"Rates need 0 <= events <= trials for each group, but got {k} of {n}.")
        self.prior = prior
        self.distribution = stats.beta(prior.events + k, prior.others + n - k)
        random = np.random.default_rng(seed)
        self.draws: Array = random.beta(
            prior.events + k, prior.others + n - k, size=(DRAWS, len(k))
        )

    def estimate(self, label: str, i: int, *, level: float = LEVEL) -> Estimate:
        """The rate of one group: exact mean and exact central interval."""
        tails = (1 - level) / 2
        mean, low, high = (
            np.atleast_1d(x)[i]
            for x in (
                self.distribution.mean(),
                self.distribution.ppf(tails),
                self.distribution.ppf(1 - tails),
            )
        )
        return Estimate(label, float(mean), float(low), float(high), "share", level)


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
