"""How far two counts leave it open which rate is higher, whatever the prior."""

import numpy as np
from scipy import special

__all__ = ["doubt"]

_SCORES = np.linspace(-8, 8, 601)  # normal scores, for probabilities far out


def doubt(high: tuple[float, float], low: tuple[float, float]) -> float:
    r"""Probability that rates lie the other way round than the shares that were counted.

    Of all priors the one is taken that speaks most against the counted side. For k / n above l / m

    .. math:: P(\theta \le \phi), \quad \theta \sim \mathrm{Beta}(k,\; n - k + 1), \quad
              \phi \sim \mathrm{Beta}(l + 1,\; m - l)

    which is the one-sided p-value of Fisher's exact test: where the rates are equal, it is small no
    more often than it says, however few the cases are.

    Args:
        high: events and trials, k and n, of the group with the higher share.
        low: those of the other one, l and m.

    Source: Altham, Exact Bayesian analysis of a 2 x 2 contingency table, and Fisher's "exact"
    significance test (1969).
    """
    (k, n), (other, m) = high, low
    if k <= 0 or other >= m:
        return 1.0
    shares, density = special.ndtr(_SCORES), np.exp(-(_SCORES**2) / 2)
    below = special.betaincinv(other + 1, m - other, shares)
    return float(np.average(special.betainc(k, n - k + 1, below), weights=density))
