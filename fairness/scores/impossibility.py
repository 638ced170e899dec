"""Why error rates and predictive values cannot all agree where base rates differ (G13)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import Comparison, Contrasts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Draws
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.framing import worded

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
    impossible = max(rates, key=lambda e: e.value).high > 1
    case = ("same", "clear", "impossible")[abs(far.credible_direction) * (1 + impossible)]
    side = "higher" if far.direction > 0 else "lower"
    values = {"far": far, "side": side, "one": rates[0], "other": rates[1]}
    return [worded("scores.clash", gap, case, **values)], [*rates, gap]


def _pooled(rates: Array, weights: Array) -> Array:
    """The rate of both groups together, shape (DRAWS, 1)."""
    return (rates * weights).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
