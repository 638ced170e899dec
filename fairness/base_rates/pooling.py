"""Partial pooling: rates of many groups or strata that learn from one another (Pyro, NUTS)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.base_rates.pooled_findings import Pool, of_groups, of_strata
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs, reference_of, with_cases
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import records
from plausible.inference.errors import DataError

__all__ = ["pooled"]


@analysis(
    "pooled",
    answers="representative",
    needs=("trials", "events"),
    groups=7,
    most=300,
    label="partial pooling of many groups",
)
@analysis(
    "pooled-strata",
    answers="representative",
    needs=("trials", "events", "strata"),
    most=300,
    strata=7,
    label="partial pooling of strata",
)
def pooled(
    counts: Counts,
    *,
    trials: str = "trials",
    events: str = "events",
    reference: str | None = None,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 500,
    compile: bool = True,
    seed: int = 0,
) -> Analysis:
    """Rates of many groups, or of groups in many strata, each drawn to the average of its kind.

    Without strata the groups are the units of one population, and the question is which of them
    differ from its average. With strata these are the units, every group is a population of its
    own, and the question is in how many strata a group lies above the reference.

    Args:
        counts: with the two measures.
        trials: the measure that the rate divides by.
        events: the measure that is divided.
        reference: with strata, the group that others are compared with; the largest by default.
        chains: of NUTS.
        draws: kept from each chain, at least.
        tune: draws for adaptation before those.
        compile: see `sample_posterior`.
        seed: of everything.

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
    names = ["all"] if counts.by is None else list(counts.groups)
    options = {"chains": chains, "draws": draws, "tune": tune, "compile": compile}
    posterior = _sampled(k, n, coords={"population": names}, seed=seed, **options)
    mean, spread = (
        np.asarray(posterior.posterior[name]).reshape(-1, len(names)) for name in ("mean", "spread")
    )
    pool = Pool(k, n, mean, spread, seed)
    rate = f"rate of {counts.label_of(events)} among {counts.label_of(trials)}"
    if counts.by is None:
        answer = of_groups(counts, pool, rate)
    else:
        answer = of_strata(counts, pool, rate, reference_of(counts, counts[trials], reference))
    return Analysis(
        **framed("pooled", counts, rate=rate, trials=counts.label_of(trials)),
        findings=answer.findings,
        estimates=answer.estimates,
        assumptions=[
            *assumed("pooled"),
            *answer.assumptions,
            *records(counts),
            f"How far to trust the draws: {posterior.posterior.attrs['diagnosis']}",
        ],
        counts=counts,
        posterior=posterior,
        tables=answer.tables,
        draw=answer.draw,
        details={"units": len(pool.events), "populations": len(names)},
    )


def _sampled(k: NDArray[np.int64], n: NDArray[np.int64], **options: Any) -> Any:
    """The posterior of `beta_binomial`; PyTorch is imported only here."""
    import torch

    from plausible.fairness.base_rates.beta_binomial import beta_binomial
    from plausible.inference.posterior.sampling import sample_posterior

    counted = (torch.tensor(x, dtype=torch.float64) for x in (k, n))
    return sample_posterior(beta_binomial, tuple(counted), progress=False, **options)
