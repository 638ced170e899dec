"""Partial pooling: rates of many groups or strata that learn from one another."""

from plausible.fairness.base_rates.pooled_findings import Pool, largest, of_groups, of_strata
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs, reference_of, with_cases
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, phrase
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import records
from plausible.inference.errors import DataError

__all__ = ["pooled"]


@analysis(
    "pooled",
    answers="representative",
    needs=("trials", "events"),
    groups=7,
    label="partial pooling of many groups",
)
@analysis(
    "pooled-strata",
    answers="representative",
    needs=("trials", "events", "strata"),
    strata=7,
    rates=2,
    label="partial pooling of strata",
)
def pooled(
    counts: Counts,
    *,
    trials: str = "trials",
    events: str = "events",
    reference: str | None = None,
    seed: int = 0,
) -> Analysis:
    r"""Rates of many groups, or of groups in many strata, each drawn to the average of its kind.

    .. math:: \theta_u \mid m, s \sim \mathrm{Beta}(m c,\; (1 - m) c), \quad
              c = \frac{1}{s^2} - 1, \quad m, s \sim U(0, 1)

    m and s are integrated on a grid, the rates in closed form. The same model as a Pyro program,
    for other priors or covariates, is `beta_binomial`.

    Without strata the groups are the units of one population, and the question is which of them
    differ from its average. With strata these are the units, every group is a population of its
    own, and the question is in how many strata a group lies above the reference.

    Args:
        counts: with the two measures.
        trials: the measure that the rate divides by.
        events: the measure that is divided.
        reference: with strata, the group that others are compared with; the largest by default.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "mean" and "spread", as in `beta_binomial`, by population.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: for a single unit, or without trials.

    Source: Gelman et al., Bayesian Data Analysis (2013), sections 5.1 to 5.3.
    """
    needs(counts, trials, events)
    with_cases(counts, counts[trials], counts.label_of(trials))
    n, k = counts.cells(trials), counts.cells(events)
    if counts.by is None:
        n, k = n.T, k.T
    units = int((n.sum(axis=1) > 0).sum())
    if units < 2:
        raise DataError(
            f"Partial pooling needs two or more of each {counts.by or counts.group} with "
            f"{counts.label_of(trials)}, but there is {units}. Use base_rates for one."
        )
    ref, names = 0, ["all"]
    if counts.by is not None:
        ref = reference_of(counts, counts[trials], reference)
        compared = sorted([ref, *largest(counts[trials], ref)])
        k, n, ref = k[:, compared], n[:, compared], compared.index(ref)
        names = [counts.groups[g] for g in compared]
    pool = Pool.of(k, n, names, seed)
    rate = f"rate of {counts.label_of(events)} among {counts.label_of(trials)}"
    if counts.by is None:
        answer = of_groups(counts, pool, rate)
    else:
        answer = of_strata(counts, pool, rate, ref, int((counts[trials] > 0).sum()))
    return Analysis(
        **framed("pooled", counts, rate=rate, trials=counts.label_of(trials)),
        findings=answer.findings,
        estimates=answer.estimates,
        assumptions=[
            *assumed("pooled"),
            *answer.assumptions,
            *records(counts),
            phrase("pooled.integrated", draws=len(pool.mean)),
        ],
        counts=counts,
        posterior=inference_data({"mean": pool.mean, "spread": pool.spread}, population=names),
        tables=answer.tables,
        draw=answer.draw,
        details={"units": len(pool.events), "populations": len(names)},
    )
