"""Why error rates and predictive values cannot all agree where base rates differ (G13)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import Comparison, Contrasts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Draws
from plausible.fairness.reporting.analysis import Finding

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
    base_rates: Comparison, draws: Mapping[str, Array]
) -> tuple[list[Finding], list[Estimate]]:
    """What equal predictive values and false-negative rates would do to false-positive rates.

    Args:
        base_rates: of the groups.
        draws: of the rates in `scores`, each (DRAWS, groups that are shown).
    """
    c = base_rates
    if c.clearest is None:
        return [], []
    pair = [c.clearest, c.ref]
    at = [c.shown.index(i) for i in pair]
    people, far = c.whole[pair], c.gaps[c.clearest]
    base = draws["base_rate"][:, at]
    flagged = draws["selection_rate"][:, at] * people
    value = _pooled(draws["positive_predictive_value"][:, at], flagged)
    missed = _pooled(draws["false_negative_rate"][:, at], base * people)
    implied = implied_false_positive_rate(base, value, missed)
    contrasts = Contrasts(
        "implied_false_positive_rate",
        "false-positive rate that equal PPV and FNR imply",
        Draws(dict(zip(pair, implied.T, strict=True)), c.counts.groups),
        pair,
        c.ref,
    )
    rates, gap = list(contrasts.each.values()), contrasts.gaps[c.clearest]
    one, other = gap.group, gap.reference
    if far.direction == 0:
        text = (
            f"The base rates of {one} and {other} differ by {far}, which covers zero. These "
            "data do not tell whether equal predictive values and equal error rates exclude one "
            "another here; with unequal base rates they do."
        )
    else:
        side = "higher" if far.direction > 0 else "lower"
        text = (
            f"The base rate is {side} for {one} than for {other} by {far}. A score with the "
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
