"""Rates as they are published: with their counts, or only rounded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates
from plausible.inference.errors import DataError

__all__ = ["CountedRate", "Rate", "RoundedRate"]


@dataclass(frozen=True)
class RoundedRate:
    r"""A rate without its counts: rounded, and perhaps from a sample.

    .. math:: \theta = r + e, \quad r \sim U(v - \delta/2,\; v + \delta/2), \quad
              e \sim N(0, s^2), \quad 0 \le \theta \le 1

    Attributes:
        value: v, the published rate as a share from 0 to 1, such as 0.14.
        rounding: δ, the step that it was rounded to, such as 0.01 for whole per cent.
        error: s, the standard error of the survey behind it.

    Raises:
        DataError: for a rate outside of 0 to 1, or a negative rounding or error.
    """

    value: float
    rounding: float = 0.0
    error: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise DataError(
                f"A rate is a share from 0 to 1, but got {self.value:g}. Divide per cent by 100, "
                "and rates per 100,000 by 100,000."
            )
        if not (0 <= self.rounding < np.inf and 0 <= self.error < np.inf):
            raise DataError(
                f"Rounding and error are 0 or more, but got {self.rounding:g} and {self.error:g}."
            )

    @property
    def low(self) -> float:
        """The smallest rate that rounds to `value`."""
        return max(self.value - self.rounding / 2, 0.0)

    @property
    def high(self) -> float:
        """The largest rate that rounds to `value`."""
        return min(self.value + self.rounding / 2, 1.0)

    def draws(self, seed: int, index: int) -> NDArray[np.float64]:
        """Draws of the rate, shape (DRAWS,).

        Args:
            seed: of the analysis.
            index: of this rate in it, so that no two rates share their draws.
        """
        random = np.random.default_rng([seed, index])
        rounded = random.uniform(self.low, self.high, size=DRAWS)
        if self.error == 0:
            return rounded
        ends = (-rounded / self.error, (1 - rounded) / self.error)
        noise = stats.truncnorm.rvs(*ends, scale=self.error, size=DRAWS, random_state=random)
        return np.clip(rounded + noise, 0, 1)

    def __str__(self) -> str:
        text = f"{100 * self.value:.4g} %"
        if self.rounding:
            text += f", rounded to the nearest {100 * self.rounding:.4g} %"
        if self.error:
            points = 100 * self.error
            text += f", standard error {points:.4g} point{'s' * (points != 1)}"
        return text


@dataclass(frozen=True)
class CountedRate:
    """A rate with its counts and their exact posterior.

    Attributes:
        events: cases that count.
        trials: all cases.
        prior: of the rate.

    Raises:
        DataError: unless 0 <= events <= trials and trials is at least 1.
    """

    events: int
    trials: int
    prior: Prior = PRIORS["uniform"]

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.trials or self.trials < 1:
            raise DataError(
                f"A rate needs 0 <= events <= trials and a trial, but got {self.events} of "
                f"{self.trials}."
            )

    @property
    def value(self) -> float:
        """The share that was counted."""
        return self.events / self.trials

    @property
    def low(self) -> float:
        """The same: a count is not rounded."""
        return self.value

    @property
    def high(self) -> float:
        """The same: a count is not rounded."""
        return self.value

    def draws(self, seed: int, index: int) -> NDArray[np.float64]:
        """Draws of the rate, shape (DRAWS,); see `RoundedRate.draws`."""
        exact = Rates([self.events], [self.trials], self.prior)
        random = np.random.default_rng([seed, index])
        return random.beta(exact.a[0], exact.b[0], size=DRAWS)

    def __str__(self) -> str:
        return f"{self.events:,} of {self.trials:,}"


Rate = RoundedRate | CountedRate
