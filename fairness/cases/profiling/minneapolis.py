"""Minneapolis 2017: people who were searched after their vehicle was stopped."""

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.report import Report

__all__ = ["STOPS", "minneapolis"]

STOPS = Counts.of(
    {
        "White": {"trials": 11_703, "events": 954},
        "Black": {"trials": 15_220, "events": 3_099},
        "Native American": {"trials": 1_516, "events": 464},
        "East African": {"trials": 2_188, "events": 168},
        "Latino": {"trials": 1_858, "events": 221},
        "Asian": {"trials": 647, "events": 62},
    },
    group="race",
    names={"trials": "vehicle stops", "events": "searches of a person"},
    source="City of Minneapolis, police stop data of 2017, as in carData's MplsStops, "
    "https://opendata.minneapolismn.gov/datasets/police-stop-data",
)


def minneapolis() -> Report:
    """Rates of search after a stop."""
    return Report(
        "Minneapolis 2017: who is searched after a stop",
        "Of every hundred people whose vehicle was stopped, how many were searched, by race as the "
        "officer recorded it?",
        [base_rates(STOPS, reference="White")],
        notes=[
            "Stops are the benchmark here: the report takes them as given and asks what happened "
            "afterwards. Who was stopped in the first place is another question, and no benchmark "
            "answers it without a causal model of who is on the road and what officers see "
            "(Weinberger, Signal manipulation and the causal analysis of racial discrimination, "
            "2022).",
            "Unknown and other races in the records are left out.",
        ],
    )
