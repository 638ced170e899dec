"""A mean outcome, such as a sentence in months or a wage, compared between groups (G1)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.base_rates.moments import Moments
from plausible.fairness.estimation.comparison import reference_of
from plausible.fairness.estimation.estimates import DRAWS, LEVEL, TAILS, Estimate, digits, estimate
from plausible.fairness.estimation.extremes import clearest, relevance
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, gathered, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import allowance, records
from plausible.inference.errors import DataError

__all__ = ["means"]

Array = NDArray[np.float64]


@analysis("means", answers="representative", needs=("mean",), label="mean outcome")
def means(
    moments: Moments, *, reference: str | None = None, cases: float = 1.0, seed: int = 0
) -> Analysis:
    r"""The mean of an amount in every group, and its difference from and ratio to a reference.

    From the n values of a group with mean :math:`\bar x` and sum of squared deviations S,

    .. math:: \mu \mid x \sim t_{c + n}\!\left(\frac{c\, m + n\, \bar x}{c + n},\;
              \frac{c\, v + S + \frac{c\, n}{c + n} (\bar x - m)^2}{(c + n)^2}\right)

    with a location and a squared scale. The prior weighs as much as c cases at the mean m of all
    rows, with their variance v: of large groups nothing is felt of it, and a group of one has an
    interval.

    Args:
        moments: counts, means and squared deviations, as `count_moments` gives them.
        reference: the group that others are compared with; the largest by default.
        cases: c, above 0.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "mean", by group.

    Raises:
        UnknownName: for a reference that is not there.
        DataError: if all values are the same, or the prior weighs nothing.

    Source: Gelman et al., Bayesian Data Analysis (2013), section 3.3.
    """
    if cases <= 0:
        raise DataError(f"The prior weighs as much as a positive number of cases, not {cases:g}.")
    if moments.variance == 0:
        raise DataError(
            f"All values of {moments.column} are the same: there is nothing to compare."
        )
    names = moments.counts.groups
    every = [_Mean.of(moments, i, cases) for i in range(len(names))]
    ref = reference_of(moments.counts, moments.n, reference)
    ends = np.array([m.ends for m in every])
    shown = clearest(ends[:, 0], ends[:, 2], [ref])
    draws = {i: every[i].draws(np.random.default_rng([seed, i])) for i in shown}
    at = {
        i: {"group": names[i], "words": phrase("means.words", column=moments.column)} for i in shown
    }
    each = {i: every[i].estimate(**at[i]) for i in shown}
    against = {i: at[i] | {"reference": names[ref]} for i in shown if i != ref}
    told = together(
        [
            replace(
                estimate("mean", draws[i] - draws[ref], "mean difference", **a),
                value=every[i].location - every[ref].location,
            )
            for i, a in against.items()
        ],
        len(names) - 1,
    )
    gaps = dict(zip(against, told, strict=True))
    positive = all((draws[i] > 0).all() for i in shown)
    ratios = [
        estimate("mean", draws[i] / draws[ref], "ratio", **a)
        for i, a in against.items()
        if positive
    ]
    return Analysis(
        **framed("means", moments.counts, column=moments.column),
        findings=_findings(moments, each, gaps, ref),
        estimates=[*each.values(), *gaps.values(), *ratios],
        assumptions=[
            *records(moments.counts),
            *_left_out(moments, shown),
            *assumed(
                "means",
                cases="one case" if cases == 1 else f"{cases:g} cases",
                mean=digits(moments.overall),
                deviation=digits(float(np.sqrt(moments.variance))),
            ),
        ],
        counts=moments.counts,
        posterior=inference_data(
            {"mean": np.stack([draws[i] for i in shown], axis=1)}, group=[names[i] for i in shown]
        ),
        tables=[_table(moments, shown)],
        draw=lambda: [
            intervals("means", list(each.values()), phrase("means.picture", column=moments.column))
        ],
        details={"reference": names[ref], "groups": len(names), "shown": len(shown)},
    )


@dataclass(frozen=True)
class _Mean:
    """Student's t with a location and a scale."""

    freedom: float
    location: float
    scale: float

    @classmethod
    def of(cls, moments: Moments, i: int, cases: float) -> "_Mean":
        n, mean, squares = (float(x[i]) for x in (moments.n, moments.mean, moments.squares))
        total = cases + n
        location = (cases * moments.overall + n * mean) / total
        between = cases * n / total * (mean - moments.overall) ** 2
        scale = np.sqrt((cases * moments.variance + squares + between) / total) / np.sqrt(total)
        return cls(total, location, float(scale))

    @property
    def ends(self) -> tuple[float, float, float]:
        low, middle, high = (
            self.location + self.scale * special.stdtrit(self.freedom, TAILS)
        ).tolist()
        return low, middle, high

    def estimate(self, **address: Any) -> Estimate:
        low, _, high = self.ends
        return Estimate("mean", self.location, low, high, "mean", LEVEL, **address)

    def draws(self, random: np.random.Generator) -> Array:
        return self.location + self.scale * random.standard_t(self.freedom, size=DRAWS)


def _findings(
    moments: Moments, each: Mapping[int, Estimate], gaps: Mapping[int, Estimate], ref: int
) -> list[Finding]:
    """How each group compares with the reference, the clearest difference first."""
    column = moments.column
    if not gaps:
        return [worded("means.alone", each[ref], column=column)]
    findings = [
        worded("means.gap", gaps[i], column=column, one=each[i], other=each[ref])
        for i in sorted(gaps, key=lambda i: relevance(gaps[i], float(moments.n[i])))
    ]
    findings = [
        replace(f, caveat=allowance(f.estimate))
        if f.estimate is not None and f.estimate.credible_direction
        else f
        for f in findings
    ]
    return gathered("means.gap", findings, column=column, other=each[ref])


def _left_out(moments: Moments, shown: list[int]) -> list[str]:
    groups = len(moments.counts.groups)
    return [phrase("means.shown", groups=groups, shown=len(shown))] if len(shown) < groups else []


def _table(moments: Moments, shown: list[int]) -> Table:
    rows = [
        {
            moments.counts.group: moments.counts.groups[i],
            "rows": moments.counts["trials"][i].item(),
            "mean": float(moments.mean[i]),
            "standard deviation": float(np.sqrt(moments.squares[i] / max(moments.n[i] - 1, 1))),
        }
        for i in shown
    ]
    return Table(phrase("means.table", column=moments.column), pd.DataFrame(rows))
