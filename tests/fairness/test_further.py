"""A survey, costs and offenders in tables of their own answer what a report else says it lacks."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.burden.found_out import found_out
from plausible.fairness.counts.counts import Counts
from plausible.fairness.decisions.cost_table import read_costs
from plausible.fairness.decisions.costs import Costs
from plausible.fairness.estimation.rate_table import read_rates
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.fairness.further import Further
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.sampling_bias.detection import detection
from plausible.inference.errors import DataError, PlausibleError, UnknownName

PEOPLE = Counts.of(
    {
        "Black": {"trials": 40_000, "events": 900, "hits": 280},
        "White": {"trials": 90_000, "events": 800, "hits": 170},
    },
    group="race",
    names={"trials": "people", "events": "stops", "hits": "arrests"},
)
STOPS = PEOPLE.frame.rename(columns={"group": "race"})
RATES = {"Black": RoundedRate(0.14, 0.01, 0.005), "White": RoundedRate(0.12, 0.01)}
SURVEY = "race,marijuana use,rounding,error\nBlack,0.14,0.01,0.005\nWhite,0.12,0.01,0\n"
COSTS = "action,outcome,low,high\ntry,yes,0,2\ntry,no,4,4\nleave,yes,3,5\nleave,no,0,0\n"


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def run(**further: Any) -> tuple[dict[str, Analysis], dict[str, str]]:
    audit = Audit(PEOPLE, further=Further(**further))
    return {analysis.name: analysis for analysis in audit.run()}, dict(audit.skipped)


def values(analysis: Analysis) -> list[tuple[float, float, float]]:
    return [(e.value, e.low, e.high) for e in analysis.estimates]


def test_a_report_says_with_which_option_it_is_given_what_it_lacks() -> None:
    made, skipped = run()
    assert "--survey FILE" in skipped["sampling bias and detection"]
    assert "--costs FILE" in skipped["prediction and action"]
    assert "--offenders FILE" in skipped["found out in a stop for something else"]
    assert not {"detection", "decisions", "found-out"} & set(made)


def test_a_survey_is_set_against_the_events(tmp_path: Path) -> None:
    survey = written(tmp_path, "survey.csv", SURVEY.replace("race", "group"))
    made, skipped = run(survey=survey)
    expected = detection(PEOPLE, RATES, use_called="marijuana use", reference="White")
    assert values(made["detection"]) == values(expected)
    assert "marijuana use" in made["detection"].findings[0].text
    assert "sampling bias and detection" not in skipped
    assert values(run(survey=RATES)[0]["detection"]) == values(expected)


def test_offenders_are_those_who_could_be_found_out(tmp_path: Path) -> None:
    offenders = written(tmp_path, "offenders.csv", SURVEY.replace("race", "group"))
    made, _ = run(offenders=offenders)
    expected = found_out(PEOPLE, RATES, other="marijuana use")
    assert values(made["found-out"]) == values(expected)
    first = made["found-out"]["found_out_given_y", "Black"]
    assert first.value == pytest.approx(280 / 40_000 / 0.14, rel=0.02)


def test_costs_are_weighed_by_how_often_the_outcome_came(tmp_path: Path) -> None:
    made, _ = run(costs=written(tmp_path, "costs.csv", COSTS))
    # Of 1,700 stops 450 led to an arrest; the prior adds one of each.
    yes = 451 / 1702
    cost = {e.group: e.value for e in made["decisions"].estimates if not e.reference}
    assert cost["try"] == pytest.approx(1 * yes + 4 * (1 - yes))
    assert cost["leave"] == pytest.approx(4 * yes)
    assert "arrests: no" in made["decisions"].findings[0].text
    assert "costs.csv" in " ".join(made["decisions"].assumptions)


def test_costs_of_decisions_are_weighed_by_their_outcomes() -> None:
    cells = {"true_negative": 60, "false_positive": 20, "false_negative": 5, "true_positive": 15}
    costs = Costs({"act": {"yes": 0.0, "no": 1.0}, "wait": {"yes": 1.0, "no": 0.0}})
    audit = Audit(Counts.of({"A": cells, "B": cells}), further=Further(costs=costs))
    (made,) = (analysis for analysis in audit.run() if analysis.name == "decisions")
    assert made["cost", "wait"].value == pytest.approx(41 / 202)


def test_a_survey_may_hold_rates_counts_or_answers(tmp_path: Path) -> None:
    rates = read_rates(written(tmp_path, "rates.csv", SURVEY), ["race"])
    assert rates == ("marijuana use", RATES)
    counted = "race,asked,use\nA,200,30\nA,100,5\nB,50,0\n"
    assert read_rates(written(tmp_path, "asked.csv", counted), ["race"]) == (
        "use", {"A": CountedRate(35, 300), "B": CountedRate(0, 50)},
    )  # fmt: skip
    answers = pd.DataFrame({"race": list("aab"), "sex": list("mmw"), "use": ["yes", "no", "no"]})
    assert read_rates(answers, ["race", "sex"])[1] == {
        "a, m": CountedRate(1, 2), "b, w": CountedRate(0, 1),
    }  # fmt: skip
    assert read_rates(answers.drop(columns="sex").assign(use=[1, 0, 0]), ["race"])[1] == {
        "a": CountedRate(1, 2), "b": CountedRate(0, 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sex,use\nm,0.1\n", "Unknown column of survey.csv 'race'. Accepted: sex, use"),
        ("race\nA\n", "needs one column besides race .* It has none"),
        ("race,use,age\nA,0.1,30\n", "It has use, age"),
        ("race,use\nA,14\n", "a share from 0 to 1"),
        ("race,use\nA,0.1\nB,\n", "no number of use for 'B'"),
        ("race,asked,use\nA,10,11\n", "larger than its whole"),
    ],
)
def test_a_survey_of_another_form_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(PlausibleError, match=sentence):
        read_rates(written(tmp_path, "survey.csv", text), ["race"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("try,no", "try,maybe"), "Unknown outcome in costs.csv 'maybe'"),
        (("leave,no,0,0\n", ""), "'leave' has arrests: yes"),
        (("4,4", "5,4"), "a number or a range"),
        (("4,4", "4,"), "a number or a range"),
        (("leave,no", "leave,yes"), "two costs of 'leave'"),
        (("low,high", "least,most"), "has no column 'low'"),
    ],
)
def test_costs_of_another_form_are_refused(
    change: tuple[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises((DataError, UnknownName), match=sentence):
        read_costs(written(tmp_path, "costs.csv", COSTS.replace(*change)), "arrests")
