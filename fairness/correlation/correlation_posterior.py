"""The exact posterior of a correlation (G7)."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.estimation.estimates import DRAWS, TAILS, Estimate
from plausible.inference.errors import DataError

__all__ = ["CORRELATION_PRIORS", "CorrelationPosterior", "pearson", "prior_in_words"]

Array = NDArray[np.float64]
_POINTS = 4000

# a of the prior (1 − ρ²)^(a − 1).
CORRELATION_PRIORS: Mapping[str, float] = {
    "uniform": 1.0,
    "reference": 0.0,
    "doubtful of extremes": 2.0,
}


def prior_in_words(a: float) -> str:
    """The prior with parameter a in words."""
    if a == 1:
        return "uniform from −1 to 1"
    return f"proportional to (1 − ρ²)^({a - 1:g})".replace("-", "−")


class CorrelationPosterior:
    r"""Posterior of the correlation ρ of two normal variables, from r in n rows.

    .. math:: p(\rho \mid r) \propto (1 - \rho^2)^{a - 1}\,
              \frac{(1 - \rho^2)^{(n - 1)/2}}{(1 - \rho r)^{n - 3/2}}\;
              {}_2F_1\Bigl(\tfrac12, \tfrac12; n - \tfrac12; \tfrac{1 + \rho r}{2}\Bigr)

    Means and logarithms of the scales have flat priors and are integrated out exactly; ρ is
    integrated on a grid that is even in artanh ρ.

    Args:
        r: correlation of the rows, between −1 and 1.
        rows: n, 3 or more.
        a: of the prior of ρ, 0 or more; 1 is uniform, 0 the reference prior.

    Raises:
        DataError: for fewer than 3 rows, a correlation of −1 or 1, or a negative a.

    Source: Jeffreys, Theory of Probability (1961), section 3.9; Berger and Sun, Objective priors
    for the bivariate normal model (2008), for the reference prior.
    """

    def __init__(self, r: float, rows: int, a: float = 1.0) -> None:
        if rows < 3:
            raise DataError(f"A correlation needs 3 rows or more, but there are {rows}.")
        if not -1 + 1e-12 < r < 1 - 1e-12:
            raise DataError(
                f"The correlation is {r:g}: one column follows exactly from the other, or has no "
                "variation, so that there is nothing to estimate."
            )
        if not 0 <= a < np.inf:
            raise DataError(f"The parameter of the prior is 0 or more, but got {a}.")
        self.r, self.rows, self.a = float(r), rows, a

    @cached_property
    def _grid(self) -> tuple[Array, Array]:
        """Ends of the cells in artanh ρ, and the probability below each."""
        middle, half = np.arctanh(self.r), min(18.0, 40 / np.sqrt(self.rows))
        ends = np.linspace(middle - half, middle + half, _POINTS + 1)
        z = (ends[1:] + ends[:-1]) / 2
        density = self.log_density(np.tanh(z)) - 2 * np.log(np.cosh(z))
        mass = np.exp(density - density.max())
        return ends, np.concatenate([[0.0], mass.cumsum() / mass.sum()])

    def log_density(self, rho: Array) -> Array:
        """Logarithm of the posterior density at ρ, up to a constant."""
        n, r = self.rows, self.r
        power = (n - 1) / 2 + self.a - 1
        inner = special.hyp2f1(0.5, 0.5, n - 0.5, (1 + rho * r) / 2)
        flat = np.log1p(-(rho**2).clip(max=1 - 1e-16))
        return np.asarray(power * flat - (n - 1.5) * np.log1p(-rho * r) + np.log(inner))

    def quantile(self, probability: ArrayLike) -> Array:
        """The value of ρ below which it lies with a probability."""
        ends, below = self._grid
        return np.asarray(
            np.tanh(np.interp(np.asarray(probability, dtype=np.float64), below, ends))
        )

    def below(self, rho: float) -> float:
        """Probability that the correlation is smaller than ρ."""
        ends, below = self._grid
        return float(np.interp(np.arctanh(rho), ends, below))

    def estimate(self, quantity: str = "correlation", words: str = "", group: str = "") -> Estimate:
        """Posterior mean and central interval."""
        ends, below = self._grid
        mean = float(np.tanh((ends[1:] + ends[:-1]) / 2) @ np.diff(below))
        low, _, high = self.quantile(TAILS).tolist()
        above = 1 - self.below(0.0)
        return Estimate(
            quantity, mean, low, high, "correlation", above=above, group=group, words=words
        )

    def under_priors(self) -> dict[str, Estimate]:
        """The estimate under each of `CORRELATION_PRIORS`."""
        return {
            name: CorrelationPosterior(self.r, self.rows, a).estimate()
            for name, a in CORRELATION_PRIORS.items()
        }

    def draws(self, seed: int) -> Array:
        """Draws of ρ, shape (DRAWS,)."""
        return self.quantile(np.random.default_rng(seed).uniform(size=DRAWS))


def pearson(x: Array, y: Array) -> float:
    """The correlation of two columns; nan where one has no variation.

    Args:
        x: shape (rows,).
        y: shape (rows,).
    """
    a, b = x - x.mean(), y - y.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    small = 1e-14 * max(float(np.abs(x).max()), 1e-300) * len(x) ** 0.5
    if np.sqrt(a @ a) <= small or scale == 0:
        return float("nan")
    return float(np.clip(a @ b / scale, -1, 1))
