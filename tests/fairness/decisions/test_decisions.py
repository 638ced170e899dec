"""Expected costs, the regions where each action wins, and the value of knowing more (G5)."""

import numpy as np
import pytest
from scipy import stats

from plausible.fairness.decisions.costs import E_MAIL, TRANSLATION, Costs
from plausible.fairness.decisions.decision_figures import winners
from plausible.fairness.decisions.decisions import decisions
from plausible.fairness.decisions.value_of_information import (
    value_of_cases,
    value_of_costs,
    value_of_outcome,
    value_of_probabilities,
)
from plausible.inference.errors import DataError, UnknownName

STOP = Costs(
    {"search": {"guilty": 0.0, "innocent": 1.0}, "wave on": {"guilty": 4.0, "innocent": 0}}
)


def test_costs_of_the_translation_by_most_probable_by_chance_and_by_both() -> None:
    # With a cost of 1 for a wrong form: 1 - .7, 2 · .7 · .3, and none wrong when both are shown.
    one, other, both = "male form", "female form", "both"
    costs = Costs(
        {
            one: {"male": 0, "female": 1},
            other: {"male": 1, "female": 0},
            both: {"male": 0, "female": 0},
        },
        {"drawn": {one: 0.7, other: 0.3}},
    )
    analysis = decisions(costs, {"male": 0.7, "female": 0.3})
    expected = dict(zip(costs.actions, analysis.tables[1].frame["expected cost"], strict=True))
    assert expected == pytest.approx({one: 0.3, other: 0.7, both: 0.0, "drawn": 0.42})
    assert analysis.details["best"] == both


def test_lecture_examples_choose_the_middle_way() -> None:
    assert (
        decisions(TRANSLATION, {"male": 0.7, "female": 0.3}).details["best"].endswith("both forms")
    )
    for p, action in ((0.3, "inbox"), (0.97, "junk folder"), (0.9999, "delete")):
        assert decisions(E_MAIL, {"spam": p, "ham": 1 - p}).details["best"] == action


def test_border_of_two_actions_lies_where_the_costs_are_equal() -> None:
    # Searching is better where (1 - p) < 4 f p. Seen failing with the factor on the innocent.
    p = np.linspace(0.0007, 0.9993, 501)
    f = np.array([0.1, 1.0, 10.0])
    search = (1 - p)[None] < 4 * f[:, None] * p[None]
    np.testing.assert_array_equal(winners(STOP, p, f) == 0, search)


def test_share_of_the_ranges_in_which_an_action_wins() -> None:
    # At p = 1/2, search costs 1/2 and waving on c / 2 with c ~ U(0, 4): it wins if c > 1.
    costs = Costs({"search": {"yes": 0.0, "no": 1.0}, "wave on": {"yes": (0.0, 4.0), "no": 0.0}})
    analysis = decisions(costs, {"yes": 0.5, "no": 0.5})
    share = analysis.tables[1].frame["share"][0]
    # Four standard errors of 40,000 draws.
    assert share == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / 40_000) ** 0.5)


def test_value_of_knowing_the_outcome_is_what_the_best_action_costs_above_the_cheapest() -> None:
    theta = np.array([0.3, 0.7])
    assert value_of_outcome(theta, STOP.mean) == pytest.approx(min(0.7, 1.2) - 0)


def test_value_of_cases_agrees_with_the_sum_over_all_counts() -> None:
    # Seen failing with the prior left out of the mean after the cases.
    a, b, n = 2.0, 7.0, 10
    k = np.arange(n + 1)
    p = (a + k) / (a + b + n)
    # Searching is best now; what it costs above the best action after the cases is saved.
    saved = (1 - p) - np.minimum(1 - p, 4 * p)
    pmf = stats.betabinom(n, a, b).pmf(k)
    exact = pmf @ saved
    # Four standard errors of 20,000 draws.
    error = 4 * np.sqrt(pmf @ (saved - exact) ** 2 / 20_000)
    assert exact > 10 * error
    assert value_of_cases(np.array([a, b]), STOP.mean, n, seed=0) == pytest.approx(exact, abs=error)


