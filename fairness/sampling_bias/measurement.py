"""Use, detection and arrests: what counts of arrests say about use, on an exact grid (G2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import Prior
from plausible.fairness.estimation.rounded import CountedRate, Rate
from plausible.inference.errors import DataError

__all__ = ["ANY_ORDER", "LogUniform", "Measurement", "contraction"]

Array = NDArray[np.float64]
_USE_POINTS, _ARREST_POINTS = 1500, 400  # doubling both moves no interval by 0.001 of its width
_TAIL = 1e-9  # probability beyond each end of the grid
_SMALLEST = 1e-15


@dataclass(frozen=True)
class LogUniform:
    r"""A prior of a rate of which not even the order of magnitude is known.

    .. math:: p(d) = \frac{1}{d \ln(1 / \ell)}, \quad \ell \le d \le 1

    Attributes:
        low: ℓ, the smallest rate that is possible.

    Raises:
        DataError: unless 0 < low < 1.
    """

    low: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.low < 1:
            raise DataError(f"The smallest rate lies between 0 and 1, but got {self.low:g}.")

    def density(self, rate: Array) -> Array:
        """The prior density at each rate, 0 outside of its range."""
        inside = (rate >= self.low) & (rate <= 1)
        return np.where(inside, 1 / np.where(inside, rate, 1) / -np.log(self.low), 0.0)

    def __str__(self) -> str:
        return f"uniform in its logarithm from {np.format_float_positional(self.low)} to 1"


ANY_ORDER = LogUniform()


class Measurement:
    r"""Posterior of use u and of detection d in one group, by numerical integration.

    .. math:: p(u, d \mid \text{data}) \propto p(u)\, p(d)\, L_\text{arrests}(u d)\,
              L_\text{survey}(u)

    A case of use leads to an arrest with probability d; nobody else is arrested. The integral runs
    over use and arrests, u and ud, on grids that are even in their log-odds.

    Args:
        arrests: counts or the published rate of arrests.
        survey: counts or the published rate of people who say that they use; None without one.
        use: prior of u.
        detection: prior of d.

    Raises:
        DataError: if the survey leaves hardly any use as high as the rate of arrests.
    """

    def __init__(
        self, arrests: Rate, survey: Rate | None, use: Prior, detection: Prior | LogUniform
    ) -> None:
        self.prior, self.detection = use, detection
        tails = special.betaincinv(use.events, use.others, np.array([_TAIL, 1 - _TAIL]))
        low, high = (tails[0], tails[1]) if survey is None else _within(tails, survey)
        self._u, self._u_step = _grid(low, high, _USE_POINTS)
        low, high = _range(arrests)
        self._p, self._p_step = _grid(low, high, _ARREST_POINTS)
        seen = np.zeros(len(self._u)) if survey is None else _log_likelihood(survey, self._u)
        # Whole densities of u and of ud on their log-odds, up to a constant.
        self._of_use = _density(use, self._u) * self._u * (1 - self._u) * np.exp(seen - seen.max())
        likely = _log_likelihood(arrests, self._p)
        of_arrests = np.exp(likely - likely.max()) * self._p * (1 - self._p)
        d = self._p[None] / self._u[:, None]
        of_detection = np.where(d <= 1, _density(detection, np.minimum(d, 1)), 0) / self._u[:, None]
        possible = (self._of_use[:, None] * of_arrests[None] * (d <= 1)).sum()
        if possible < 1e-3 * self._of_use.sum() * of_arrests.sum():
            raise DataError(
                "The survey and the arrests contradict each other: the chance that use is as "
                f"common as arrests is below 1 in 1,000 (arrests: {arrests}; survey: {survey}). "
                "Arrests must count users, each once, and both must be of the same people and "
                "time."
            )
        weights = self._of_use[:, None] * of_arrests[None] * of_detection
        if not weights.sum() > 0:
            raise DataError(
                f"No detection that the prior allows ({detection}) fits these arrests: {arrests}."
            )
        self.weights = weights / weights.sum()

    def prior_given_arrests(self) -> tuple[float, float]:
        """Mean and variance of use if all that arrests said were that use is no rarer than they."""
        rate = float(self.weights.sum(0) @ self._p)
        kept = self._of_use * (self._u >= rate)
        return _moments(self._u, kept)

    def moments(self) -> tuple[float, float]:
        """Posterior mean and variance of use."""
        return _moments(self._u, self.weights.sum(1))

    def draws(self, seed: int, index: int) -> tuple[Array, Array]:
        """Draws of use and of detection, each of shape (DRAWS,).

        Args:
            seed: of the analysis.
            index: of the group, so that no two groups share their draws.
        """
        random = np.random.default_rng([seed, index])
        total = self.weights.ravel().cumsum()
        even = (random.permutation(DRAWS) + random.uniform(size=DRAWS)) / DRAWS
        cell = np.minimum(np.searchsorted(total, even * total[-1]), len(total) - 1)
        i, j = np.unravel_index(cell, self.weights.shape)
        jitter = random.uniform(-0.5, 0.5, size=(2, DRAWS))
        u = special.expit(special.logit(self._u[i]) + self._u_step * jitter[0])
        p = special.expit(special.logit(self._p[j]) + self._p_step * jitter[1])
        return u, np.minimum(p / u, 1.0)


def contraction(posterior: float, prior: float) -> float:
    r"""How much of a prior variance the data took away: 0 none, 1 all; 0 where there was none.

    .. math:: 1 - \frac{\mathrm{Var}(u \mid \text{data})}{\mathrm{Var}(u)}

    Source: Betancourt, Towards a principled Bayesian workflow (2020), section 1.4.3.
    """
    return 1 - posterior / prior if prior > 0 else 0.0


def _grid(low: float, high: float, points: int) -> tuple[Array, float]:
    """Midpoints of cells of even width in log-odds, and that width."""
    ends = special.logit(np.clip([low, high], _SMALLEST, 1 - _SMALLEST))
    step = (ends[1] - ends[0]) / points
    if step == 0:
        return np.array([np.clip(low, _SMALLEST, 1 - _SMALLEST)]), 0.0
    return special.expit(ends[0] + step * (np.arange(points) + 0.5)), float(step)


def _range(rate: Rate) -> tuple[float, float]:
    """Where the likelihood of a published rate is not negligible."""
    if isinstance(rate, CountedRate):
        a, b = rate.events + 1, rate.trials - rate.events + 1
        low, high = special.betaincinv(a, b, np.array([_TAIL, 1 - _TAIL]))
        return float(low), float(high)
    return rate.low - 6 * rate.error, rate.high + 6 * rate.error


def _within(tails: Array, survey: Rate) -> tuple[float, float]:
    low, high = _range(survey)
    return max(low, float(tails[0])), min(high, float(tails[1]))


def _log_likelihood(rate: Rate, at: Array) -> Array:
    """Log-likelihood of a rate at each value, up to a constant."""
    if isinstance(rate, CountedRate):
        return special.xlogy(rate.events, at) + special.xlog1py(rate.trials - rate.events, -at)
    if rate.error == 0 or rate.low == rate.high:
        return (
            np.zeros_like(at) if rate.error == 0 else stats.norm.logpdf(at, rate.value, rate.error)
        )
    low, high = ((at - end) / rate.error for end in (rate.high, rate.low))
    return np.log(np.maximum(special.ndtr(high) - special.ndtr(low), 1e-300))


def _density(prior: Prior | LogUniform, rate: Array) -> Array:
    if isinstance(prior, LogUniform):
        return prior.density(rate)
    a, b = prior.events, prior.others
    logarithm = special.xlogy(a - 1, rate) + special.xlog1py(b - 1, -rate) - special.betaln(a, b)
    return np.asarray(np.exp(logarithm))


def _moments(x: Array, weights: Array) -> tuple[float, float]:
    mean = float(weights @ x / weights.sum())
    return mean, float(weights @ (x - mean) ** 2 / weights.sum())
