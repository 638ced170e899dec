"""Exact posteriors of rates and shares from counts, and what follows from them by their draws."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from plausible.fairness.estimation.doubt import doubt
from plausible.fairness.estimation.estimates import DRAWS, TAILS, Cases, Estimate, centre, estimate
from plausible.inference.errors import DataError

__all__ = ["PRIORS", "Draws", "Prior", "Rates", "inference_data", "shares", "under_priors"]

Array = NDArray[np.float64]
_POINTS = 2000  # of the quadrature over one rate; ten times more move no interval by 1e-5
_LOG_RATIOS = (-700.0, 700.0)  # beyond them a ratio is 0 or infinite


@dataclass(frozen=True)
class Prior:
    """A Beta prior of a rate: as if `events` and `others` had been seen before.

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


def under_priors(headline: Callable[[Prior], Estimate]) -> dict[str, Estimate]:
    """A number under each of `PRIORS`, by the name and parameters of the prior."""
    return {f"{name} {prior}": headline(prior) for name, prior in PRIORS.items()}


class Rates:
    r"""Independent exact posteriors of a rate in each group.

    .. math:: \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g)

    Args:
        events: k, shape (groups,).
        trials: n, the same shape. No trials leave the prior.
        prior: Beta(a, b) of every group.
        seed: of the draws.
        names: of the groups; without them estimates name no group.

    Raises:
        DataError: unless 0 <= events <= trials.
    """

    def __init__(
        self,
        events: ArrayLike,
        trials: ArrayLike,
        prior: Prior = PRIORS["uniform"],
        seed: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        k, n = np.asarray(events, dtype=np.float64), np.asarray(trials, dtype=np.float64)
        if k.shape != n.shape or k.ndim != 1 or (k < 0).any() or (k > n).any():
            raise DataError(f"Rates need 0 <= events <= trials for each group, but got {k} of {n}.")
        self.prior, self.seed, self.names = prior, seed, names
        self.events, self.trials = k, n
        self.a, self.b = prior.events + k, prior.others + n - k

    def draws_of(self, i: int) -> Array:
        """Draws of one group's rate, shape (DRAWS,), the same whatever other groups there are."""
        random = np.random.default_rng([self.seed, i])
        return random.beta(self.a[i], self.b[i], size=DRAWS)

    @cached_property
    def draws(self) -> Array:
        """Draws of all groups' rates, shape (DRAWS, groups): for many groups use `draws_of`."""
        return np.stack([self.draws_of(i) for i in range(len(self.a))], axis=1)

    def counted(self, i: int, j: int) -> float:
        """The share that was counted in group i minus that in group j, without the prior."""
        events = self.a - self.prior.events
        trials = np.maximum(events + self.b - self.prior.others, 1)
        return float(events[i] / trials[i] - events[j] / trials[j])

    @property
    def known(self) -> int:
        """How many groups have trials."""
        return int((self.trials > 0).sum())

    def size(self, i: int) -> float:
        """The trials of group i."""
        return float(self.trials[i])

    def doubt(self, i: int, j: int) -> float:
        """Probability of the side that was not counted, by the prior most against the other."""
        high, low = (i, j) if self.counted(i, j) > 0 else (j, i)
        return doubt(*((self.events[g], self.trials[g]) for g in (high, low)))

    def estimate(self, quantity: str, i: int, words: str = "") -> Estimate:
        """The rate of group i: exact mean and exact central interval."""
        low, middle, high = special.betaincinv(self.a[i], self.b[i], TAILS).tolist()
        value = centre(float(self.a[i] / (self.a[i] + self.b[i])), low, middle, high)
        return Estimate(quantity, value, low, high, words=words, **self.address(i))

    def difference(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        r"""Rate of group i minus rate of group j, exactly.

        .. math:: P(\theta_i - \theta_j \le t) = \int F_i(t + y)\, f_j(y)\, dy
        """

        other = self.points(j)

        def below(t: float) -> float:
            return self._mean_below(i, t + other)

        low, high = (optimize.brentq(_above(below, p), -1, 1) for p in (TAILS[0], TAILS[2]))
        mean = self.a / (self.a + self.b)
        value, above = float(mean[i] - mean[j]), 1 - below(0.0)
        if not low <= value <= high:
            value = optimize.brentq(_above(below, TAILS[1]), low, high)
        return Estimate(
            quantity, value, low, high, "difference", above=above, words=words, **self.address(i, j)
        )

    def ratio(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        r"""Rate of group i over rate of group j, exactly; its value is the median.

        .. math:: P(\theta_i / \theta_j \le r) = \int F_i(r y)\, f_j(y)\, dy
        """

        other = self.points(j)
        return self.ratio_of(quantity, i, j, lambda log_r: np.exp(log_r) * other, words)

    def ratio_below(self, i: int, j: int, r: float) -> float:
        """The probability that rate i is at most r times rate j, exactly."""
        return self._mean_below(i, r * self.points(j))

    def ratio_of(
        self, quantity: str, i: int, j: int, bounds: Callable[[float], Array], words: str = ""
    ) -> Estimate:
        """A ratio of two groups, whose logarithm is below t where rate i is below `bounds(t)`."""

        def below(log_r: float) -> float:
            return self._mean_below(i, bounds(log_r))

        low, value, high = (_ratio_at(_above(below, p)) for p in TAILS)
        above = 1 - below(0.0)
        return Estimate(
            quantity, value, low, high, "ratio", above=above, words=words, **self.address(i, j)
        )

    def address(self, i: int, j: int | None = None) -> dict[str, Any]:
        """The groups of an estimate, their counts, and how these differ."""
        of = _groups(self.names, i, j) | {"counts": self.cases(i, j)}
        if j is None:
            return of
        return of | {"counted": self.counted(i, j), "doubt": self.doubt(i, j)}

    def cases(self, *groups: int | None) -> tuple[Cases, ...]:
        """Events and trials of each of these groups; None is left out."""
        return tuple(
            Cases(_whole(self.events[i]), _whole(self.trials[i])) for i in groups if i is not None
        )

    def points(self, i: int) -> Array:
        """Equally likely values of rate i."""
        return special.betaincinv(self.a[i], self.b[i], (np.arange(_POINTS) + 0.5) / _POINTS)

    def _mean_below(self, i: int, bounds: Array) -> float:
        """P(rate i <= bound), averaged over the bounds."""
        return float(special.betainc(self.a[i], self.b[i], bounds.clip(0, 1)).mean())


class Draws:
    """Draws of a quantity of each group, which answer the same questions as `Rates`.

    Args:
        draws: by the index of the group.
        names: of all groups.
        counts: the rates that the quantity grows with, where it rests on counts.
    """

    def __init__(
        self, draws: Mapping[int, Array], names: Sequence[str], counts: Rates | None = None
    ) -> None:
        self.draws, self.names, self._counts = draws, names, counts

    def draws_of(self, i: int) -> Array:
        """Draws of one group, shape (DRAWS,)."""
        return self.draws[i]

    def estimate(self, quantity: str, i: int, words: str = "") -> Estimate:
        """The share of group i."""
        counts = () if self._counts is None else self._counts.cases(i)
        of = _groups(self.names, i) | {"counts": counts}
        return estimate(quantity, self.draws[i], words=words, **of)

    def difference(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        """Group i minus group j."""
        gap = self.draws[i] - self.draws[j]
        return estimate(quantity, gap, "difference", words=words, **self._address(i, j))

    def ratio(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        """Group i over group j."""
        quotient = self.draws[i] / self.draws[j]
        return estimate(quantity, quotient, "ratio", words=words, **self._address(i, j))

    @property
    def known(self) -> int:
        """How many groups have the quantity, or trials where it rests on counts."""
        return len(self.draws) if self._counts is None else self._counts.known

    def size(self, i: int) -> float | None:
        """The trials of group i; None where the quantity does not rest on counts."""
        return None if self._counts is None else self._counts.size(i)

    def _address(self, i: int, j: int) -> dict[str, Any]:
        return _groups(self.names, i, j) if self._counts is None else self._counts.address(i, j)


def _groups(names: Sequence[str], i: int, j: int | None = None) -> dict[str, Any]:
    """The group and the reference of an estimate, where they have names."""
    at = {"group": i, "reference": j} if names else {}
    return {key: names[index] for key, index in at.items() if index is not None}


def _whole(x: float) -> float:
    """An int where the number is whole, so that it is written as one."""
    return int(x) if float(x).is_integer() else float(x)


def _ratio_at(above: Callable[[float], float]) -> float:
    """The ratio at whose logarithm this crosses zero."""
    low, high = _LOG_RATIOS
    if above(low) >= 0:
        return 0.0
    return float(np.exp(optimize.brentq(above, low, high))) if above(high) > 0 else np.inf


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


def inference_data(draws: Mapping[str, Array], **coords: Sequence[str]) -> Any:
    """Independent draws as ArviZ data, in four chains.

    Args:
        draws: by name, of shape (DRAWS,) or (DRAWS, names of a dimension).
        coords: names along the second dimension, such as group=["a", "b"]; where there are several
            dimensions, one for each of the draws.
    """
    import arviz as az

    chained = {name: x.reshape(4, -1, *x.shape[1:]) for name, x in draws.items()}
    of = list(coords) if len(coords) > 1 else list(coords) * len(draws)
    dims = {name: [dim] for name, dim in zip(draws, of, strict=False)}
    return az.from_dict(posterior=chained, dims=dims, coords=dict(coords))
