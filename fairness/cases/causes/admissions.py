"""Admissions to graduate study at Berkeley in 1973, the six largest departments."""

from dataclasses import replace

import numpy as np
import pandas as pd

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import widest
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, under_priors
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.framing import framed
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.report import Report
from plausible.fairness.reporting.wording import sensitivity

__all__ = ["ADMISSIONS", "admissions", "by_stratum"]

# Applicants and admissions of men, then of women, for each department.
_DEPARTMENTS = {
    "A": ((825, 512), (108, 89)),
    "B": ((560, 353), (25, 17)),
    "C": ((325, 120), (593, 202)),
    "D": ((417, 138), (375, 131)),
    "E": ((191, 53), (393, 94)),
    "F": ((373, 22), (341, 24)),
}
ADMISSIONS = Counts(
    pd.DataFrame(
        [
            {"by": department, "group": sex, "trials": n, "events": k}
            for department, rows in _DEPARTMENTS.items()
            for sex, (n, k) in zip(("men", "women"), rows, strict=True)
        ]
    ),
    group="sex",
    by="department",
    names={"trials": "applicants", "events": "admissions"},
    source="Bickel, Hammel and O'Connell, Sex bias in graduate admissions, Science 187 (1975); "
    "the six largest departments as in R's UCBAdmissions, https://doi.org/10.1126/science.187.4175.398",
)


def admissions() -> Report:
    """Raw rates, and rates within each department."""
    return Report(
        "Berkeley 1973: admission by sex, raw and by department",
        "Of those who applied to the six largest departments, a smaller share of the women was "
        "admitted. Department by department that is not so.",
        [base_rates(ADMISSIONS.total(), reference="men"), by_stratum(ADMISSIONS, "women", "men")],
        notes=[
            "The six largest departments are not the whole university. Which of the comparisons "
            "answers the question of discrimination depends on what made applicants choose their "
            "department, and needs a causal graph; this report draws none."
        ],
    )


@analysis("strata", answers="causes", needs=("trials", "events", "strata", "pair"))
def by_stratum(
    counts: Counts, first: str, second: str, prior: Prior = PRIORS["uniform"]
) -> Analysis:
    """The difference of two groups' rates within each stratum, exactly.

    Args:
        counts: with trials and events, by stratum.
        first, second: the groups; the difference is the first minus the second.
        prior: of every rate.
    """
    i, j = counts.groups.index(first), counts.groups.index(second)
    n, k = counts.cells("trials"), counts.cells("events")

    def gap(s: int, prior: Prior) -> Estimate:
        rates = Rates(k[s], n[s], prior, names=counts.groups)
        where = f"{counts.by} {counts.strata[s]}"
        return replace(rates.difference("rate", i, j), stratum=where)

    differences = [gap(s, prior) for s in range(len(n))]
    far = widest(dict(enumerate(differences)))
    higher = [d for d in differences if d.direction > 0]
    lower = [d for d in differences if d.direction < 0]
    unclear = len(differences) - len(higher) - len(lower)
    event = counts.label_of("events")
    findings = [
        Finding(
            f"Of {len(differences)} {counts.by}s the rate of {event} is clearly higher for {first} "
            f"in {len(higher)} and clearly lower in {len(lower)}; in {unclear} the interval of the "
            "difference covers zero, and these data do not tell."
        )
    ]
    findings += [
        Finding(f"The largest clear difference is {d}: {d.label}.", estimate=d)
        for d in sorted(higher + lower, key=lambda d: -abs(d.value))[:1]
    ]
    shares = k.sum(axis=1) / np.maximum(n.sum(axis=1), 1)
    a, b = (int(n[:, g].argmax()) for g in (i, j))
    findings.append(
        Finding(
            f"The largest number of {first} chose {counts.by} {counts.strata[a]}, where the rate "
            f"of {event} is {100 * shares[a]:.0f} % over all; the largest number of {second} chose "
            f"{counts.strata[b]}, with {100 * shares[b]:.0f} %. Raw rates mix such choices with "
            "what happens afterwards."
        )
    )
    return Analysis(
        **framed("by_stratum", counts, first=first, second=second),
        findings=findings,
        estimates=differences,
        assumptions=[
            f"Every rate has the prior {prior}, apart from all others. With {len(differences)} "
            "comparisons at 95 % one interval in twenty misses by chance alone.",
            *sensitivity(under_priors(lambda p: gap(far, p))),
        ],
        counts=counts,
    )
