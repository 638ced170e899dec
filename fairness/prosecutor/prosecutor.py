"""The prosecutor's fallacy: P(evidence given hypothesis) is not the reverse (G4)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import compare, needs, reference_of, with_cases
from plausible.fairness.estimation.estimates import DRAWS, Cases, Estimate, estimate
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import (
    PRIORS,
    Prior,
    Rates,
    inference_data,
    under_priors,
)
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import people
from plausible.fairness.reporting.framing import framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, left_out, natural, sensitivity, spoken
from plausible.inference.pages.page import Picture

__all__ = ["every_search", "innocent", "of_thousand", "prosecutor", "roles"]

_PANELS = 4
_COLUMNS = (50, 40, 25, 25)  # of dots, by the number of panels


@analysis("prosecutor", answers="bayes", needs=("trials", "events"), label="prosecutor's fallacy")
def prosecutor(
    counts: Counts,
    *,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""What belonging to a group says about an event, and what the event says about the group.

    The evidence is the group, the hypothesis is the event. With n trials and k events in group g,

    .. math:: P(\text{event} \mid g) \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g), \quad
              P(g \mid \text{event}) \sim \mathrm{Beta}\Bigl(a + k_g,\;
              \sum_{h \ne g} (a + k_h)\Bigr)

    Both are margins of one Dirichlet posterior of the cells (group, event or not), whose prior
    has a for an event and b for none in every group.

    Args:
        counts: with trials and events, where an event is what is looked for.
        reference: the group that the one with the highest rate is compared with; the largest by
            default, and the largest other one where it has the highest rate itself.
        prior: of the rate of events in every group.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "event_given_group" and "group_given_event", by group.

    Raises:
        UnknownName: for counts without trials or events, or a reference that is not there.
        DataError: if there are no trials, or none of the reference.
    """
    needs(counts, "trials", "events")
    k, n, names = counts["events"], counts["trials"], counts.groups
    trials, events = counts.label_of("trials"), counts.label_of("events")
    known = with_cases(counts, n, trials)
    means = Rates(k, n, prior)
    ref = reference_of(counts, n, reference)
    # By chance a group of few can have the highest rate, and by its prior alone without an event.
    top = max(known, key=lambda i: (k[i] > 0, means.estimate("", i).low))
    c = compare(
        counts,
        "events",
        "trials",
        quantity="event_given_group",
        words=f"{events} given the {counts.group}",
        reference=names[top],
        prior=prior,
        seed=seed,
    )
    each, whose = c.each, f"{counts.group} {names[top]}"
    given_group, given_event = _both_ways(k[known], n[known], prior, seed, c.shown, known)
    wrong = _complement(each[top], f"share of {trials} that are no {events}")
    case = "good" if counts.good else "text"
    findings = [innocent(f"{trials} of {whose}", events, counts.group, each[top], wrong, case)]
    estimates = [*each.values(), wrong]
    if not k.any():
        findings.append(worded("prosecutor.no_events", events=events))
    elif len(known) > 1:
        all_events = np.full(len(names), k.sum())
        backward = Rates(k, all_events, _of_others(prior, len(known)), names=names)
        words = f"share of the {events}"
        reverse = {i: backward.estimate("group_given_event", i, words) for i in c.shown}
        at = c.shown.index(top)
        swapped = estimate(
            "group_given_event_over_event_given_group",
            given_event[:, at] / given_group[:, at],
            "ratio",
            group=names[top],
            words=f"share of the {events} over {events} given the {counts.group}",
        )
        both = {"forward": spoken(each[top]), "backward": spoken(reverse[top])}
        of = {"trials": trials, "events": events, "name": whose}
        findings.append(worded("prosecutor.two_directions", swapped, **both, **of))
        estimates += [*reverse.values(), swapped]
    if len(known) > 1:
        rest = max((i for i in known if i != top), key=lambda i: (i == ref, n[i]))
        (gap,) = together([c.of.difference(c.quantity, top, rest, c.words)], len(known) - 1)
        pair = (each[top], c.of.estimate(c.quantity, rest, c.words))
        findings.append(every_search(pair, gap, events, good=counts.good))
        estimates.append(gap)
    return Analysis(
        **framed("prosecutor", counts),
        findings=findings,
        estimates=estimates,
        assumptions=[
            phrase("prosecutor.roles", counts=counts, events=events, trials=trials),
            *basis(counts, prior),
            *left_out(c),
            phrase("prosecutor.cells", counts=counts, events=events),
            *sensitivity(
                under_priors(lambda p: _complement(c.under(p).estimate("", top), wrong.words))
            ),
        ],
        counts=counts,
        posterior=inference_data(
            {"event_given_group": given_group, "group_given_event": given_event}, group=c.names
        ),
        tables=[roles(f"being of the {counts.group}", f"being among the {events}")],
        draw=lambda: [
            of_thousand(
                "people",
                [each[i] for i in sorted(c.shown, key=lambda i: (i != top, -n[i]))],
                events,
                f"Of 1,000 {trials} of each {counts.group}, those that count as {events}.",
            )
        ],
        details={"reference": names[ref], "singled_out": names[top]},
    )


