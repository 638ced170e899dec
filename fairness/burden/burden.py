"""The burden on people who did nothing: searched in vain, per hit and in a lifetime (G15)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plausible.fairness.burden.burden_rates import in_a_lifetime, odds_ratio, per_hit
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.contrasts import contrasts
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    cause,
    clearly,
    compared,
    counted_gap,
    credible_direction,
    extremes,
    left_out,
    needs,
    reference_of,
    sensitivity,
    with_cases,
)
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["burden"]


@analysis("burden", answers="actions", needs=("trials", "events", "hits"))
def burden(
    counts: Counts,
    *,
    times: int = 50,
    period: str | None = None,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    """What a practice costs people who did nothing, by group, and how unequal that is.

    With trials and events: the chance of at least one event in so many trials. With events and
    hits: people searched in vain for each hit. With all three: people searched in vain among all.

    Args:
        counts: with at least two neighbours of trials (stops, or people), events (searches) and
            hits.
        times: trials in a lifetime.
        period: what one of them is called, such as "years"; the name of the trials by default.
        reference: the group that others are compared with; the one with most cases by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "in_vain", the share of events without a hit, or "event"
        where there are no hits, by group.

    Raises:
        UnknownName: for a reference or measure that is not there.
        DataError: if there is nothing to divide by, or `times` is not positive.
    """
    if times < 1:
        raise DataError(f"A lifetime has one or more {period or 'trials'}, not {times}.")
    needs(counts, "events")
    if "trials" not in counts.measures:
        needs(counts, "hits")
    of = "trials" if "trials" in counts.measures else "events"
    sizes = counts[of]
    known = with_cases(counts, sizes, counts.label_of(of))
    ref = reference_of(counts, sizes, reference)
    main = _in_vain(counts, prior) if "hits" in counts.measures else _events(counts, prior)
    shown = extremes(main, known, ref)
    parts = []
    if "hits" in counts.measures:
        parts.append(_each_hit(counts, shown, ref, prior))
        if of == "trials":
            parts.append(_among_all(counts, shown, ref, prior))
    if of == "trials":
        parts.append(_lifetimes(counts, shown, ref, prior, times, period or counts.label_of(of)))
    events = counts.label_of("events")
    return Analysis(
        name="burden",
        title="The burden on people who did nothing",
        question=f"How many {events} fall on people for nothing, and is that spread evenly by "
        f"{counts.group}?",
        findings=[
            *(finding for part in parts for finding in part.findings),
            *left_out(counts, sizes, counts.label_of(of), shown),
        ],
        estimates=[e for part in parts for e in part.estimates],
        assumptions=[
            *basis(counts, prior),
            *(said for part in parts for said in part.assumptions),
        ],
        cannot_show=[
            cause(counts),
            f"What one of the {events} does to a person. All count the same here, and their "
            "dignity does not count at all.",
            "Whether the hits are worth the burden. That is weighed by people, not by numbers; "
            "and if it is wrong to make someone answer for the acts of others, no hit rate makes "
            "it right.",
        ],
        sources=[counts.source] if counts.source else [],
        counts=counts,
        posterior=inference_data(
            {
                "in_vain" if "hits" in counts.measures else "event": np.stack(
                    [main.draws_of(i) for i in shown], axis=1
                )
            },
            {"in_vain" if "hits" in counts.measures else "event": ["group"]},
            {"group": [counts.groups[i] for i in shown]},
        ),
        draw=lambda: [picture for part in parts for picture in part.pictures()],
        details={"reference": counts.groups[ref], "times": times, "shown": len(shown)},
    )


class _Part(NamedTuple):
    """What one of the three questions adds to the analysis."""

    findings: list[Finding]
    estimates: list[Estimate]
    assumptions: list[str]
    name: str
    caption: str
    drawn: Mapping[str, Estimate]

    def pictures(self) -> list[Picture]:
        """The number of every group, if there is one."""
        if not self.drawn:
            return []
        return [intervals(self.name, list(self.drawn.values()), self.caption, list(self.drawn))]


def _in_vain(counts: Counts, prior: Prior) -> Rates:
    """Events without a hit among events; the prior is that of hits, turned round."""
    vain = counts["events"] - counts["hits"]
    return Rates(vain, counts["events"], Prior(prior.others, prior.events))


def _events(counts: Counts, prior: Prior) -> Rates:
    return Rates(counts["events"], counts["trials"], prior)


def _each_hit(counts: Counts, shown: Sequence[int], ref: int, prior: Prior) -> _Part:
    """Searched in vain for each hit."""
    names, events, hits = counts.groups, counts.label_of("events"), counts.label_of("hits")
    searched, found = counts["events"], counts["hits"]
    with_any = [i for i in shown if searched[i]]
    hit_rate, vain = Rates(found, searched, prior), _in_vain(counts, prior)
    label = f"{events} in vain for each of the {hits}"
    each = {i: per_hit(f"{label}, {names[i]}", hit_rate, i) for i in with_any}
    ratios = {
        i: odds_ratio(f"{label}, {names[i]} / {names[ref]}", vain, i, ref)
        for i in with_any
        if i != ref and ref in each
    }
    findings, assumptions = [], []
    for i in sorted(ratios, key=lambda i: -abs(np.log(ratios[i].value))):
        one, other, ratio = each[i], each[ref], ratios[i]
        if not credible_direction(ratio, counted_gap(vain, i, ref)):
            where = "covers 1" if ratio.direction == 0 else "keeps off 1 by the prior alone"
            text = (
                f"For each of the {hits}, {one} {events} are in vain for {names[i]} and {other} "
                f"for {names[ref]}. The interval of their ratio, {ratio}, {where}: these data do "
                "not tell who bears more."
            )
        else:
            side = "more" if ratio.direction > 0 else "fewer"
            text = (
                f"For each of the {hits}, {side} {events} are in vain for {names[i]}, {one}, than "
                f"for {names[ref]}, {other}: a ratio of {ratio}."
            )
        findings.append(Finding(text, estimate=ratio))
    for i in with_any if not ratios else []:
        text = (
            f"Of {searched[i]:,} {events} of {names[i]}, {searched[i] - found[i]:,} were in vain: "
            f"for each of the {hits}, {each[i]}."
        )
        findings.append(Finding(text, estimate=each[i]))
    for i in (i for i in with_any if not found[i]):
        text = (
            f"None of the {searched[i]:,} {events} of {names[i]} was among the {hits}. One of "
            f"them costs at least {each[i].low:.3g} in vain with a probability of 97.5 %."
        )
        findings.append(Finding(text, estimate=each[i]))
    if missing := [names[i] for i in shown if not searched[i]]:
        text = f"There were no {events} of {', '.join(missing)}, and so none in vain."
        findings.append(Finding(text))
    if ratios:
        i = max(ratios, key=lambda i: abs(np.log(ratios[i].value)))
        assumptions.append(
            sensitivity(lambda p: odds_ratio(ratios[i].label, _in_vain(counts, p), i, ref))
        )
    elif with_any:
        assumptions.append(
            sensitivity(
                lambda p: per_hit(each[with_any[0]].label, Rates(found, searched, p), with_any[0])
            )
        )
    return _Part(
        findings,
        [*each.values(), *ratios.values()],
        assumptions,
        "per-hit",
        f"{label.capitalize()}.",
        {names[i]: e for i, e in each.items()},
    )


def _among_all(counts: Counts, shown: Sequence[int], ref: int, prior: Prior) -> _Part:
    """Searched in vain among all trials."""
    names = counts.groups
    trials, events = counts.label_of("trials"), counts.label_of("events")
    rates = Rates(counts["events"] - counts["hits"], counts["trials"], prior)
    label = f"rate of {events} in vain among {trials}"
    found = contrasts(rates, label, f"The {label}", names, shown, ref)
    return _Part(
        found.findings,
        found.estimates,
        [],
        "in-vain",
        f"{label.capitalize()}.",
        {names[i]: e for i, e in found.each.items()},
    )


def _lifetimes(
    counts: Counts, shown: Sequence[int], ref: int, prior: Prior, times: int, period: str
) -> _Part:
    """The chance of at least one event in a lifetime."""
    names, events = counts.groups, counts.label_of("events")
    rates = _events(counts, prior)
    label = f"at least one of the {events} in {times:,} {period}"
    each = {i: in_a_lifetime(f"{label}, {names[i]}", rates, i, times) for i in shown}
    draws = {i: -np.expm1(times * np.log1p(-rates.draws_of(i))) for i in shown}
    gaps = {
        i: estimate(f"{label}, {names[i]} − {names[ref]}", draws[i] - draws[ref], "difference")
        for i in shown
        if i != ref
    }
    what = f"The chance of {label}"
    findings = [
        compared(
            what,
            names[i],
            names[ref],
            (each[i], each[ref]),
            gaps[i],
            counted=counted_gap(rates, i, ref),
        )
        for i in sorted(gaps, key=lambda i: -clearly(gaps[i]))
    ] or [Finding(f"{what} is {each[ref]} for {names[ref]}.", estimate=each[ref])]
    assumption = (
        f"The chance in {times:,} {period} is 1 − (1 − p)^{times}, as if each of the {period} had "
        f"the same chance p and did not depend on the others. Where {events} fall on the same "
        "people again and again, fewer people meet one at all, and they meet more."
    )
    return _Part(
        findings,
        [*each.values(), *gaps.values()],
        [assumption],
        "lifetime",
        f"The chance of {label}.",
        {names[i]: e for i, e in each.items()},
    )
