"""Marijuana in the United States, 2010: use by a survey, arrests by records."""

from plausible.fairness.base_rates.relative_rates import relative_rates
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.estimation.rounded import RoundedRate
from plausible.fairness.prosecutor.published_rates import profile
from plausible.fairness.reporting.report import Report
from plausible.fairness.sampling_bias.detection import detection
from plausible.fairness.sampling_bias.trained_on_arrests import trained_on_arrests

__all__ = ["ARRESTS", "USE", "drug_use"]

_ERROR = 0.005
USE = {
    "Black": RoundedRate(0.14, rounding=0.01, error=_ERROR),
    "White": RoundedRate(0.12, rounding=0.01, error=_ERROR),
}
ARRESTS = {"Black": RoundedRate(716 / 100_000), "White": RoundedRate(192 / 100_000)}
_SOURCES = (
    "American Civil Liberties Union, The war on marijuana in black and white (2013), "
    "https://www.aclu.org/report/report-war-marijuana-black-and-white",
    "National Survey on Drug Use and Health and FBI Uniform Crime Reports, 2010, as in that report",
    "Matthews, The black/white marijuana arrest gap, in nine charts, Washington Post (2013)",
)


def _chance() -> str:
    """The ratio of arrests, if each rate had been counted among 100,000 people."""
    arrests = [round(100_000 * ARRESTS[name].value) for name in ("Black", "White")]
    e = Rates(arrests, [100_000, 100_000]).ratio("arrests", 0, 1)
    return f"{e.low:.2f} to {e.high:.2f} ×"


def drug_use() -> Report:
    """Arrests per user, what arrests alone cannot tell, and what a profile would do."""
    return Report(
        "Use and arrests: marijuana in the United States, 2010",
        "In the National Survey on Drug Use and Health, 14 % of Black and 12 % of White people "
        "said that they had used marijuana in the past year. The FBI's Uniform Crime Reports have "
        "716 arrests for possession for every 100,000 Black people and 192 for every 100,000 White "
        "people (both as in the report of the American Civil Liberties Union, 2013). Arrests are "
        "cases, not people: whoever is arrested twice is counted twice.",
        [
            relative_rates(USE, ARRESTS, reference="White", group="race", sources=_SOURCES),
            detection(ARRESTS, USE, reference="White", group="race", sources=_SOURCES),
            profile(USE, hypothesis="users of marijuana", group="race", sources=_SOURCES),
            trained_on_arrests(
                {name: rate.value for name, rate in USE.items()},
                {name: ARRESTS[name].value / USE[name].value for name in USE},
            ),
        ],
        notes=[
            "These are published rates, not counts. Rates of use were rounded to whole per cent; "
            f"their standard error is not in the source, and {100 * _ERROR:g} points are assumed. "
            "Rates of arrest are from records and taken as they were published, in whole arrests "
            "per 100,000 people.",
            "No counts were published with the rates of arrest, so that chance in them has no "
            f"interval here. If they came from 100,000 people of each group only, {_chance()} "
            "would be left by chance; they come from the whole country, which leaves far less. "
            "Records that agencies did not send in, and people who were arrested more than once, "
            "are the larger doubt, and no interval covers them.",
            "What the report calls the chance that use leads to an arrest takes every arrest for "
            "one user. With repeated arrests it is the number of arrests for each user.",
        ],
    )
