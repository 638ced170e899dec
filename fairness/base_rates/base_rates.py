"""Base rates: how often something is counted in each group, and how the groups compare (G1)."""

from plausible.fairness.base_rates.aside import Aside
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import compare
from plausible.fairness.estimation.posteriors import PRIORS, Prior
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, comparisons, left_out, sensitivity

__all__ = ["base_rates"]


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
    c = compare(counts, events, trials, reference=reference, prior=prior, seed=seed)
    within = Aside(counts, events, trials, prior)
    alone = worded("base_rates.alone", c.each[c.ref], kind=counts.group)
    pictures = {
        "rates": (c.each, f"The {c.words}, with intervals that hold 95 % of the probability."),
        "differences": (
            c.gaps,
            f"How the {c.words} differs from that of {c.reference}; the line marks no difference.",
        ),
    }
    return Analysis(
        **framed("base_rates", counts, cases=c.cases, events=counts.label_of(events)),
        findings=within(comparisons(f"The {c.words}", c) or [alone]),
        estimates=c.estimates,
        assumptions=[*basis(counts, prior), *left_out(c), *sensitivity(c.sensitivity())],
        counts=counts,
        posterior=c.posterior("rate"),
        draw=lambda: [
            intervals(name, list(numbers.values()), caption)
            for name, (numbers, caption) in pictures.items()
            if numbers
        ],
        details=c.details,
    )
