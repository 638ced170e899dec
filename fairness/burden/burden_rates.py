"""Exact posteriors of what a practice costs: in vain for each hit, and once in a lifetime (G15)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.estimation.estimates import TAILS, Estimate, centre, estimate
from plausible.fairness.estimation.posteriors import Rates

__all__ = ["InVain", "Lifetimes"]


class InVain(Rates):
    """Rates of searches in vain, which answer with searches in vain for each hit."""

    def estimate(self, quantity: str, i: int, words: str = "") -> Estimate:
        r"""People of group i searched in vain for each hit, exactly.

        .. math:: (1 - h) / h, \quad h \sim \mathrm{Beta}(b, a), \quad
                  E\,[(1 - h) / h] = a / (b - 1)

        The value is the mean, or the median where there is no finite mean (b at most 1), or one
        beyond the interval.
        """
        a, b = self.a[i], self.b[i]
        high, middle, low = (1 / special.betaincinv(b, a, TAILS) - 1).tolist()
        value = centre(float(a / (b - 1)) if b > 1 else np.inf, low, middle, high)
        return Estimate(quantity, value, low, high, "count", words=words, **self.address(i))

    def ratio(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        r"""The odds of group i over the odds of group j, exactly; its value is the median.

        .. math:: P\!\left(\frac{o_i}{o_j} \le r\right) =
                  \int F_i\!\left(\frac{r\, o(y)}{1 + r\, o(y)}\right) f_j(y)\, dy, \quad
                  o(y) = \frac{y}{1 - y}
        """
        log_odds = special.logit(self.points(j))
        return self.ratio_of(quantity, i, j, lambda log_r: special.expit(log_r + log_odds), words)


class Lifetimes(Rates):
    """Rates, which answer with the chance of at least one event in n trials: 1 - (1 - p)^n.

    Args:
        times: n.
        given: of `Rates`.
    """

    def __init__(self, times: int, *given: Any) -> None:
        super().__init__(*given)
        self.times = times

    def estimate(self, quantity: str, i: int, words: str = "") -> Estimate:
        """The chance in group i, exactly.

        Its value is the median: near 1 the mean can lie below the whole interval.
        """
        rates = special.betaincinv(self.a[i], self.b[i], TAILS)
        low, value, high = self._chance(rates).tolist()
        return Estimate(quantity, value, low, high, words=words, **self.address(i))

    def difference(self, quantity: str, i: int, j: int, words: str = "") -> Estimate:
        """The chance in group i minus that in group j, by draws."""
        gap = self._chance(self.draws_of(i)) - self._chance(self.draws_of(j))
        return estimate(quantity, gap, "difference", words=words, **self.address(i, j))

    def _chance(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):  # a rate of 1
            return -np.expm1(self.times * np.log1p(-rate))
