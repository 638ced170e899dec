"""Minneapolis 2017: people who were searched after a stop, for traffic or as suspicious."""

import pandas as pd

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.base_rates.by_stratum import by_stratum
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.report import Report

__all__ = ["STOPS", "minneapolis"]

# Stops and searches of a person: of traffic stops, then of suspicious vehicles or persons.
_STOPS = {
    "White": ((8_167, 323), (3_536, 631)),
    "Black": ((9_762, 1_344), (5_458, 1_755)),
    "Native American": ((339, 90), (1_177, 374)),
    "East African": ((1_545, 54), (643, 114)),
    "Latino": ((1_327, 105), (531, 116)),
    "Asian": ((507, 25), (140, 37)),
}
STOPS = Counts(
    pd.DataFrame(
        [
            {"by": kind, "group": race, "trials": n, "events": k}
            for race, kinds in _STOPS.items()
            for kind, (n, k) in zip(("traffic", "suspicious"), kinds, strict=True)
        ]
    ),
    group="race",
    by="kind of stop",
    names={"trials": "stops", "events": "searches of a person"},
    source="City of Minneapolis, police stop data of 2017, as in carData's MplsStops, "
    "https://opendata.minneapolismn.gov/datasets/police-stop-data",
)


def minneapolis() -> Report:
    """Rates of search after a stop, over all stops and by the kind of stop."""
    return Report(
        "Minneapolis 2017: who is searched after a stop",
        "Of every hundred stops, in how many was the person searched, by race as the officer "
        "recorded it? "
        f"Over all stops the ratio of Black to White people is {_ratio()}. It mixes two kinds: "
        f"{_of('traffic', 'in traffic stops')}; "
        f"{_of('suspicious', 'in stops of a vehicle or person as suspicious')}. Of stops of Black "
        f"people {_share('Black')} were of the second kind, of stops of White people "
        f"{_share('White')} (police stop data of the City of Minneapolis, 2017).",
        [base_rates(STOPS, reference="White"), by_stratum(STOPS, reference="White")],
        notes=[
            "The records are those that officers entered on the computer in their vehicle. Stops "
            "recorded in another way have no entry on searches and are left out, and so are "
            "unknown and other races.",
            "A suspicious stop is one of a vehicle or of a person, so that not every stop here is "
            "one of a vehicle. Who counts as suspicious is up to the officer: it can itself be a "
            "way in which people are treated differently, and a comparison within the kinds of "
            "stop says nothing about that.",
            "Stops are the benchmark here: the report takes them as given and asks what happened "
            "afterwards. Who was stopped in the first place is another question, and no benchmark "
            "answers it without a causal model of who is on the road and what officers see "
            "(Weinberger, Signal manipulation and the causal analysis of racial discrimination, "
            "2022).",
        ],
    )


def _cells(race: str, kind: str | None = None) -> tuple[int, int]:
    rows = STOPS.frame[STOPS.frame["group"] == race]
    if kind is not None:
        rows = rows[rows["by"] == kind]
    return int(rows["trials"].sum()), int(rows["events"].sum())


def _ratio(kind: str | None = None) -> str:
    (n, k), (m, j) = (_cells(race, kind) for race in ("Black", "White"))
    e = Rates([k, j], [n, m]).ratio("rate", 0, 1)
    return f"{e.value:.1f} × ({e.low:.1f}–{e.high:.1f})"


def _of(kind: str, where: str) -> str:
    cells = [_cells(race, kind) for race in ("Black", "White")]
    black, white = (f"{100 * k / n:.1f} %" for n, k in cells)
    return f"{where} {black} of Black and {white} of White people were searched, {_ratio(kind)}"


def _share(race: str) -> str:
    of, whole = _cells(race, "suspicious")[0], _cells(race)[0]
    return f"{of:,} of {whole:,}"
