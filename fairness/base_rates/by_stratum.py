"""The difference of two groups within each stratum: raw rates can point the other way (Simpson)."""

from dataclasses import replace

import numpy as np

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, under_priors
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import sensitivity
from plausible.inference.errors import DataError, UnknownName

__all__ = ["by_stratum"]


@analysis("strata", answers="causes", needs=("trials", "events", "strata", "pair"))
def by_stratum(
    counts: Counts, first: str, second: str, prior: Prior = PRIORS["uniform"]
) -> Analysis:
    """The difference of two groups' rates within each stratum, exactly.

    Args:
        counts: with trials and events, by stratum.
        first, second: the groups; the difference is the first minus the second.
        prior: of every rate.

    Returns:
        The analysis; a group's rate over all strata can lie on the other side of another's than
        its rate in every stratum (Simpson's paradox).

    Raises:
        UnknownName: for a measure or a group that does not exist.
        DataError: for counts without strata.
    """
    if counts.by is None:
        raise DataError("Rates within strata need strata: give counts with a column `by`.")
    for name in (first, second):
        if name not in counts.groups:
            raise UnknownName(counts.group, name, counts.groups)
    i, j = counts.groups.index(first), counts.groups.index(second)
    n, k = counts.cells("trials"), counts.cells("events")

    def gap(s: int, prior: Prior) -> Estimate:
        rates = Rates(k[s], n[s], prior, names=counts.groups)
        where = f"{counts.by} {counts.strata[s]}"
        return replace(rates.difference("rate", i, j), stratum=where)

    differences = together([gap(s, prior) for s in range(len(n))])
    far = max(range(len(n)), key=lambda s: differences[s].clearance)
    higher = [d for d in differences if d.credible_direction > 0]
    lower = [d for d in differences if d.credible_direction < 0]
    unclear = len(differences) - len(higher) - len(lower)
    event = counts.label_of("events")
    sides = {"higher": len(higher), "lower": len(lower), "unclear": unclear}
    named = {"by": counts.by, "event": event, "first": first, "second": second}
    findings = [worded("by_stratum.sides", strata=len(differences), **named, **sides)]
    findings += [
        worded("by_stratum.largest", d)
        for d in sorted(higher + lower, key=lambda d: -abs(d.value))[:1]
    ]
    shares = k.sum(axis=1) / np.maximum(n.sum(axis=1), 1)
    a, b = (int(n[:, g].argmax()) for g in (i, j))
    at, rates = [counts.strata[a], counts.strata[b]], [100 * shares[a], 100 * shares[b]]
    findings.append(worded("by_stratum.raw", at=at, rates=rates, **named))
    return Analysis(
        **framed("by_stratum", counts, first=first, second=second),
        findings=findings,
        estimates=differences,
        assumptions=[
            *assumed("by_stratum", prior=prior, strata=len(differences)),
            *sensitivity(under_priors(lambda p: gap(far, p))),
        ],
        counts=counts,
    )
