"""The burden on people who did nothing: searched in vain, per hit and in a lifetime (G15)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from plausible.fairness.burden.burden_rates import InVain, Lifetimes
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Comparison, Contrasts, compare, needs
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, under_priors
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, gathered, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, comparisons, left_out, sensitivity
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["burden"]

_NONE = 0.0005  # a difference of chances that are both near 1, below which there is none


@analysis("burden", answers="actions", needs=("trials", "events", "hits"), rates=3)
def burden(
    counts: Counts,
    *,
    times: int | None = None,
    period: str | None = None,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
) -> Analysis:
    """What a practice costs people who did nothing, by group, and how unequal that is.

    With events and hits: people searched in vain for each hit. With trials too: people searched in
    vain among all. With trials, events and a lifetime: the chance of at least one event in it.

    Args:
        counts: with at least two neighbours of trials (stops, or people), events (searches) and
            hits.
        times: periods that a person lives through. Each of the trials then stands for one person
            in one period: one resident in one year, or one stop where they are counted in stops.
        period: what one of them is called, such as "year"; the name of the trials by default.
        reference: the group that others are compared with; the one with most cases by default.
        prior: of every rate.

    Returns:
        The analysis; its posterior has "in_vain", the share of events without a hit, or "event"
        where there are no hits, by group.

    Raises:
        UnknownName: for a reference or measure that is not there.
        DataError: if events are good for whoever gets them, there is nothing to divide by, `times`
            is not positive, or there are neither hits nor a lifetime.
    """
    if times is not None and times < 1:
        raise DataError(f"A lifetime has one or more {period or 'trials'}, not {times}.")
    if counts.good:
        raise DataError(
            f"It counts what falls on people for nothing, but {counts.label_of('events')} are good "
            "for whoever gets them."
        )
    of = "trials" if "trials" in counts.measures else "events"
    with_hits = of == "events" or "hits" in counts.measures
    needs(counts, "events", *(["hits"] if with_hits else []))
    if not with_hits and times is None:
        raise DataError(
            "Without hits the burden is the chance of an event in a lifetime: say how many periods "
            "that is with `times`, or give hits."
        )
    vain = counts["events"] - counts["hits"] if with_hits else counts["events"]
    turned = Prior(prior.others, prior.events)  # of the share in vain, by the prior of hits
    c = compare(
        counts,
        vain,
        "events" if with_hits else "trials",
        sizes=counts[of],
        cases=counts.label_of(of),
        reference=reference,
        prior=turned if with_hits else prior,
    )
    parts = []
    if with_hits:
        parts.append(_each_hit(c))
        if of == "trials":
            parts.append(_among_all(c, prior))
    if of == "trials" and times is not None:
        parts.append(_lifetimes(c, prior, times, period))
    return Analysis(
        **framed("burden", counts),
        findings=[finding for part in parts for finding in part.findings],
        estimates=[e for part in parts for e in part.estimates],
        assumptions=[
            *basis(counts, prior),
            *left_out(c),
            *(text for part in parts for text in part.assumptions),
        ],
        counts=counts,
        posterior=c.posterior("in_vain" if with_hits else "event"),
        draw=lambda: [picture for part in parts for picture in part.pictures()],
        details={"reference": c.reference, "shown": len(c.shown)}
        | ({"times": times} if times else {}),
    )


class _Part(NamedTuple):
    """What one of the three questions adds to the analysis."""

    name: str
    caption: str
    each: Mapping[int, Estimate]
    estimates: Sequence[Estimate]
    findings: Sequence[Finding]
    assumptions: Sequence[str] = ()

    def pictures(self) -> list[Picture]:
        """The number of every group, if there is one."""
        return [intervals(self.name, list(self.each.values()), self.caption)] if self.each else []


def _each_hit(c: Comparison) -> _Part:
    """Searched in vain for each hit."""
    names, searched = c.counts.groups, c.counts["events"]
    events, hits = c.counts.label_of("events"), c.counts.label_of("hits")
    words, of = f"{events} in vain for each of the {hits}", {"events": events, "hits": hits}
    with_any = [i for i in c.shown if searched[i]]

    def number(prior: Prior) -> Contrasts:
        rates = InVain(c.part, searched, Prior(prior.others, prior.events), names=names)
        return Contrasts("in_vain_per_hit", words, rates, with_any, c.ref)

    main = number(Prior(c.of.prior.others, c.of.prior.events))
    each, ratios = main.each, main.ratios
    order = main.order
    findings = gathered(
        "burden.per_hit",
        [worded("burden.per_hit", ratios[i], one=each[i], other=each[c.ref], **of) for i in order],
        other=each.get(c.ref),
        **of,
    )
    for i in with_any if not ratios else []:
        findings.append(worded("burden.alone", each[i], n=searched[i], vain=c.part[i], **of))
    for i in (i for i in with_any if c.part[i] == searched[i]):
        findings.append(worded("burden.no_hits", each[i], n=searched[i], **of))
    if missing := [names[i] for i in c.shown if not searched[i]]:
        findings.append(worded("burden.no_events", names=", ".join(missing), **of))
    headlines = {}
    if ratios:
        headlines = under_priors(lambda prior: number(prior).ratios[order[0]])
    elif with_any:
        headlines = under_priors(lambda prior: number(prior).each[with_any[0]])
    estimates = [*each.values(), *ratios.values()]
    caption = f"{words.capitalize()}."
    return _Part("per-hit", caption, each, estimates, findings, sensitivity(headlines))


def _among_all(c: Comparison, prior: Prior) -> _Part:
    """Searched in vain among all trials."""
    words = f"rate of {c.counts.label_of('events')} in vain among {c.cases}"
    all_of_them = c.another("in_vain", words, c.part, c.sizes, prior)
    findings = comparisons(f"The {words}", all_of_them)
    caption = f"{words.capitalize()}."
    return _Part("in-vain", caption, all_of_them.each, all_of_them.estimates, findings)


def _lifetimes(c: Comparison, prior: Prior, times: int, period: str | None) -> _Part:
    """The chance of at least one event in a lifetime."""
    counts, events = c.counts, c.counts.label_of("events")
    rates = Lifetimes(times, counts["events"], counts["trials"], prior, 0, counts.groups)
    periods = c.cases if period is None else period + "s" * (times > 1 and period[-1:] != "s")
    words = f"at least one of the {events} in {times:,} {periods}"
    lives = Contrasts("at_least_one", words, rates, c.shown, c.ref)
    what, each = f"The chance of {words}", lives.each
    alone = Finding(f"{what} is {each[c.ref]} for {c.reference}.", estimate=each[c.ref])
    findings = [_told(what, lives, f) for f in comparisons(what, lives, ratios=False)] or [alone]
    if period is not None:
        taken = phrase("burden.taken", trials=c.cases, period=period)
        findings[0] = replace(findings[0], caveat=taken)
    estimates = [*each.values(), *lives.gaps.values()]
    assumptions = assumed("burden", times=times, period=periods, events=events)
    return _Part("lifetime", f"{what}.", each, estimates, findings, assumptions)


def _told(what: str, lives: Contrasts, finding: Finding) -> Finding:
    """The finding; where nearly everyone meets one in both groups, that no difference is left."""
    gap = finding.estimate
    if gap is None or max(abs(gap.low), abs(gap.high)) > _NONE:
        return finding
    one, other = (
        next(e for e in lives.each.values() if e.group == name)
        for name in (gap.group, gap.reference)
    )
    if min(one.low, other.low) < 1 - 10 * _NONE:
        return finding
    return worded("burden.saturated", gap, "text", what=what, one=one, other=other)
