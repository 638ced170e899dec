"""The lecture's cases give the figures that were published, with their intervals."""

import json
from collections.abc import Callable

import pytest

from plausible.fairness import cases
from plausible.fairness.base_rates.by_stratum import by_stratum
from plausible.fairness.cases.causes.admissions import ADMISSIONS
from plausible.fairness.cases.examples.spurious_pair import DIVORCES, MARGARINE
from plausible.fairness.cases.scores.compas import COMPAS, CORRECTED
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.report import Report
from plausible.fairness.scores.scores import scores
from plausible.inference.errors import UnknownName

QUICK = ("drug-use", "compas", "admissions", "minneapolis", "basketball")
_MADE: dict[str, Report] = {}


def made(name: str) -> Report:
    if name not in _MADE:
        _MADE[name] = cases.case(name).report()
    return _MADE[name]


def close(e: Estimate, value: float, low: float, high: float, within: float = 6e-4) -> bool:
    """Whether a published figure and interval, rounded to three decimals, are these."""
    return max(abs(e.value - value), abs(e.low - low), abs(e.high - high)) < within


def test_compas_differences_are_those_that_were_published() -> None:
    # exact posteriors against figures that were rounded to three decimals
    analysis = scores(COMPAS, reference="White")
    assert close(analysis["false_positive_rate", "Black", "White"], 0.214, 0.182, 0.245)
    assert close(analysis["false_negative_rate", "Black", "White"], -0.197, -0.234, -0.160)
    assert close(analysis["positive_predictive_value", "Black", "White"], 0.039, -0.000, 0.077)


def test_barensteins_correction_lowers_predictive_values_and_leaves_false_positives() -> None:
    before, after = scores(COMPAS), scores(CORRECTED)
    for group, value in (("Black", 0.546), ("White", 0.486)):
        share = after["positive_predictive_value", group]
        assert share.value == pytest.approx(value, abs=1e-3)
        rates = [one["false_positive_rate", group].value for one in (before, after)]
        assert rates[0] == rates[1]


def test_the_counts_of_compas_are_those_of_propublica() -> None:
    assert COMPAS["true_positive"].tolist() == [1369, 505]
    assert sum(int(COMPAS[m].sum()) for m in COMPAS.measures) == 6150


def test_arrests_and_arrests_per_user_in_the_united_states() -> None:
    analysis = made("drug-use").analyses[0]
    arrests = analysis["arrests", "Black", "White"]
    assert arrests.value == pytest.approx(716 / 192) and str(arrests.value)[:4] == "3.72"
    assert f"{arrests.value:.2f}" == "3.73"
    per_user = analysis["relative_posterior", "Black", "White"]
    assert per_user.value == pytest.approx(3.20, abs=0.02)
    arithmetic = analysis["relative", "Black", "White"]
    shown = (round(arithmetic.value, 2), round(arithmetic.low, 2), round(arithmetic.high, 2))
    assert shown == (3.20, 2.96, 3.45)
    assert arithmetic.measure == "ratio"


def test_a_survey_settles_use_and_arrests_alone_do_not() -> None:
    detection = made("drug-use").analyses[1]
    assert detection.findings[0].text.startswith("Use is not identifiable from arrests alone.")
    alone = detection["use_from_arrests", "White"]
    both = detection["use", "White"]
    assert alone.high - alone.low > 0.9
    assert both.high - both.low < 0.03


def test_departments_turn_the_admissions_round() -> None:
    raw = Rates(ADMISSIONS.total()["events"], ADMISSIONS.total()["trials"])
    men, women = (ADMISSIONS.groups.index(g) for g in ("men", "women"))
    assert close(raw.difference("", women, men), -0.142, -0.170, -0.113)
    by = by_stratum(ADMISSIONS, "women", "men")
    assert close(
        by.find("rate", "women", "men", stratum="department A"), 0.198, 0.115, 0.272, within=1.5e-3
    )
    assert ADMISSIONS["events"].tolist() == [1198, 557]


def test_minneapolis_searches() -> None:
    rates = made("minneapolis").analyses[0]
    assert rates["rate", "Black"].value == pytest.approx(3100 / 15222)  # Beta(1, 1)
    more = rates["rate", "Black", "White", "ratio"]
    assert more.value == pytest.approx((3099 / 15220) / (954 / 11703), rel=0.01)


