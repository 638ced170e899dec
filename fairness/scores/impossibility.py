"""Why error rates and predictive values cannot all agree where base rates differ (G13)."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.wording import widest

__all__ = ["clash", "implied_false_positive_rate"]

Array = NDArray[np.float64]


def implied_false_positive_rate(
    base_rate: Array, predictive_value: Array, false_negative_rate: Array
) -> Array:
    r"""The false-positive rate that the other three leave no choice about.

    .. math:: \mathrm{FPR} = \frac{p}{1 - p} \cdot \frac{1 - \mathrm{PPV}}{\mathrm{PPV}}
              \cdot (1 - \mathrm{FNR})

    Args:
        base_rate: p, any shape.
        predictive_value: PPV, above 0.
        false_negative_rate: FNR.

    Source: Chouldechova, Fair prediction with disparate impact (2017), equation 2.6.
    """
    odds = base_rate / (1 - base_rate)
    return odds * (1 - predictive_value) / predictive_value * (1 - false_negative_rate)


def clash(
    counts: Counts,
    shown: Sequence[int],
    ref: int,
    draws: Mapping[str, Array],
    people: NDArray[np.int64],
    gaps: Mapping[str, Mapping[int, Estimate]],
) -> tuple[list[Finding], list[Estimate]]:
    """What equal predictive values and false-negative rates would do to false-positive rates."""
    far = gaps["base rate"]
    if not far:
        return [], []
    i = widest(far)
    pair = [shown.index(i), shown.index(ref)]
    one, other = counts.groups[i], counts.groups[ref]
    base = draws["base rate"][:, pair]
    flagged = draws["selection rate"][:, pair] * people[[i, ref]]
    having = base * people[[i, ref]]
    value = _pooled(draws["positive predictive value"][:, pair], flagged)
    missed = _pooled(draws["false-negative rate"][:, pair], having)
    implied = implied_false_positive_rate(base, value, missed)
    label = "false-positive rate that equal PPV and FNR imply"
    rates = [estimate(f"{label}, {n}", implied[:, j]) for j, n in enumerate((one, other))]
    gap = estimate(f"{label}, {one} − {other}", implied[:, 0] - implied[:, 1], "difference")
    if far[i].direction == 0:
        text = (
            f"The base rates of {one} and {other} differ by {far[i]}, which covers zero. These "
            "data do not tell whether equal predictive values and equal error rates exclude one "
            "another here; with unequal base rates they do."
        )
    else:
        side = "higher" if far[i].direction > 0 else "lower"
        text = (
            f"The base rate is {side} for {one} than for {other} by {far[i]}. A score with the "
            "same positive predictive value and the same false-negative rate for both would "
            f"therefore have a false-positive rate of {rates[0]} for {one} and {rates[1]} for "
            f"{other}: unless it flags nobody wrongly, or nobody rightly, not all three can be "
            "equal."
        )
        if max(rates, key=lambda e: e.value).high > 1:
            text += " A rate above 100 % means that no such score exists."
    caveat = "This is arithmetic and holds for every score, whoever or whatever made it."
    return [Finding(text, caveat, gap)], [*rates, gap]


def _pooled(rates: Array, weights: Array) -> Array:
    """The rate of both groups together, shape (DRAWS, 1)."""
    return (rates * weights).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
