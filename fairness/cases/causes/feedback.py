"""Loops in time: patrols that follow their own records, and profiling that makes people poor."""

from plausible.fairness.feedback.patrols import patrols
from plausible.fairness.feedback.profiling_loop import profiling_loop
from plausible.fairness.reporting.report import Report

__all__ = ["OAKLAND", "RECORD", "feedback"]

# Drug crimes a day in two places of Oakland by a survey of use, and the arrests on record there, as
# Ensign et al. (2018) took them from Lum and Isaac (2016). A step is a tenth of a day.
OAKLAND = (0.368511, 0.2816466)
RECORD = (6.09, 3.79)


def feedback() -> Report:
    """Urns, and the loop of profiling, arrests, poverty and use."""
    return Report(
        "Decisions that make their own evidence",
        "Whoever is looked at more is found out more, and what was found decides who is looked at "
        "next. The first part shows what that does to patrols of two places, the second what it "
        "does to two groups of people who are alike but for poverty.",
        [
            patrols(OAKLAND, RECORD, places=("the place with more incidents", "the other place")),
            profiling_loop(),
        ],
        notes=[
            "The rates of incidents in the first part are estimates for two places of Oakland, "
            "made from a survey of drug use; every number of the second part is assumed."
        ],
    )