def test_minneapolis_says_both_kinds_of_stop_and_what_was_recorded() -> None:
    # Seen failing before: 2.5 × alone, and "vehicle stops" that are half stops of persons.
    report = made("minneapolis")
    for text in (
        "in traffic stops 13.8 % of Black and 4.0 % of White people were searched, 3.5 ×",
        "32.2 % of Black and 17.8 % of White people were searched, 1.8 ×",
        "5,458 of 15,220",
        "3,536 of 11,703",
        "the ratio of Black to White people is 2.5 ×",
    ):
        assert text in report.lead
    assert "computer in their vehicle" in report.notes[0]
    e = report.analyses[1].find("rate", "Black", "White", stratum="kind of stop traffic")
    assert e.value == pytest.approx(1344 / 9762 - 323 / 8167, abs=1e-4)
    html = report.to_html()
    assert "vehicle stops" not in html


def test_a_figure_without_counts_has_no_interval_and_a_range_is_called_one() -> None:
    # Seen failing before: "3.73 × (3.73–3.73)" under "95 % interval".
    html = made("drug-use").to_html().replace("\u00a0", " ")
    assert "3.73 × (3.73" not in html and "no interval</td>" in html
    assert '3.2 × (2.96–3.45)</td><td class="number">range<' in html
    assert "Arrests are cases, not people" in html
    finding = next(f for f in made("drug-use").analyses[0].findings if "3.73 ×" in f.text)
    assert "published rates without their counts" in finding.caveat


def test_berkeley_shows_its_rates_once_by_department_and_answers_on_causes() -> None:
    report = made("admissions")
    html = report.to_html()
    assert html.count('id="counts-') == 1 and 'id="front-2-1"' in html
    (table,) = report.analyses[1].tables
    assert table.frame["women, %"].tolist() == [82.4, 68.0, 34.1, 34.9, 23.9, 7.0]
    assert table.frame["men, %"].tolist() == [62.1, 63.0, 36.9, 33.1, 27.7, 5.9]
    (picture,) = report.analyses[1].figures()
    assert "all together: men 44.5 % of 2,691, women 30.4 % of 1,835" in picture.alt
    assert "A: men 62.1 % of 825, women 82.4 % of 108" in picture.alt
    sizes = [d.get_sizes().tolist() for d in picture.figure.axes[1].collections]
    assert sizes[0][0] / sizes[1][0] == pytest.approx(825 / 108)
    causes = next(a for a in report.questions if a.heading == "Causes")
    assert "Whatever the department, it is the reverse" in causes.says
    assert causes.says in report.to_markdown()


def test_few_tall_people_play_basketball() -> None:
    (analysis,) = made("basketball").analyses
    share = next(e for e in analysis.estimates if e.measure == "share")
    # 1e-5 · .99 / (1e-5 · .99 + .05): Bayes' rule at the assumed rates
    assert share.value == pytest.approx(1e-5 * 0.99 / (1e-5 * 0.99 + 0.05), rel=0.15)


def test_the_famous_pair_is_embedded_as_published() -> None:
    import numpy as np

    assert float(np.corrcoef(DIVORCES, MARGARINE)[0, 1]) == pytest.approx(0.9926, abs=1e-4)


@pytest.mark.parametrize("name", QUICK)
def test_reports_end_with_six_questions_and_say_their_limits(name: str) -> None:
    report = made(name)
    assert [a.heading for a in report.questions][-1] == "Dignity"
    assert len(report.questions) == 6
    for analysis in report.analyses:
        assert analysis.question.endswith("?")
        assert analysis.findings and analysis.assumptions and analysis.cannot_show


@pytest.mark.parametrize("name", QUICK)
def test_the_json_of_a_case_is_as_the_schema_has_it(
    name: str, violations: Callable[[str], list[str]]
) -> None:
    text = made(name).to_json()
    assert violations(text) == []
    assert all(a["estimates"] for a in json.loads(text)["analyses"])


@pytest.mark.parametrize("name", QUICK)
def test_no_report_uses_words_that_promise_too_much(name: str) -> None:
    text = made(name).to_markdown().lower()
    assert not [w for w in ("debias", "proves discrimination", "fair model") if w in text]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in cases.CASES if name not in QUICK])
def test_the_other_cases_run(name: str, violations: Callable[[str], list[str]]) -> None:
    report = made(name)
    assert len(report.to_html()) > 10_000
    assert violations(report.to_json()) == []


def test_unknown_cases_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'compas'"):
        cases.case("compass")


def test_counts_embed_no_rows_about_people() -> None:
    for counts in (COMPAS, CORRECTED, ADMISSIONS):
        assert isinstance(counts, Counts) and counts.source


def test_the_largest_number_is_not_called_most() -> None:
    texts = [f.text for f in made("admissions").analyses[1].findings]
    # 593 of 1,835 women chose C, which took 322 of 918; 825 of 2,691 men A, which took 601 of 933.
    assert (
        "The largest number of women is in department C, where the rate of admissions is 35 %"
        in (texts[-1])
    )
    assert "the largest number of men is in A, with 64 %" in texts[-1]
    assert "Prior sensitivity" in made("admissions").analyses[1].assumptions[-1]
