"""Sentences that several analyses share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Comparison, Contrasts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import Prior
from plausible.fairness.reporting.analysis import Finding

__all__ = [
    "allowance",
    "basis",
    "cause",
    "compared",
    "comparisons",
    "deviations",
    "left_out",
    "listed",
    "natural",
    "records",
    "sensitivity",
    "spoken",
    "tally",
    "under_each",
]

_SMALL = 0.005  # shares below this are told in natural frequencies
_PEOPLE = (1_000, 100_000, 10_000_000)


def comparisons(what: str, contrasts: Contrasts, *, ratios: bool = True) -> list[Finding]:
    """How each group compares with the reference, in the order of `Contrasts.order`.

    Groups of which these data do not tell share a sentence.

    Args:
        what: begins the sentences, such as "The rate of hits among searches".
        contrasts: the numbers.
        ratios: whether sentences give the ratios too.
    """
    c = contrasts
    undecided = [i for i in c.order if not c.gaps[i].credible_direction]
    findings: list[Finding] = []
    for i in c.order:
        if i not in undecided or len(undecided) == 1:
            ratio = c.ratios[i] if ratios else None
            findings.append(compared(what, c.each[i], c.each[c.ref], c.gaps[i], ratio))
        elif i == undecided[0]:
            findings.append(_not_told(what, c.each[c.ref], [c.gaps[i] for i in sorted(undecided)]))
    first = next((f for f in findings if f.caveat), None)
    return [f if f is first else replace(f, caveat="") for f in findings]


def _not_told(what: str, reference: Estimate, gaps: Sequence[Estimate]) -> Finding:
    """Of which groups these data do not tell on which side of the reference they lie."""
    most = max(gap.comparisons for gap in gaps)
    reasons = {
        "covers": "covers zero",
        "comparisons": f"would with all {most:,} comparisons of this page allowed for",
        "prior": "keeps off zero by the prior alone",
    }
    told = [words for key, words in reasons.items() if any(key in g.undecided for g in gaps)]
    text = (
        f"{what} is {spoken(reference)} for {reference.group}. Whether it is higher or lower for "
        f"{listed([gap.group for gap in gaps])}, these data do not tell: the interval of each "
        f"difference {', or '.join(told)}."
    )
    return Finding(text, estimate=reference)


def compared(
    what: str, one: Estimate, other: Estimate, gap: Estimate, ratio: Estimate | None = None
) -> Finding:
    """A share of two groups and on which side of zero their difference lies.

    Args:
        what: names the share and begins the sentence, such as "The rate of hits among searches".
        one: of the group whose share comes first in the difference.
        other: of the group that it is compared with.
        gap: the first minus the second.
        ratio: the first over the second, where that is wanted too.
    """
    first, second = _alike(one, other)
    caveat = ""
    if not gap.credible_direction:
        text = (
            f"{what} is {first} for {gap.group} and {second} for {gap.reference}. The interval of "
            f"the difference, {gap}, {gap.undecided}: these data do not tell which is higher."
        )
    else:
        side = "higher" if gap.direction > 0 else "lower"
        text = (
            f"{what} is {side} for {gap.group}, {first}, than for {gap.reference}, "
            f"{second}: a difference of {gap}{f', or {ratio}' if ratio else ''}."
        )
        caveat = allowance(gap)
    return Finding(text, caveat, gap)


def allowance(gap: Estimate) -> str:
    """That a sentence on one of several comparisons allows for all of them."""
    if gap.comparisons == 1:
        return ""
    return (
        f"Told with all {gap.comparisons:,} comparisons of this page allowed for; the interval "
        "holds 95 % for this one alone."
    )


def sensitivity(headlines: Mapping[str, Estimate]) -> list[str]:
    """A number under several priors, and whether the choice matters; nothing without a number."""
    if not headlines:
        return []
    numbers = list(headlines.values())
    width = min(e.high - e.low for e in numbers)
    directions = {e.direction for e in numbers if e.measure in ("difference", "ratio")}
    if len(directions) > 1:
        verdict = "On which side of no effect it lies depends on the prior: there are few data"
    elif np.ptp([e.value for e in numbers]) > width / 10:
        verdict = "The prior moves it by more than a tenth of its interval: there are few data"
    else:
        verdict = "The choice hardly matters here"
    return [f"{under_each(f'the {numbers[0].label}', headlines)} {verdict}."]


def under_each(what: str, values: Mapping[str, object]) -> str:
    """The value of something under each of several priors."""
    each = "; ".join(f"{prior}: {value}" for prior, value in values.items())
    return f"Prior sensitivity of {what}: {each}."


def basis(counts: Counts, prior: Prior) -> list[str]:
    """What an analysis with a Beta prior of every rate assumes."""
    return [
        f"Every rate has the prior {prior}, the same for each {counts.group}, and says nothing "
        "about another one.",
        *records(counts),
    ]


def records(counts: Counts) -> list[str]:
    """What every analysis of counts assumes: cases count once, and what is left out."""
    sentences = [
        "Each case counts once and tells nothing about the next. Where the same people come back, "
        "or cases come in clusters, the intervals are too narrow.",
        "Intervals hold 95 % of the posterior probability. They cover chance only, not wrong or "
        "missing records.",
    ]
    if rows := counts.missing.get("rows", 0):
        where = f" or {counts.by}" if counts.by else ""
        sentences.append(
            f"{rows:,} rows without a {counts.group}{where} are left out. If they are missing for "
            "a reason, the numbers are off."
        )
    if counts.source:
        sentences.append(f"The counts are taken as given: {counts.source}")
    return sentences


def cause(counts: Counts) -> str:
    """That counts do not show what makes groups differ."""
    return (
        f"What causes a difference. It can come from conduct, from where and when people are "
        f"looked at, from how things are recorded, or from treatment by {counts.group}; these "
        "counts fit all of them."
    )


def silent(counts: Counts, names: Sequence[str], cases: str) -> list[str]:
    """That nothing is said about these groups, and whether that is for want of cases or of values.

    Args:
        counts: of all groups.
        names: of those without cases.
        cases: what none were counted of.
    """
    without = [name for name in names if name in counts.lost]
    empty = [name for name in names if name not in counts.lost]
    sentences = []
    if without:
        lost = f"{sum(counts.lost[name] for name in without):,} {counts.label_of('trials')}"
        sentences.append(
            f"Nothing is said about {listed(without)}: their {lost} lack a value that is counted."
        )
    if empty:
        sentences.append(f"Nothing is said about {listed(empty)}: {cases} counted there.")
    return sentences


def left_out(comparison: Comparison) -> list[str]:
    """What a reader does not see: groups without data, and those between the extremes."""
    names, sizes, shown = comparison.counts.groups, comparison.sizes, comparison.shown
    texts = []
    empty = [name for name, size in zip(names, sizes, strict=True) if not size]
    texts += silent(comparison.counts, empty, f"no {comparison.cases} were")
    if len(shown) < len(sizes) - len(empty):
        texts.append(
            f"Of {len(sizes):,} groups, {len(shown)} are shown: the one that all are compared "
            "with, and those whose intervals lie highest and lowest. The extremes of so many "
            "groups differ by chance alone; sentences allow for all of them."
        )
    return texts


def tally(gaps: Iterable[Estimate]) -> dict[str, int]:
    """How many differences lie "above" zero, how many "below", and of how many it is "unknown"."""
    sides = [gap.credible_direction for gap in gaps]
    return {"above": sides.count(1), "below": sides.count(-1), "unknown": sides.count(0)}


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Names in a sentence, and how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def natural(share: Estimate, people: int = 0) -> tuple[int, str]:
    """A share in natural frequencies: of how many people, and how many of them with an interval.

    The first is 1,000, or more where the share is so small that none of 1,000 would be left.
    """
    people = people or next((n for n in _PEOPLE if n * share.value >= 5), _PEOPLE[-1])
    low, value, high = (round(people * x) for x in (share.low, share.value, share.high))
    return people, f"{value:,} ({low:,}–{high:,})"


def spoken(share: Estimate) -> str:
    """A share as a sentence says it: per cent, or a count of a round number where it is small."""
    return _alike(share)[0]


def deviations(distance: float) -> str:
    """A distance in standard deviations."""
    return f"{distance:g} standard deviation{'s' * (distance != 1)}"


def _alike(*shares: Estimate) -> list[str]:
    """Shares in per cent, or all as counts out of one round number if one of them is very small."""
    small = [share for share in shares if 0 < share.value < _SMALL]
    if not small:
        return [str(share) for share in shares]
    people = max(natural(share)[0] for share in small)
    return [f"{natural(share, people)[1]} of {people:,}" for share in shares]
