"""Every option of every analysis changes what it says, and groups are said clearest first."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plausible.fairness import Analysis, Costs, CountedRate, Counts, Moments, Prior, RoundedRate
from plausible.fairness.counts.counts import CONFUSION
from plausible.fairness.estimation.comparison import compare
from plausible.fairness.estimation.estimates import DRAWS, Estimate
from plausible.fairness.feedback.poverty import Society
from plausible.fairness.reporting import registry
from plausible.fairness.reporting.wording import comparisons
from plausible.fairness.sampling_bias.measurement import LogUniform
from plausible.fairness.scores.overall import OVERALL
from plausible.fairness.scores.score_values import Values
from plausible.fairness.scores.scores import RATES
from plausible.inference.errors import UnknownName


def counts(**cells: tuple[int, int, int]) -> Counts:
    keys = ("trials", "events", "hits")
    return Counts.of({name: dict(zip(keys, x, strict=True)) for name, x in cells.items()})


FLAT = counts(A=(60, 20, 6), B=(80, 15, 4), C=(40, 18, 9))
CELLS = Counts.of(
    {
        name: dict(zip(CONFUSION, cells, strict=True))
        for name, cells in {"A": (30, 6, 4, 9), "B": (12, 5, 2, 14)}.items()
    }
)
STRATA = Counts(
    pd.DataFrame(
        [
            (g, s, n, n // d)
            for g, s, n, d in [
                ("A", "1", 40, 3), ("A", "2", 20, 4), ("B", "1", 10, 2), ("B", "2", 30, 7)
            ]
        ],
        columns=["group", "by", "trials", "events"],
    ),
    by="level",
)  # fmt: skip
PLACES = Counts(
    pd.DataFrame(
        [
            ("A", "1", 40, 8, 3), ("A", "2", 50, 4, 2), ("B", "1", 90, 9, 3), ("B", "2", 60, 9, 1)
        ],
        columns=["group", "by", "trials", "events", "hits"],
    ),
    by="place",
)  # fmt: skip
_VALUES = pd.DataFrame(
    [
        (g, f"{(3 * i + j) % 7 / 7}; {(5 * i + 2 * j) % 7 / 7}", 9, (2 * i + j) % 9)
        for i, g in enumerate("AB")
        for j in range(7)
    ],
    columns=["group", "by", "trials", "events"],
)
BOTH = Values(
    Counts(_VALUES, by="value"),
    np.array([[float(x) for x in v.split("; ")] for v in dict.fromkeys(_VALUES["by"])]),
)
RANKED = Values(BOTH.counts, BOTH.scores[:, :1])
CROSSED = replace(
    STRATA,
    frame=pd.concat([STRATA.frame, STRATA.frame[:2].assign(group="C", trials=19)]),
)
USE = {"A": RoundedRate(0.14, 0.02), "B": RoundedRate(0.12, 0.02), "C": CountedRate(30, 200)}
ARRESTS = {"A": RoundedRate(0.007), "B": RoundedRate(0.002), "C": CountedRate(4, 900)}
COSTS = Costs({"go": {"rain": (2.0, 4.0), "dry": 0.0}, "stay": {"rain": 1.0, "dry": 1.0}})
X = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3, 5.0]
Y = [2.0, 7.0, 1.8, 2.8, 1.2, 8.0, 4.0, 2.5]


def _wide() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(40, 3)), columns=["x", "y", "z"])
    return frame.assign(g=np.where(random.random(40) < 0.5, "A", "B"))


def _rows() -> pd.DataFrame:
    random = np.random.default_rng(1)
    g = random.integers(0, 2, 300)
    return pd.DataFrame(
        {
            "g": np.where(g == 1, "A", "B"),
            "x": random.normal(g),
            "y": random.normal(size=300),
            "z": random.normal(size=300),
            "fault": random.random(300) < 0.3 + 0.2 * g,
        }
    )


# What each analysis is called with, and for each of its options another value than the first.
GIVEN: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "base-rates": (
        (FLAT,),
        {},
        {
            "trials": "events",
            "events": "hits",
            "reference": "A",
            "prior": Prior(2, 3),
            "seed": 1,
        },
    ),
    "pooled-strata": (
        (STRATA,),
        {},
        {"trials": None, "events": None, "reference": "B", "seed": 1},
    ),
    "intersections": (
        (STRATA,),
        {},
        {"reference": "B", "stratum": "2", "prior": Prior(2, 3), "seed": 1},
    ),
    "prosecutor": ((FLAT,), {}, {"reference": "A", "prior": Prior(2, 3), "seed": 1}),
    "burden": (
        (FLAT,),
        {"times": 5},
        {"times": 7, "period": "years", "reference": "A", "prior": Prior(2, 3)},
    ),
    "scores": ((CELLS,), {}, {"reference": "B", "prior": Prior(2, 2), "seed": 1}),
    "metrics": ((CELLS,), {}, {"reference": "B", "prior": Prior(2, 3), "seed": 1}),
    "four-fifths": ((FLAT,), {}, {"reference": "B", "prior": Prior(2, 3), "seed": 1}),
    "ranking": ((RANKED,), {}, {"reference": "B", "seed": 1}),
    "means": (
        (Moments(FLAT, np.array([2.0, 3.0, 1.0]), np.array([50.0, 90.0, 20.0])),),
        {},
        {"reference": "A", "cases": 5.0, "seed": 1},
    ),
    "versus": ((BOTH, ("a", "b")), {"threshold": 0.5}, {"threshold": 0.4, "seed": 1}),
    "thresholds": (
        (CELLS,),
        {},
        {
            "threshold": 0.4,
            "others": {0.9: CELLS},
            "without": CELLS,
            "reference": "B",
            "prior": Prior(2, 3),
            "seed": 1,
        },
    ),
    "amplification": (
        (CELLS,),
        {},
        {"predicted": None, "prior": 0.5, "seed": 1},
    ),
    "calibration": ((STRATA,), {}, {"reference": "B", "prior": Prior(2, 3), "seed": 1}),
    "proxies": (
        (_rows(), "g"),
        {},
        {
            "outcome": "fault",
            "columns": ["x"],
            "ignore": ["z"],
            "rows": 200,
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "detection": (
        (ARRESTS,),
        {},
        {
            "surveys": USE,
            "reference": "A",
            "group": "race",
            "use_called": "smoking",
            "arrests_called": "fines",
            "prior": Prior(2, 3),
            "detection_prior": LogUniform(1e-3),
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "decisions": (
        (COSTS,),
        {"counts": {"rain": 7, "dry": 15}},
        {
            "probabilities": None,
            "counts": {"rain": 8, "dry": 15},
            "further": 30,
            "prior": 0.5,
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "strata": (
        (CROSSED,),
        {},
        {"group": "C", "reference": "B", "prior": Prior(2, 3), "seed": 1},
    ),
    "relative-rates": (
        (USE, ARRESTS),
        {},
        {
            "reference": "A",
            "group": "race",
            "use_called": "smoking",
            "arrests_called": "fines",
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "trained-on-arrests": (
        ({"A": 0.1, "B": 0.2}, {"A": 0.2, "B": 0.1}),
        {"people": 400},
        {"people": 500, "separation": 2.0, "flagged": 0.2, "seed": 1},
    ),
    "patrols": (
        ((0.4, 0.3), (6.0, 4.0)),
        {"steps": 30},
        {
            "places": ("north", "south"),
            "steps": 40,
            "audit": 0.5,
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "profiling-loop": (
        (),
        {"steps": 2, "runs": 10},
        {
            "society": Society(stops=0.2),
            "groups": ("Reds", "Blues"),
            "steps": 3,
            "runs": 11,
            "seed": 1,
        },
    ),
    "along-paths": ((STRATA, "A", "B"), {}, {"prior": 2.0, "seed": 1}),
    "search-decisions": (
        (PLACES,),
        {},
        {"reference": "A", "prior": Prior(2, 3), "seed": 1},
    ),
    "survivorship": (
        ({"wing": 9, "tail": 3},),
        {},
        {"exposure": {"wing": 3.0, "tail": 1.0}, "prior": 0.5, "sources": ["s"], "seed": 1},
    ),
    "prosecutor-from-rates": (
        (CountedRate(8, 100), RoundedRate(0.9), RoundedRate(0.1)),
        {"hypothesis": "ill", "evidence": "positive"},
        {
            "hypothesis": "late",
            "evidence": "seen",
            "people": "travellers",
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "profile": (
        (USE,),
        {"hypothesis": "users"},
        {"hypothesis": "late", "group": "race", "people": "men", "sources": ["s"], "seed": 1},
    ),
    "found-out": (
        (FLAT,),
        {},
        {
            "offenders": dict.fromkeys("ABC", RoundedRate(0.5)),
            "other": "theft",
            "reference": "A",
            "prior": Prior(2, 3),
            "seed": 1,
        },
    ),
    "found-out-under-profile": (
        (USE,),
        {},
        {
            "shares": {"A": 1, "B": 2, "C": 3},
            "separation": 1.0,
            "threshold": 0.3,
            "stop_reveals": 0.5,
            "target": "theft",
            "other": "smoking",
            "group": "race",
            "reference": "A",
            "seed": 1,
        },
    ),
    "bayes-optimal-amplification": (
        (),
        {"people": 500},
        {
            "separations": (1.0,),
            "priors": (0.6,),
            "shown": 0.6,
            "people": 600,
            "seed": 1,
        },
    ),
    "correlation": (
        (X, Y),
        {},
        {
            "names": ("p", "q"),
            "times": range(8),
            "searched": 9,
            "prior": 2.0,
            "sources": ["s"],
            "seed": 1,
        },
    ),
    "chance-correlation": (
        (),
        {"features": (2,), "rows": (10,), "repeats": 20, "pairs": 4},
        {"features": (3,), "rows": (12,), "repeats": 30, "pairs": 5, "seed": 1},
    ),
    "spurious": ((_wide(), "x"), {}, {"prior": 2.0, "sources": ["s"], "seed": 1}),
}  # fmt: skip
# Checked where more data than here can show them: another measure, another way to the same.
ELSEWHERE = {
    ("pooled-strata", "trials"),
    ("pooled-strata", "events"),
    ("amplification", "predicted"),
    ("decisions", "probabilities"),
}
OPTIONS = [
    (name, option)
    for name, (_, _, others) in GIVEN.items()
    for option in others
    if (name, option) not in ELSEWHERE
]


def function(name: str) -> Callable[..., Analysis]:
    return registry.registered(name).function


@functools.cache
def first(name: str) -> Analysis:
    """The analysis with no other option than those it is called with first; tests only read it."""
    args, options, _ = GIVEN[name]
    return function(name)(*args, **options)


@functools.cache
def first_content(name: str) -> str:
    return content(first(name))


def content(analysis: Analysis) -> str:
    """All that an analysis says and draws."""
    texts = [
        repr([vars(f) for f in analysis.findings]),
        repr(list(analysis.estimates)),
        repr([analysis.question, analysis.assumptions, analysis.cannot_show, analysis.sources]),
        repr([table.frame.to_dict("list") for table in analysis.tables]),
        repr(analysis.details),
    ]
    for picture in analysis.figures():
        lines = [line for axes in picture.figure.axes for line in axes.get_lines()]
        texts += [picture.alt, repr([np.asarray(line.get_ydata(), float).sum() for line in lines])]
    if analysis.posterior is not None:
        draws = analysis.posterior.posterior
        texts.append(repr({str(name): x.to_numpy().sum() for name, x in draws.items()}))
    return "\n".join(texts)


def test_every_analysis_and_every_option_of_it_is_here() -> None:
    # Those of "pooled" are those of "pooled-strata": one function has both names.
    assert set(GIVEN) == set(registry.names()) - {"pooled"}
    for name, (args, _, others) in GIVEN.items():
        parameters = list(inspect.signature(function(name)).parameters)[len(args) :]
        assert list(others) == parameters, name
        assert "level" not in parameters  # intervals hold 95 % everywhere


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=lambda x: x)
def test_an_option_changes_what_an_analysis_says(name: str, option: str) -> None:
    # Seen failing for every analysis whose prior, seed or reference was left out in a copy.
    args, options, others = GIVEN[name]
    changed = function(name)(*args, **{**options, option: others[option]})
    assert first_content(name) != content(changed)


WITH_PRIOR = [name for name, option in OPTIONS if option == "prior"]


@pytest.mark.parametrize("name", WITH_PRIOR)
def test_a_prior_moves_the_numbers_themselves(name: str) -> None:
    args, options, others = GIVEN[name]
    after = function(name)(*args, **{**options, "prior": others["prior"]}).estimates
    pairs = zip(first(name).estimates, after, strict=True)
    moved = [one.value != other.value for one, other in pairs]
    # What is simulated or counted without a prior stays.
    assert sum(moved) > len(moved) / 2


# What each estimate becomes under a prior that outweighs all data: of rates of 3 in 4 (of 1 in 2
# where both numbers have to be equal), of even shares, or of no correlation.
STRONG = {"scores": Prior(1e7, 1e7), "correlation": 1e7, "spurious": 1e7}
STRONG |= dict.fromkeys(("along-paths", "amplification", "decisions", "survivorship"), 1e7)
LIMIT: dict[str, dict[tuple[str, ...], float]] = {
    "base-rates": {("rate", "A"): 0.75, ("rate", "A", "B"): 0.0},
    "intersections": {("rate", "B", "", "", "2"): 0.75, ("excess", "B", "", "", "2"): 0.0,
                      ("rate_predicted_apart", "B", "", "", "2"): 0.75},
    "prosecutor": {("event_given_group", "A"): 0.75, ("no_event_given_group", "C"): 0.25,
                   ("group_given_event", "A"): 1 / 3},
    "burden": {("in_vain_per_hit", "A"): 1 / 3, ("in_vain", "A"): 0.75, ("at_least_one", "A"): 1},
    "search-decisions": {("places", "A"): 0.5},
    "along-paths": {("direct_effect", "B", "A"): 0.0, ("indirect_effect", "B", "A"): 0.0},
    "scores": {(rate, "A"): 0.5 for rate in RATES},
    "metrics": {("accuracy", "A"): 0.75, ("true_positive_rate", "A"): 0.75},
    "four-fifths": {("selection_rate", "A"): 0.75},
    "thresholds": {("wrongly_investigated", "A"): 0.75, ("nothing_found", "A"): 0.75},
    "calibration": {("rate_at_equal_score", "B", "A"): 0.0},
    "amplification": {("share_in_data", "B"): 1 / 2, ("share_in_predictions", "B"): 1 / 2},
    "detection": {("use_before_data",): 0.75, ("use_from_arrests", "A"): 0.75},
    "decisions": {("cost", "go"): 1.5},
    "strata": {("rate", "B", "A", "", "level 1"): 0.0, ("standardised", "C", "A"): 0.0},
    "survivorship": {("holes", "wing"): 1 / 2},
    "found-out": {("found_out", "A"): 0.75},
    "correlation": {("correlation",): 0.0},
    "spurious": {("in_withheld_rows", "z"): 0.0},
}  # fmt: skip


@pytest.mark.parametrize("name", WITH_PRIOR)
def test_a_strong_prior_draws_every_number_to_its_own(name: str) -> None:
    # Seen failing for `burden` with the prior of hits the wrong way round, and for `decisions`,
    # `found_out` and `spurious` with the prior left out.
    args, options, _ = GIVEN[name]
    prior = STRONG.get(name, Prior(3e7, 1e7))
    analysis = function(name)(*args, **{**options, "prior": prior})
    for address, limit in LIMIT[name].items():
        assert analysis[address].value == pytest.approx(limit, abs=0.01), address


WITH_REFERENCE = [name for name, option in OPTIONS if option == "reference"]


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_another_reference_turns_its_comparison_round(name: str) -> None:
    # Seen failing with a reference that `thresholds` left to the largest group.
    args, options, others = GIVEN[name]
    new = others["reference"]
    after = function(name)(*args, **{**options, "reference": new})
    named = {e.reference for e in after.estimates if e.reference not in ("", OVERALL)}
    assert (named or set(after.details["reference"])) >= {new} >= named
    before = [
        e for e in first(name).estimates if e.group == new and e.reference not in ("", OVERALL)
    ]
    # Some choose whom they compare, or count places.
    assert before or name in ("intersections", "prosecutor", "search-decisions")
    for e in before:
        turned = after.find(e.quantity, e.reference, new, e.measure, e.stratum)
        error = 5 * (e.high - e.low) / DRAWS**0.5  # of draws
        if e.measure == "ratio":
            assert turned.value == pytest.approx(1 / e.value, abs=error / e.value**2)
        else:
            assert turned.value == pytest.approx(-e.value, abs=error)


@pytest.mark.parametrize("name", GIVEN)
def test_every_estimate_has_an_address_of_its_own(name: str) -> None:
    analysis = first(name)
    for e in analysis.estimates:
        assert analysis.find(e.quantity, e.group, e.reference, e.measure, e.stratum) is e
        assert e.quantity.isidentifier()
    with pytest.raises(UnknownName, match=analysis.estimates[0].quantity):
        analysis["no such quantity"]


def test_groups_are_said_clearest_first() -> None:
    # In the order in which they came the first would be C: seen failing without sorting.
    given = counts(A=(900, 90, 9), C=(900, 95, 9), D=(900, 300, 9), B=(900, 180, 9))
    c = compare(given, "events", "trials", reference="A")
    sentences = comparisons("The rate", c)
    order = [f.estimate.group for f in sentences if f.estimate]
    assert order == ["D", "B", "C"]
    gaps = [f.estimate.clearance for f in sentences if f.estimate]
    assert gaps == sorted(gaps, reverse=True)


@pytest.mark.parametrize("name", ["base-rates", "burden", "found-out"])
def test_sentences_on_one_quantity_go_from_clear_to_unclear(name: str) -> None:
    # Seen failing with the order in which the groups came, C first.
    given = counts(A=(900, 90, 40), C=(900, 95, 41), D=(900, 300, 10), B=(900, 180, 8))
    analysis = function(name)(given, reference="A")
    by_quantity: dict[tuple[str, str], list[Estimate]] = {}
    for f in analysis.findings:
        if f.estimate is not None and f.estimate.reference:
            e = f.estimate
            by_quantity.setdefault((e.quantity, e.measure), []).append(e)
    assert by_quantity and all(len(x) == 3 for x in by_quantity.values())
    for each in by_quantity.values():
        told = [bool(e.credible_direction) for e in each]
        assert told == sorted(told, reverse=True)
        assert each[-1].group == "C"


def test_a_difference_comes_before_a_ratio_unless_that_is_asked_for() -> None:
    analysis = function("base-rates")(FLAT, reference="B")
    assert analysis["rate", "A", "B"].measure == "difference"
    assert analysis["rate", "A", "B", "ratio"].measure == "ratio"
    assert analysis["rate", "A"].value == pytest.approx(21 / 62)
    with pytest.raises(UnknownName, match="Did you mean 'rate, A, B, ratio'"):
        analysis["rate", "A", "B", "ratoi"]