def test_value_of_cases_grows_to_the_value_of_the_probabilities() -> None:
    alpha = np.array([2.0, 7.0])
    theta = np.random.default_rng(0).dirichlet(alpha, size=40_000)
    known = value_of_probabilities(theta, STOP.mean)
    values = [value_of_cases(alpha, STOP.mean, n, seed=1) for n in (1, 10, 100, 100_000)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(known, rel=0.05)
    assert known <= value_of_outcome(alpha / alpha.sum(), STOP.mean)


def test_known_costs_have_no_value_of_knowing_them() -> None:
    fixed, open_ = STOP.draws([0]), E_MAIL.draws([0])
    assert value_of_costs(np.array([0.3, 0.7]), fixed) == 0
    assert value_of_costs(np.array([0.86, 0.14]), open_) > 0


def test_mixture_costs_the_mean_of_its_parts_in_every_draw() -> None:
    drawn = E_MAIL.draws([3])
    np.testing.assert_allclose(drawn[:, 3], 0.95 * drawn[:, 1] + 0.05 * drawn[:, 0])


def test_more_guilt_reverses_the_decision() -> None:
    one = decisions(STOP, counts={"guilty": 2, "innocent": 98})
    other = decisions(STOP, counts={"guilty": 98, "innocent": 2})
    assert (one.details["best"], other.details["best"]) == ("wave on", "search")
    assert "The next best, “search”, costs more" in one.findings[0].text
    assert "The next best, “wave on”, costs more" in other.findings[0].text


def test_even_costs_do_not_tell() -> None:
    even = Costs({"a": {"x": 0, "y": 1}, "b": {"x": 1, "y": 0}})
    assert "do not tell which" in decisions(even, counts={"x": 50, "y": 50}).findings[0].text


def test_figures_draw_and_name_the_regions() -> None:
    pictures = decisions(E_MAIL, {"spam": 0.9, "ham": 0.1}).figures()
    assert [p.name for p in pictures] == ["decision-costs", "decision-map"]
    for picture in pictures:
        picture.figure.canvas.draw()
        assert "inbox from 0.0" in picture.alt


def test_three_outcomes_work() -> None:
    costs = Costs(
        {
            "a": {"x": 0, "y": 1, "z": 2},
            "b": {"x": (1, 2), "y": 0, "z": 0},
            "c": dict.fromkeys("xyz", 0.5),
        }
    )
    analysis = decisions(costs, counts={"z": 3, "x": 1, "y": 0})
    # The counts are in the order of the outcomes of the costs: (2, 1, 4) / 7.
    assert analysis.tables[1].frame["expected cost"][0] == pytest.approx(9 / 7)
    analysis.figures()


@pytest.mark.parametrize(
    "cells",
    [
        {},
        {"a": {"x": 0}},
        {"a": {"x": 0, "y": 1}, "b": {"x": 1}},
        {"a": {"x": 0, "y": (2.0, 1.0)}},
        {"a": {"x": 0, "y": float("nan")}},
    ],
)
def test_wrong_costs_are_errors(cells: dict[str, dict[str, float]]) -> None:
    with pytest.raises(DataError):
        Costs(cells)


def test_wrong_mixtures_and_probabilities_are_errors() -> None:
    cells = {"a": {"x": 0.0, "y": 1.0}}
    with pytest.raises(UnknownName):
        Costs(cells, {"m": {"b": 1.0}})
    with pytest.raises(DataError):
        Costs(cells, {"m": {"a": 0.5}})
    for wrong in ({"x": 0.5, "y": 0.6}, {"x": 1.0}, {"x": -0.5, "y": 1.5}):
        with pytest.raises(DataError):
            decisions(Costs(cells), wrong)
    with pytest.raises(DataError, match="either"):
        decisions(Costs(cells))
    with pytest.raises(DataError, match="either"):
        decisions(Costs(cells), {"x": 0.5, "y": 0.5}, counts={"x": 1, "y": 1})