def _of_others(prior: Prior, groups: int) -> Prior:
    """The prior of a group's share of events that follows from the priors of all groups."""
    return Prior(prior.events, prior.events * max(groups - 1, 1))


def _both_ways(
    k: NDArray[np.int64],
    n: NDArray[np.int64],
    prior: Prior,
    seed: int,
    shown: Sequence[int],
    known: Sequence[int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Joint draws of P(event given group) and P(group given event), each (DRAWS, shown).

    Gamma variables over their sum are Dirichlet; groups that are not shown need only their sum.
    """
    random = np.random.default_rng(seed)
    at = [known.index(i) for i in shown]
    size = (DRAWS, len(at))
    events = random.gamma(prior.events + k[at], size=size)
    others = random.gamma(prior.others + (n - k)[at], size=size)
    rest = k.sum() - k[at].sum() + prior.events * (len(k) - len(at))
    total = events.sum(axis=1, keepdims=True)
    if rest > 0:
        total = total + random.gamma(rest, size=(DRAWS, 1))
    return events / (events + others), events / total


def _complement(share: Estimate, words: str = "") -> Estimate:
    return replace(
        share,
        quantity="no_event_given_group",
        value=1 - share.value,
        low=1 - share.high,
        high=1 - share.low,
        words=words,
        counts=tuple(Cases(c.trials - c.events, c.trials) for c in share.counts),
    )


def innocent(
    cases: str, events: str, group: str, rate: Estimate, wrong: Estimate, case: str = "text"
) -> Finding:
    """Of how many people of the group the accusation, or the hope, would be wrong."""
    people, number = natural(rate)
    values = {"people": people, "number": number, "cases": cases, "events": events, "group": group}
    return worded("prosecutor.innocent", wrong, case, **values)


def every_search(
    rates: tuple[Estimate, Estimate], gap: Estimate, events: str, *, good: bool = False
) -> Finding:
    """What a rule does that goes by the sign of a difference, however small it is."""
    one, other = (_complement(rate) for rate in rates)
    values = {"one": one, "other": other, "events": events}
    if good:
        return worded("prosecutor.every_place", gap, **values)
    return worded("prosecutor.every_search", gap, **values)


def of_thousand(
    name: str, rates: Sequence[Estimate], events: str, caption: str, title: str = ""
) -> Picture:
    """Up to four groups as 1,000 people each, of whom those that count stand out.

    Args:
        name: of the file.
        rates: of the groups.
        events: what counts.
        caption: what to see.
        title: above the people, where they are of no group.
    """
    panels = {}
    for rate in rates[:_PANELS]:
        number = round(1000 * rate.value)
        panels[rate.group or title] = {events: number, "others": 1000 - number}
    return people(name, panels, caption, columns=_COLUMNS[len(panels) - 1])


def roles(evidence: str, hypothesis: str) -> Table:
    """Which of the two is seen and which is asked."""
    return Table(
        "What is given and what is asked",
        pd.DataFrame(
            {
                "role": ["evidence (what is seen)", "hypothesis (what is asked)"],
                "here": [evidence, hypothesis],
            }
        ),
    )
