"""Every analysis by its name: where it is, what it answers, what it needs; and users' own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar, cast, get_args

from plausible.fairness.estimation.multiplicity import on_page
from plausible.inference.errors import DataError, UnknownName
from plausible.inference.lazy import LazyTable

__all__ = [
    "ANALYSES",
    "BEYOND",
    "COLUMNS",
    "GIVEN",
    "Question",
    "Registered",
    "analysis",
    "names",
    "registered",
]

F = TypeVar("F", bound=Callable[..., Any])
# The closing questions that an analysis can answer; none answers the last, of dignity.
Question = Literal["representative", "amplification", "bayes", "actions", "causes"]
_ANY_NUMBER = 10**9

# In the order of an audit.
_PLACES = {
    "strata": "base_rates.by_stratum:by_stratum",
    "base-rates": "base_rates.base_rates:base_rates",
    "pooled": "base_rates.pooling:pooled",
    "pooled-strata": "base_rates.pooling:pooled",
    "intersections": "burden.intersections:intersections",
    "prosecutor": "prosecutor.prosecutor:prosecutor",
    "burden": "burden.burden:burden",
    "search-decisions": "search_decisions.search_decisions:search_decisions",
    "scores": "scores.scores:scores",
    "metrics": "scores.metrics:metrics",
    "four-fifths": "scores.four_fifths:four_fifths",
    "ranking": "scores.ranking:ranking",
    "versus": "scores.versus:versus",
    "thresholds": "scores.thresholds:thresholds",
    "means": "base_rates.means:means",
    "amplification": "amplification.amplification:amplification",
    "calibration": "scores.calibration:calibration",
    "proxies": "proxies.proxies:proxies",
    "detection": "sampling_bias.detection:detection",
    "decisions": "decisions.decisions:decisions",
    "along-paths": "causal.along_paths:along_paths",
    "relative-rates": "base_rates.relative_rates:relative_rates",
    "trained-on-arrests": "sampling_bias.trained_on_arrests:trained_on_arrests",
    "patrols": "feedback.patrols:patrols",
    "profiling-loop": "feedback.profiling_loop:profiling_loop",
    "survivorship": "sampling_bias.survivorship:survivorship",
    "prosecutor-from-rates": "prosecutor.published_rates:prosecutor_from_rates",
    "profile": "prosecutor.published_rates:profile",
    "found-out": "burden.found_out:found_out",
    "found-out-under-profile": "burden.profiling:found_out_under_profile",
    "bayes-optimal-amplification": "amplification.bayes_optimal:bayes_optimal",
    "correlation": "correlation.correlation:correlation",
    "chance-correlation": "correlation.chance:chance",
    "spurious": "correlation.spurious:spurious",
}
ANALYSES: LazyTable[Callable[..., Any]] = LazyTable(
    {name: f"plausible.fairness.{place}" for name, place in _PLACES.items()}
)

# What an analysis may need: what a table of decisions can hold, what it never holds, so that an
# audit says what is lacking, and what else its caller gives.
COLUMNS = {
    "trials": "a column of trials",
    "events": "a column of events",
    "hits": "a column of hits",
    "decisions": "a decision (or a score with a threshold) and an outcome",
    "score": "a column of scores, with a threshold and an outcome",
    "versus": "a second column of scores of the same rows (--versus)",
    "mean": "a column of amounts (--mean)",
    "good": "a yes that is good for whoever gets it (--good)",
    "rows": "a table in which a row is one case",
    "strata": "a column of strata",
}
BEYOND = {
    "survey": "a survey of the conduct itself, in another table (--survey FILE)",
    "costs": "what every outcome of every action costs (--costs FILE)",
    "offenders": "how many of each group do what hits are of, where trials are people "
    "(--offenders FILE)",
}
GIVEN = {
    "graph": "a graph of what causes what",
    "rates": "rates, published or assumed",
    "places": "hits by place",
    "numbers": "two or more columns of numbers",
}
_NEEDS = COLUMNS | BEYOND | GIVEN


@dataclass(frozen=True)
class Registered:
    """An analysis and what is known of it before it runs.

    Attributes:
        name: as in JSON, such as "base-rates".
        function: returns the `Analysis`.
        answers: the closing question that it speaks to.
        needs: names in `COLUMNS`, `BEYOND` or `GIVEN`; none for a calculation without data.
        groups: least number of groups.
        most: largest number of groups, in strata of groups and strata together.
        strata: least number of strata.
        label: as an audit calls it where it cannot be run.
        rates: how many rates it compares between groups.
    """

    name: str
    function: Callable[..., Any]
    answers: Question
    needs: tuple[str, ...]
    groups: int
    most: int
    strata: int
    label: str
    rates: int


_registered: dict[str, Registered] = {}


def analysis(
    name: str,
    *,
    answers: Question,
    needs: Sequence[str] = (),
    groups: int = 1,
    most: int = _ANY_NUMBER,
    strata: int = 0,
    label: str | None = None,
    rates: int = 1,
) -> Callable[[F], F]:
    """Register a function as an analysis: audits run it, and reports know what it answers.

    An audit calls it with counts, and with `reference`, `seed` or `threshold` where it has a
    parameter of that name.

    Args:
        name: as in the `Analysis` that the function returns.
        answers: the closing question that it speaks to.
        needs: names in `COLUMNS`, `BEYOND` or `GIVEN`; an audit runs it where a table has all.
        groups: least number of groups.
        most: largest number of groups, in strata of groups and strata together.
        strata: least number of strata.
        label: as an audit calls it where it cannot be run; the name by default.
        rates: how many rates it compares between groups. Its sentences allow for the comparisons
            of all of them, and on a page for those of the page's other analyses; see `together`.

    Raises:
        UnknownName: for a question or a need that is not in the lists.
        DataError: if the name belongs to another function.
    """
    if answers not in get_args(Question):
        raise UnknownName("closing question", answers, get_args(Question))
    for need in needs:
        if need not in _NEEDS:
            raise UnknownName("need of an analysis", need, _NEEDS)

    def register(given: F) -> F:
        function = _counted(given, rates)
        place = f"{function.__module__}:{function.__qualname__}"
        owner = _place(name)
        if owner not in (None, place):
            raise DataError(f"The analysis {name!r} is {owner}: give {place} another name.")
        words = label or name.replace("-", " ")
        _registered[name] = Registered(
            name, function, answers, tuple(needs), groups, most, strata, words, rates
        )
        return function

    return register


def _counted(function: F, rates: int) -> F:
    """The function on a page of its own, unless it is called for another one."""
    if "on_page" in vars(function):  # by another name of the same analysis
        return function

    @wraps(function)
    def on_its_page(*args: Any, **options: Any) -> Any:
        with on_page(rates):
            return function(*args, **options)

    vars(on_its_page)["on_page"] = True
    return cast(F, on_its_page)


def names() -> list[str]:
    """The names of all analyses, in the order of an audit, users' own last; imports none."""
    return list(dict.fromkeys([*ANALYSES, *_registered]))


def registered(name: str) -> Registered:
    """What is known of an analysis; imports the module that the table names, and no other.

    Raises:
        UnknownName: for another name; suggests the nearest.
    """
    if name not in _registered:
        if name not in ANALYSES:
            raise UnknownName("analysis", name, names())
        ANALYSES[name]
    return _registered[name]


def _place(name: str) -> str | None:
    """Module and attribute of the function that has the name; None where it is free."""
    if name in ANALYSES:
        return ANALYSES.places[name]
    if name in _registered:
        function = _registered[name].function
        return f"{function.__module__}:{function.__qualname__}"
    return None
