"""Admissions to graduate study at Berkeley in 1973, the six largest departments."""

import pandas as pd

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.base_rates.by_stratum import by_stratum
from plausible.fairness.causal.along_paths import along_paths
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.report import Report

__all__ = ["ADMISSIONS", "admissions"]

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
    good=True,
    source="Bickel, Hammel and O'Connell, Sex bias in graduate admissions, Science 187 (1975); "
    "the six largest departments as in R's UCBAdmissions, https://doi.org/10.1126/science.187.4175.398",
)


def admissions() -> Report:
    """Raw rates, rates within each department, and the difference along the arrows of a graph."""
    return Report(
        "Berkeley 1973: admission by sex, raw and by department",
        "Of those who applied to the six largest departments, a smaller share of the women was "
        "admitted. Department by department that is not so.",
        [
            base_rates(ADMISSIONS, reference="men"),
            by_stratum(ADMISSIONS, reference="men"),
            along_paths(ADMISSIONS, "men", "women"),
        ],
        notes=[
            "The six largest departments are not the whole university. Which of the comparisons "
            "answers the question of discrimination depends on what made applicants choose their "
            "department, and needs a causal graph; the last part assumes one."
        ],
    )
