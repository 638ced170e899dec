"""Partial pooling: rates of many groups or strata that learn from one another (Pyro, NUTS)."""

from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from plausible.fairness.base_rates.pooled_findings import Pool, of_groups, of_strata
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import cause, needs, records, reference_of, with_cases
from plausible.inference.errors import DataError
from plausible.inference.posterior.sampling import sample_posterior

__all__ = ["beta_binomial", "pooled"]


def beta_binomial(events: Tensor, trials: Tensor) -> None:
    r"""Rates of units that come from one population, with the rates summed out.

    .. math:: m \sim U(0, 1), \quad s \sim U(0, 1), \quad
              \theta_u \mid m, s \sim \mathrm{Beta}(m c,\; (1 - m) c), \quad
              c = \frac{1}{s^2} - 1, \quad k_u \sim \mathrm{Binomial}(n_u, \theta_u)

    m is the average rate; s is the standard deviation of the rates as a share of the largest that
    it can be, the square root of m (1 - m).

    Args:
        events: k, shape (units, populations); each population has an m and an s of its own.
        trials: n, the same shape.
    """
    units, populations = events.shape
    with pyro.plate("population", populations, dim=-1):
        mean = pyro.sample("mean", dist.Uniform(0.0, 1.0))
        spread = pyro.sample("spread", dist.Uniform(0.0, 1.0))
        size = spread**-2 - 1
        with pyro.plate("unit", units, dim=-2):
            rates = dist.BetaBinomial(mean * size, (1 - mean) * size, trials)
            pyro.sample("events", rates, obs=events)


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
    posterior = sample_posterior(
        beta_binomial,
        (torch.tensor(k, dtype=torch.float64), torch.tensor(n, dtype=torch.float64)),
        chains=chains,
        draws=draws,
        tune=tune,
        seed=seed,
        coords={"population": names},
        compile=compile,
        progress=False,
    )
    found: Any = posterior
    mean, spread = (
        np.asarray(found.posterior[name]).reshape(-1, len(names)) for name in ("mean", "spread")
    )
    pool = Pool(k, n, mean, spread, seed)
    rate = f"rate of {counts.label_of(events)} among {counts.label_of(trials)}"
    if counts.by is None:
        answer = of_groups(counts, pool, rate)
    else:
        answer = of_strata(counts, pool, rate, reference_of(counts, counts[trials], reference))
    return Analysis(
        name="pooled",
        title="Many rates at once",
        question=f"Beyond chance, does the {rate} differ by {_unit(counts)}, and where?",
        findings=answer.findings,
        estimates=answer.estimates,
        assumptions=[
            "Before the data are seen, none of them is known to lie higher than another: "
            "their rates come from one Beta distribution. Its average and its spread, a share "
            "from 0 to 1 of the largest that there can be, have uniform priors.",
            *answer.assumptions,
            *records(counts),
            f"How far to trust the draws: {found.posterior.attrs['diagnosis']}",
        ],
        cannot_show=[
            cause(counts),
            "What is known about one of them from elsewhere: pooling draws it to the average all "
            "the same.",
            f"Whether {counts.label_of(trials)} are the right thing to divide by.",
        ],
        sources=[*([counts.source] if counts.source else []), _SOURCE],
        counts=counts,
        posterior=posterior,
        tables=answer.tables,
        draw=answer.draw,
        details={"units": len(pool.events), "populations": len(names)},
    )


_SOURCE = (
    "Gelman, Carlin, Stern, Dunson, Vehtari and Rubin, Bayesian Data Analysis (2013), chapter 5, "
    "https://sites.stat.columbia.edu/gelman/book/"
)


def _unit(counts: Counts) -> str:
    return counts.by or counts.group
