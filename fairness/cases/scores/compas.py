"""COMPAS in Broward County: decisions against what was recorded in two years (ProPublica 2016)."""

from dataclasses import replace

from plausible.fairness.amplification.amplification import amplification
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.report import Report
from plausible.fairness.scores.scores import scores

__all__ = ["COMPAS", "CORRECTED", "compas"]

_NAMES = {
    "true_negative": "low risk, not rearrested",
    "false_positive": "higher risk, not rearrested",
    "false_negative": "low risk, rearrested",
    "true_positive": "higher risk, rearrested",
}


def _cells(tn: int, fp: int, fn: int, tp: int) -> dict[str, int]:
    return {"true_negative": tn, "false_positive": fp, "false_negative": fn, "true_positive": tp}


COMPAS = Counts.of(
    {"Black": _cells(990, 805, 532, 1369), "White": _cells(1139, 349, 461, 505)},
    group="race",
    names=_NAMES,
    source="Angwin et al., Machine bias, ProPublica (2016), counts of the published analysis, "
    "https://www.propublica.org/article/how-we-analyzed-the-compas-recidivism-algorithm",
)
CORRECTED = Counts.of(
    {"Black": _cells(990, 805, 375, 969), "White": _cells(1139, 349, 314, 330)},
    group="race",
    names=_NAMES,
    source="Barenstein, ProPublica's COMPAS data revisited (2019), https://arxiv.org/abs/1906.04711",
)


def compas() -> Report:
    """Errors of the score by race, before and after a correction of the data."""
    corrected = scores(CORRECTED, reference="White")
    return Report(
        "COMPAS: a risk score of reoffending, and its errors",
        "In Broward County, Florida, a company's score put people who had been arrested into low, "
        "medium and high risk. Here medium and high count as one decision, and a new arrest within "
        "two years as the outcome.",
        [
            scores(COMPAS, reference="White"),
            replace(corrected, title=f"{corrected.title}: the two-year window corrected"),
            amplification(COMPAS),
        ],
        notes=[
            "The first table is the analysis that ProPublica published, for the two largest "
            "groups. In it people with a new arrest were kept beyond the end of the two-year "
            "window, and people without one were not, so that the share with a new arrest is too "
            "high. The second table keeps both to the same window: predictive values fall, and "
            "false-positive rates do not change.",
            "A new arrest is not a new offence. It also depends on who is watched.",
        ],
    )
