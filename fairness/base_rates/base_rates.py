"""Base rates: how often something is counted in each group, and how the groups compare (G1)."""

import numpy as np

from plausible.fairness.base_rates.relative_rates import relative_rates
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.contrasts import contrasts
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    cause,
    extremes,
    left_out,
    needs,
    reference_of,
    sensitivity,
    widest,
    with_cases,
)

__all__ = ["CountedRate", "RoundedRate", "base_rates", "relative_rates"]


@analysis("base-rates", answers="representative", needs=("trials", "events"))
def base_rates(
    counts: Counts,
    *,
    trials: str = "trials",
    events: str = "events",
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""The rate of every group, and its difference and ratio to a reference group.

    .. math:: \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g)

    With more than `SHOWN` groups the reference and those that lie highest and lowest are compared.

    Args:
        counts: with the two measures.
        trials: the measure that the rate divides by.
        events: the measure that is divided.
        reference: the group that others are compared with; the largest by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "rate" by group.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: if there are no trials at all, or none of the reference group.

    Source: Gelman et al., Bayesian Data Analysis (2013), section 2.4.
    """
    needs(counts, trials, events)
    k, n = counts[events], counts[trials]
    known = with_cases(counts, n, counts.label_of(trials))
    ref = reference_of(counts, n, reference)
    rates = Rates(k, n, prior, seed)
    shown = extremes(rates, known, ref)
    names = counts.groups
    rate = f"rate of {counts.label_of(events)} among {counts.label_of(trials)}"
    found = contrasts(rates, rate, f"The {rate}", names, shown, ref)
    each, differences, findings = found.each, found.gaps, found.findings
    if not differences:
        findings.append(
            Finding(
                f"The {rate} is {each[ref]} for {names[ref]}. There is no other {counts.group} "
                "with data to compare it with.",
                estimate=each[ref],
            )
        )
    findings += left_out(counts, n, counts.label_of(trials), shown)
    assumptions = basis(counts, prior)
    if differences:
        first = widest(differences)

        def headline(other: Prior) -> Estimate:
            return Rates(k, n, other).difference(differences[first].label, first, ref)

        assumptions.append(sensitivity(headline))
    return Analysis(
        name="base-rates",
        title="Base rates",
        question=(
            f"How often do {counts.label_of(trials)} count as {counts.label_of(events)}, and does "
            f"that differ by {counts.group}?"
        ),
        findings=findings,
        estimates=found.estimates,
        assumptions=assumptions,
        cannot_show=[
            cause(counts),
            f"Whether {counts.label_of(trials)} are the right thing to divide by. Another "
            "benchmark, such as residents or people who were observed, can turn the comparison "
            "round.",
        ],
        sources=[counts.source] if counts.source else [],
        counts=counts,
        posterior=inference_data(
            {"rate": np.stack([rates.draws_of(i) for i in shown], axis=1)},
            {"rate": ["group"]},
            {"group": [names[i] for i in shown]},
        ),
        draw=lambda: [
            intervals(
                "rates",
                list(each.values()),
                f"The {rate}, with intervals that hold 95 % of the probability.",
                [names[i] for i in each],
            ),
            *(
                [
                    intervals(
                        "differences",
                        list(differences.values()),
                        f"How the {rate} differs from that of {names[ref]}; the line is no "
                        "difference.",
                        [names[i] for i in differences],
                    )
                ]
                if differences
                else []
            ),
        ],
        details={"reference": names[ref], "groups": len(names), "shown": len(shown)},
    )
