"""Exact posteriors of what a practice costs: in vain for each hit, and once in a lifetime (G15)."""

import numpy as np
from scipy import optimize, special

from plausible.fairness.estimation.estimates import LEVEL, Estimate
from plausible.fairness.estimation.posteriors import Rates

__all__ = ["in_a_lifetime", "odds_ratio", "per_hit"]

_POINTS = 2000  # of the quadrature over the second group's rate
_LOG_RATIOS = (-60.0, 60.0)


def per_hit(label: str, hit_rate: Rates, i: int, *, level: float = LEVEL) -> Estimate:
    r"""People searched in vain for each hit, exactly.

    .. math:: (1 - h) / h, \quad h \sim \mathrm{Beta}(a, b), \quad
              E\,[(1 - h) / h] = b / (a - 1)

    The value is the mean, or the median where there is no finite mean (a at most 1).
    """
    a, b = hit_rate.a[i], hit_rate.b[i]
    high, middle, low = 1 / special.betaincinv(a, b, [(1 - level) / 2, 0.5, (1 + level) / 2]) - 1
    value = b / (a - 1) if a > 1 else middle
    return Estimate(label, float(value), float(low), float(high), "count", level)


def odds_ratio(label: str, rates: Rates, i: int, j: int, *, level: float = LEVEL) -> Estimate:
    r"""The odds of group i over the odds of group j, exactly; its value is the median.

    .. math:: P\!\left(\frac{o_i}{o_j} \le r\right) =
              \int F_i\!\left(\frac{r\, o(y)}{1 + r\, o(y)}\right) f_j(y)\, dy, \quad
              o(y) = \frac{y}{1 - y}
    """
    y = special.betaincinv(rates.a[j], rates.b[j], (np.arange(_POINTS) + 0.5) / _POINTS)
    log_odds = special.logit(y)

    def below(log_r: float) -> float:
        x = special.expit(log_r + log_odds)
        return float(special.betainc(rates.a[i], rates.b[i], x).mean())

    def quantile(p: float) -> float:
        return float(np.exp(optimize.brentq(lambda t: below(t) - p, *_LOG_RATIOS)))

    low, value, high = (quantile(p) for p in ((1 - level) / 2, 0.5, (1 + level) / 2))
    return Estimate(label, value, low, high, "ratio", level, 1 - below(0.0))


def in_a_lifetime(label: str, rate: Rates, i: int, times: int) -> Estimate:
    """The chance of at least one event in so many trials, exactly: 1 - (1 - p)^n.

    Its value is the median: near 1 the mean can lie below the whole interval.
    """
    p = special.betaincinv(rate.a[i], rate.b[i], [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    low, value, high = -np.expm1(times * np.log1p(-p))
    return Estimate(label, float(value), float(low), float(high))
