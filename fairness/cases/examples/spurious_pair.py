"""A famous spurious pair: divorces in Maine and margarine, 2000 to 2009."""

from plausible.fairness.correlation.chance import chance
from plausible.fairness.correlation.correlation import correlation
from plausible.fairness.correlation.spurious import spurious, wide
from plausible.fairness.reporting.report import Report

__all__ = ["DIVORCES", "MARGARINE", "YEARS", "spurious_pair"]

YEARS = tuple(range(2000, 2010))
# Divorces in Maine per 1,000 people; margarine eaten in the United States, pounds a head.
DIVORCES = (5.0, 4.7, 4.6, 4.4, 4.3, 4.1, 4.2, 4.2, 4.2, 4.1)
MARGARINE = (8.2, 7.0, 6.5, 5.3, 5.2, 4.0, 4.6, 4.5, 4.2, 3.7)
_SOURCES = (
    "Vigen, Spurious correlations (2015), https://www.tylervigen.com/spurious-correlations",
    "Irizarry and Gill, dslabs: divorce_margarine, https://cran.r-project.org/package=dslabs",
)


def spurious_pair() -> Report:
    """Its correlation, what chance makes of wide data, and a test on withheld rows."""
    return Report(
        "Divorces and margarine: correlations by chance",
        "For ten years the divorce rate in Maine rose and fell with the margarine that Americans "
        "ate. Who looks through enough pairs of numbers finds one like it.",
        [
            correlation(
                DIVORCES,
                MARGARINE,
                names=("the divorce rate in Maine", "the consumption of margarine"),
                times=YEARS,
                sources=_SOURCES,
            ),
            chance(),
            spurious(wide(), "target"),
        ],
    )
