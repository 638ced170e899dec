"""Sentences and choices that several analyses share."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates
from plausible.fairness.reporting.analysis import Finding
from plausible.inference.errors import DataError, UnknownName

__all__ = [
    "SHOWN",
    "basis",
    "cause",
    "clearest",
    "clearly",
    "compared",
    "counted_gap",
    "credible_direction",
    "deviations",
    "extremes",
    "left_out",
    "natural",
    "needs",
    "records",
    "reference_of",
    "sensitivity",
    "spoken",
    "widest",
    "with_cases",
]

# Groups that a table or a picture can show and still be read.
SHOWN = 12
_SMALL = 0.005  # shares below this are told in natural frequencies
_PEOPLE = (1_000, 100_000, 10_000_000)


def compared(
    what: str,
    first: str,
    second: str,
    rates: tuple[Estimate, Estimate],
    difference: Estimate,
    ratio: Estimate | None = None,
    counted: float | None = None,
) -> Finding:
    """A rate of two groups and on which side of zero their difference lies.

    Args:
        what: names the rate and begins the sentence, such as "The rate of hits among searches".
        first: the group whose rate comes first in the difference.
        second: the group that it is compared with.
        rates: of the two groups.
        difference: the first minus the second.
        ratio: the first over the second, where that is wanted too.
        counted: from `counted_gap`; None where there are no counts.
    """
    one, other = _alike(*rates)
    if not credible_direction(difference, counted):
        where = "covers zero" if difference.direction == 0 else "keeps off zero by the prior alone"
        text = (
            f"{what} is {one} for {first} and {other} for {second}. The "
            f"interval of the difference, {difference}, {where}: these data do not tell "
            "which is higher."
        )
    else:
        side = "higher" if difference.direction > 0 else "lower"
        text = (
            f"{what} is {side} for {first}, {one}, than for {second}, "
            f"{other}: a difference of {difference}{f', or {ratio}' if ratio else ''}."
        )
    return Finding(text, estimate=difference)


def counted_gap(rates: Rates, i: int, j: int) -> float:
    """The share that was counted in group i minus that in group j, without the prior."""
    events = rates.a - rates.prior.events
    trials = np.maximum(events + rates.b - rates.prior.others, 1)
    return float(events[i] / trials[i] - events[j] / trials[j])


def credible_direction(gap: Estimate, counted: float | None) -> int:
    """The direction of a difference, or 0 where the counts do not lie on the same side.

    Of few cases the prior can say what no count does: 0 of 10 is put above 1 in 1,000.
    """
    return gap.direction if counted is None or counted * gap.direction > 0 else 0


def clearly(gap: Estimate) -> float:
    """How far the whole interval of a difference lies from zero; negative where it covers it."""
    return max(gap.low, -gap.high)


def widest(gaps: Mapping[int, Estimate]) -> int:
    """The index of the difference whose whole interval lies farthest from zero."""
    return max(gaps, key=lambda i: clearly(gaps[i]))


def sensitivity(headline: Callable[[Prior], Estimate]) -> str:
    """The headline number under each of `PRIORS`, and whether the choice matters."""
    found = {name: headline(prior) for name, prior in PRIORS.items()}
    each = "; ".join(f"{name} {PRIORS[name]}: {e}" for name, e in found.items())
    values = [e.value for e in found.values()]
    width = min(e.high - e.low for e in found.values())
    directions = {e.direction for e in found.values() if e.unit in ("difference", "ratio")}
    if len(directions) > 1:
        verdict = "On which side of no effect it lies depends on the prior: there are few data"
    elif np.ptp(values) > width / 10:
        verdict = "The prior moves it by more than a tenth of its interval: there are few data"
    else:
        verdict = "The choice hardly matters here"
    label = next(iter(found.values())).label
    return f"Prior sensitivity of the {label}: {each}. {verdict}."


def basis(counts: Counts, prior: Prior) -> list[str]:
    """What an analysis with a Beta prior of every rate assumes."""
    return [
        f"Every rate has the prior {prior}, the same for each {counts.group}, and says nothing "
        "about another one.",
        *records(counts),
    ]


def records(counts: Counts) -> list[str]:
    """What every analysis of counts assumes: cases count once, and what is left out."""
    said = [
        "Each case counts once and tells nothing about the next. Where the same people come back, "
        "or cases come in clusters, the intervals are too narrow.",
        "Intervals hold 95 % of the posterior probability. They cover chance only, not wrong or "
        "missing records.",
    ]
    if rows := counts.missing.get("rows", 0):
        where = f" or {counts.by}" if counts.by else ""
        said.append(
            f"{rows:,} rows without a {counts.group}{where} are left out. If they are missing for "
            "a reason, the numbers are off."
        )
    if counts.source:
        said.append(f"The counts are taken as given: {counts.source}")
    return said


def cause(counts: Counts) -> str:
    """That counts do not show what makes groups differ."""
    return (
        f"What causes a difference. It can come from conduct, from where and when people are "
        f"looked at, from how things are recorded, or from treatment by {counts.group}; these "
        "counts fit all of them."
    )


def needs(counts: Counts, *measures: str) -> None:
    """Check that the measures are there.

    Raises:
        UnknownName: for a measure that these counts lack.
    """
    for measure in measures:
        if measure not in counts.measures:
            raise UnknownName("measure", measure, counts.measures)


def with_cases(counts: Counts, sizes: NDArray[np.int64], called: str) -> list[int]:
    """The indices of the groups that have cases.

    Raises:
        DataError: if there are none in any group.
    """
    if not sizes.any():
        raise DataError(
            f"There are no {called} in any {counts.group}, so there is no rate to estimate. Check "
            "which column was read."
        )
    return [int(i) for i in np.flatnonzero(sizes)]


def reference_of(counts: Counts, sizes: ArrayLike, reference: str | None) -> int:
    """The index of the group that others are compared with: the largest unless one is named.

    Raises:
        UnknownName: if the named group is not there.
        DataError: if it is empty.
    """
    size = np.asarray(sizes)
    if reference is None:
        return int(size.argmax())
    if reference not in counts.groups:
        raise UnknownName(counts.group, reference, counts.groups)
    index = counts.groups.index(reference)
    if not size[index]:
        raise DataError(
            f"The reference {counts.group} {reference!r} has no cases to compare with. "
            "Name another one."
        )
    return index


def extremes(rates: Rates, known: Sequence[int], keep: int) -> list[int]:
    """Those of the known groups that `clearest` picks by their rates, the one to keep among them.

    Without an event nothing lies far above, and without another case nothing far below.
    """
    a, b = rates.a[known], rates.b[known]
    low, high = special.betaincinv(a, b, np.array([[0.025], [0.975]]))
    low, high = np.where(a > rates.prior.events, low, 0), np.where(b > rates.prior.others, high, 1)
    return [known[i] for i in clearest(low, high, [known.index(keep)])]


def clearest(low: NDArray[np.float64], high: NDArray[np.float64], keep: Sequence[int]) -> list[int]:
    """Up to `SHOWN` groups: all if there are no more, else those that lie highest and lowest.

    An extreme group is one whose whole interval lies far out, so that tiny groups with wide
    intervals do not crowd out those that data speak for.

    Args:
        low: lower ends of the groups' intervals, shape (groups,).
        high: upper ends.
        keep: groups that are shown in any case.

    Returns:
        Their indices, in ascending order.
    """
    if len(low) <= SHOWN:
        return list(range(len(low)))
    room = SHOWN - len(keep)
    others = np.setdiff1d(np.arange(len(low)), keep)
    top = others[np.argsort(-low[others], kind="stable")][: room // 2]
    rest = np.setdiff1d(others, top)
    bottom = rest[np.argsort(high[rest], kind="stable")][: room - len(top)]
    return sorted({*keep, *top.tolist(), *bottom.tolist()})


def natural(share: Estimate, people: int = 0) -> tuple[int, str]:
    """A share in natural frequencies: of how many people, and how many of them with an interval.

    The first is 1,000, or more where the share is so small that none of 1,000 would be left.
    """
    people = people or next((n for n in _PEOPLE if n * share.value >= 5), _PEOPLE[-1])
    low, value, high = (round(people * x) for x in (share.low, share.value, share.high))
    return people, f"{value:,} ({low:,}–{high:,})"


def left_out(
    counts: Counts, sizes: NDArray[np.int64], called: str, shown: Sequence[int]
) -> list[Finding]:
    """What a reader does not see: groups without data, and those between the extremes.

    Args:
        counts: all of them.
        sizes: cases of every group; one with none has no rate.
        called: what the cases are.
        shown: indices of the groups that are shown.
    """
    said = []
    empty = [name for name, size in zip(counts.groups, sizes, strict=True) if not size]
    if empty:
        listed = ", ".join(empty[:SHOWN])
        more = f" and {len(empty) - SHOWN:,} others" if len(empty) > SHOWN else ""
        said.append(
            Finding(f"Nothing is said about {listed}{more}: no {called} were counted there.")
        )
    if len(shown) < len(sizes) - len(empty):
        said.append(
            Finding(
                f"Of {len(sizes):,} groups, {len(shown)} are shown: the one that all are compared "
                "with, and those whose intervals lie highest and lowest.",
                caveat="The extremes of so many groups differ by chance alone; partial pooling "
                "takes that into account.",
            )
        )
    return said


def spoken(share: Estimate) -> str:
    """A share as a sentence says it: per cent, or so many of so many where it is very small."""
    return _alike(share)[0]


def deviations(distance: float) -> str:
    """A distance in standard deviations."""
    return f"{distance:g} standard deviation{'s' * (distance != 1)}"


def _alike(*shares: Estimate) -> list[str]:
    """Shares in per cent, or all as so many of as many people if one of them is very small."""
    small = [share for share in shares if 0 < share.value < _SMALL]
    if not small:
        return [str(share) for share in shares]
    people = max(natural(share)[0] for share in small)
    return [f"{natural(share, people)[1]} of {people:,}" for share in shares]
