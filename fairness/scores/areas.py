"""The area under the ROC curve from counts by value, and its posterior (G13)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.estimation.estimates import DRAWS, LEVEL, TAILS, Cases, Estimate

__all__ = ["Area", "area", "difference", "placements"]

Array = NDArray[np.float64]
_WIDTH = float(special.ndtri(TAILS[2]))
_FURTHER = 0.5  # cases of each kind that the prior adds


@dataclass(frozen=True)
class Area:
    r"""The posterior of an area: its log odds are normal.

    Attributes:
        value: where half of the posterior lies below.
        deviation: of the area itself.
        counted: the area of the rows alone.
        rows: with the outcome among all.
    """

    value: float
    deviation: float
    counted: float
    rows: Cases

    @property
    def _spread(self) -> float:
        return self.deviation / (self.value * (1 - self.value))

    def estimate(self, quantity: str, **address: Any) -> Estimate:
        """With its interval; it rests on rows with the outcome among all."""
        centre, half = special.logit(self.value), _WIDTH * self._spread
        low, high = special.expit([centre - half, centre + half]).tolist()
        of: dict[str, Any] = {"level": LEVEL, "counts": (self.rows,)}
        return Estimate(quantity, self.value, low, high, **of, **address)

    def draws(self, random: np.random.Generator) -> Array:
        """Shape (DRAWS,)."""
        normal = random.standard_normal(DRAWS)
        return np.asarray(special.expit(special.logit(self.value) + self._spread * normal))


def placements(scores: ArrayLike, ones: Array, zeros: Array) -> tuple[Array, Array]:
    r"""Where each value lies among the rows of the other outcome; half for ties.

    Args:
        scores: shape (values,), in any order and also repeated.
        ones: rows with the outcome at each.
        zeros: rows without it.

    Returns:
        The share of rows without the outcome that score below each value, and of rows with it that
        score above.
    """
    _, at = np.unique(np.asarray(scores), return_inverse=True)
    k, n = np.bincount(at, ones), np.bincount(at, zeros)
    below = (np.cumsum(n) - n / 2) / n.sum()
    above = 1 - (np.cumsum(k) - k / 2) / k.sum()
    return below[at], above[at]


def area(scores: ArrayLike, ones: ArrayLike, zeros: ArrayLike) -> Area | None:
    r"""The probability that a row with the outcome scores above one without it; half for ties.

    .. math:: A = \frac{1}{m} \sum_i p_i = \frac{1}{n} \sum_j q_j, \quad
              \mathrm{Var}(A) = \frac{\mathrm{Var}(p)}{m} + \frac{\mathrm{Var}(q)}{n}

    with the placements p and q of rows with and without the outcome. The prior is half a further
    row of each kind, which ties with all others: without it the variance of a perfect ranking is 0.

    Args:
        scores: shape (values,).
        ones: rows with the outcome at each value.
        zeros: rows without it.

    Returns:
        None unless there are rows of both kinds.

    Source: DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated
    receiver operating characteristic curves (1988).
    """
    k, n = np.asarray(ones, np.float64), np.asarray(zeros, np.float64)
    if not k.sum() or not n.sum():
        return None
    p, q = placements(scores, k, n)
    parts = [_mean(_with_a_tie(p, n.sum()), k, 0.5), _mean(_with_a_tie(q, k.sum()), n, 0.5)]
    deviation = float(np.sqrt(parts[0][1] + parts[1][1]))
    counted = float((k * p).sum() / k.sum())
    return Area(parts[0][0], deviation, counted, _cases(k, n)[0])


def difference(
    scores: ArrayLike, ones: ArrayLike, zeros: ArrayLike, **address: Any
) -> Estimate | None:
    """The area of a first score minus that of a second one, on the same rows.

    As `area`, with the differences of the placements in their place: what both scores have in
    common cancels. The posterior is normal.

    Args:
        scores: shape (values, 2).
        ones: rows with the outcome at each pair of values.
        zeros: rows without it.
        address: of the estimate.

    Returns:
        None unless there are rows of both kinds.
    """
    k, n = np.asarray(ones, np.float64), np.asarray(zeros, np.float64)
    if not k.sum() or not n.sum():
        return None
    first, second = (placements(x, k, n) for x in np.asarray(scores).T)
    apart = [
        _with_a_tie(a, other.sum()) - _with_a_tie(b, other.sum())
        for a, b, other in zip(first, second, (n, k), strict=True)
    ]
    (value, one), (_, other) = (_mean(x, rows, 0.0) for x, rows in zip(apart, (k, n), strict=True))
    deviation = float(np.sqrt(one + other))
    low, high = np.clip([value - _WIDTH * deviation, value + _WIDTH * deviation], -1, 1).tolist()
    above = float(special.ndtr(value / deviation)) if deviation else 0.0
    rest: dict[str, Any] = {"above": above, "doubt": min(above, 1 - above), "counts": _cases(k, n)}
    return Estimate("auc_difference", value, low, high, "difference", **rest, **address)


def _cases(ones: Array, zeros: Array) -> tuple[Cases]:
    """Rows with the outcome among all; not whole where they have weights."""
    k, n = float(ones.sum()), float(ones.sum() + zeros.sum())
    return (Cases(int(k), int(n)) if k.is_integer() and n.is_integer() else Cases(k, n),)


def _with_a_tie(placement: Array, rows: float) -> Array:
    """A placement among the rows and half a further row, which ties with all."""
    return (rows * placement + _FURTHER / 2) / (rows + _FURTHER)


def _mean(values: Array, rows: Array, further: float) -> tuple[float, float]:
    """The mean of values with half a further one of them, and the variance of that mean."""
    m = rows.sum()
    mean = ((rows * values).sum() + _FURTHER * further) / (m + _FURTHER)
    squares = (rows * (values - mean) ** 2).sum() + _FURTHER * (further - mean) ** 2
    return float(mean), float(squares / max(m + _FURTHER - 1, _FURTHER) / (m + _FURTHER))
