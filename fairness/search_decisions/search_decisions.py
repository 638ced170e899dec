"""Tests of search decisions set next to one another, place by place (G16)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs, reference_of
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import plain
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, records
from plausible.fairness.search_decisions.by_place import TestsByPlace, tests_by_place
from plausible.fairness.search_decisions.selection import e_value, selection_bounds
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, INK, styled

__all__ = ["search_decisions"]

_GROUPS, _ROWS, _NAMED = 3, 40, 4
_SUPPOSED = (0.1, 0.3, 0.5)  # shares of stops that would not have been made otherwise


@analysis(
    "search-decisions",
    answers="causes",
    needs=("trials", "events", "hits", "strata"),
    groups=2,
    strata=2,
    label="tests of search decisions",
)
def search_decisions(
    counts: Counts,
    *,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    """The benchmark test, the outcome test and what each takes for granted, in every place.

    The benchmark test asks who is searched more often per stop; the outcome test, whose searches
    find less. They can contradict each other, and each can be wrong.

    Args:
        counts: stops as trials, searches as events, hits, by place.
        reference: the group that others are compared with; the largest by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its numbers of places are posteriors.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: without places, or where no place has searches of two groups.

    Source: Knowles, Persico and Todd, Racial bias in motor vehicle searches (2001); Simoiu,
    Corbett-Davies and Goel, The problem of infra-marginality in outcome tests (2017).
    """
    needs(counts, "trials", "events", "hits")
    ref = counts.groups[reference_of(counts, counts["trials"], reference)]
    size = dict(zip(counts.groups, counts["trials"], strict=True))
    others = sorted((g for g in counts.groups if g != ref), key=lambda g: -size[g])[:_GROUPS]
    tests = []
    for group in others:
        try:
            tests.append(tests_by_place(counts, group, ref, prior=prior, seed=seed))
        except DataError:
            if group == others[-1] and not tests:
                raise
    findings: list[Finding] = []
    estimates: list[Estimate] = []
    for one in tests:
        words = phrase("search_decisions.places", by=counts.by)
        agree = estimate("places", one.agree, "count", group=one.group, words=words)
        estimates.append(agree)
        findings += _of(counts, one, agree)
    findings += [_selection(counts, one.group, ref) for one in tests[:1]]
    return Analysis(
        **framed("search_decisions", counts, reference=ref),
        findings=findings,
        estimates=estimates,
        assumptions=[*assumed("search_decisions", prior=prior), *records(counts)],
        counts=counts,
        tables=[_table(counts, tests), *(_supposed(counts, one.group, ref) for one in tests[:1])],
        draw=partial(_pictures, counts.by, tests),
        details={"reference": ref, "left_out": {one.group: one.left_out for one in tests}},
    )


def _of(counts: Counts, one: TestsByPlace, agree: Estimate) -> list[Finding]:
    more, fewer, both = one.counted
    values: dict[str, object] = {"by": counts.by, "group": one.group, "reference": one.reference}
    values |= {"places": f"{len(one.places):,}", "more": more, "fewer": fewer, "both": both}
    findings = [worded("search_decisions.agree", agree, **values)]
    if names := one.contradicted:
        first = one.contradiction[names[0]]
        which = listed(names, _NAMED)
        count = f"{len(names)} {counts.by}{'s' * (len(names) > 1)}"
        findings.append(
            worded("search_decisions.contradict", count=count, which=which, first=first, **values)
        )
    else:
        findings.append(worded("search_decisions.no_contradiction", **values))
    if one.left_out:
        findings.append(worded("search_decisions.left_out", left=one.left_out, **values))
    return findings


def _rates(counts: Counts, group: str, reference: str) -> tuple[float, float, float]:
    """Searches per stop of both, and the group's share of the stops of both."""
    i, j = counts.groups.index(group), counts.groups.index(reference)
    n, k = counts["trials"], counts["events"]
    return float(k[i] / n[i]), float(k[j] / n[j]), float(n[i] / (n[i] + n[j]))


def _selection(counts: Counts, group: str, reference: str) -> Finding:
    one, other, share = _rates(counts, group, reference)
    if not min(one, other) > 0:
        return worded("search_decisions.no_searches", group=group, reference=reference)
    low, high = (100 * x for x in selection_bounds(one, other, share, _SUPPOSED[1]))
    return worded(
        "search_decisions.selection",
        group=group,
        reference=reference,
        ratio=one / other,
        strength=e_value(one / other),
        naive=100 * (one - other),
        supposed=100 * _SUPPOSED[1],
        low=low,
        high=high,
    )


def _supposed(counts: Counts, group: str, reference: str) -> Table:
    one, other, share = _rates(counts, group, reference)
    rows = [(0.0, one - other, one - other)]
    rows += [(rho, *selection_bounds(one, other, share, rho)) for rho in _SUPPOSED]
    frame = pd.DataFrame(
        [(f"{100 * rho:g} %", 100 * low, 100 * high) for rho, low, high in rows],
        columns=["stops that would not have been made", "least, points", "most, points"],
    )
    return Table(phrase("search_decisions.supposed", group=group, reference=reference), frame)


def _table(counts: Counts, tests: Sequence[TestsByPlace]) -> Table:
    """The places with the most stops: both differences, and how they go together."""
    rows = []
    for one in tests:
        for i in np.argsort(-one.stops, kind="stable")[:_ROWS]:
            place = one.places[i]
            rows.append(
                {
                    str(counts.by): place,
                    "compared": f"{one.group} − {one.reference}",
                    "stops": int(one.stops[i]),
                    "searches per stop, points": 100 * float(one.searches[:, i].mean()),
                    "hits per search, points": 100 * float(one.hits[:, i].mean()),
                    "probability of a contradiction": one.contradiction[place],
                }
            )
    return Table(phrase("search_decisions.table", by=counts.by), pd.DataFrame(rows))


def _pictures(by: str | None, tests: Sequence[TestsByPlace]) -> list[Picture]:
    return [
        Picture(
            f"search-decisions-{i}",
            _figure(one),
            f"Every dot is a {by}: how much more often people are searched per stop, {one.group} "
            f"less {one.reference}, and how much more their searches find. Right below: searched "
            "more, found less. Right above, ringed: the two tests contradict each other with a "
            "probability above 95 %.",
            f"A scatter plot of {len(one.places):,} dots, {one.counted[2]:,} of them right below; "
            f"{len(one.contradicted)} are ringed.",
        )
        for i, one in enumerate(tests, 1)
    ]


@styled
def _figure(one: TestsByPlace) -> Figure:
    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    x, y = 100 * one.searches.mean(0), 100 * one.hits.mean(0)
    area = 12 + 150 * one.stops / one.stops.max()
    axes.scatter(x, y, s=area, color=CLASS_COLOURS[0], alpha=0.5, linewidth=0)
    ringed = [one.places.index(place) for place in one.contradicted]
    axes.scatter(
        x[ringed], y[ringed], s=area[ringed] + 60, facecolor="none", edgecolor=CLASS_COLOURS[1]
    )
    for line in (axes.axhline, axes.axvline):
        line(0, color=INK, linewidth=0.8)
    pair = plain(f"{one.group} − {one.reference}")
    axes.set_xlabel(f"searches per stop, {pair}, points")
    axes.set_ylabel(f"hits per search, {pair}, points")
    return figure
