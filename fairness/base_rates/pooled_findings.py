"""What partially pooled rates say about groups, and about groups in strata."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import LEVEL, Estimate, estimate
from plausible.fairness.reporting.analysis import Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.plots import shrinkage
from plausible.fairness.reporting.wording import SHOWN, clearest
from plausible.inference.pages.page import Picture

__all__ = ["Answer", "Pool", "of_groups", "of_strata"]

Array = NDArray[np.float64]
_LISTED = 8  # names in a sentence


@dataclass(frozen=True, eq=False)
class Pool:
    """The posterior of the populations, and of their units' rates given it.

    Attributes:
        events: k, shape (units, populations).
        trials: n, the same shape.
        mean: draws of the average rates, shape (draws, populations).
        spread: draws of s, the same shape.
        seed: of the draws of rates.
    """

    events: NDArray[np.int64]
    trials: NDArray[np.int64]
    mean: Array
    spread: Array
    seed: int = 0

    def rates(self, unit: int, population: int = 0) -> Array:
        r"""Draws of one unit's rate, shape (draws,), exact given each draw of m and s.

        .. math:: \theta_u \mid m, s, k_u \sim \mathrm{Beta}(m c + k_u,\; (1 - m) c + n_u - k_u)
        """
        random = np.random.default_rng([self.seed, unit, population])
        mean, spread = self.mean[:, population], self.spread[:, population]
        size, k = spread**-2 - 1, self.events[unit, population]
        return random.beta(mean * size + k, (1 - mean) * size + self.trials[unit, population] - k)

    def deviation(self, population: int = 0) -> Array:
        """Draws of the standard deviation of the rates, shape (draws,)."""
        mean = self.mean[:, population]
        return self.spread[:, population] * np.sqrt(mean * (1 - mean))


class Answer(NamedTuple):
    """What the analysis says."""

    findings: list[Finding]
    estimates: list[Estimate]
    assumptions: list[str]
    tables: list[Table]
    draw: Callable[[], list[Picture]]


def of_groups(counts: Counts, pool: Pool, rate: str) -> Answer:
    """Which groups differ from the average of all."""
    names = counts.groups
    mean, deviation = pool.mean[:, 0], pool.deviation()
    average = estimate(f"average {rate}", mean)
    between = estimate(f"standard deviation of the {rate} between groups", deviation)
    each, gaps = [], []
    for u, name in enumerate(names):
        drawn = pool.rates(u)
        each.append(estimate(f"{rate}, {name}", drawn))
        gaps.append(estimate(f"{rate}, {name} − average", drawn - mean, "difference"))
    shown = clearest(np.array([g.low for g in gaps]), np.array([g.high for g in gaps]), [])
    findings = [
        Finding(
            f"The {rate} is {average} in the average {counts.group}; between them it varies with a "
            f"standard deviation of {between}.",
            estimate=between,
        ),
        *_sides(f"the average {rate}", counts.group, names, gaps),
        *_farthest(counts, pool, each),
    ]
    if len(shown) < len(names):
        findings.append(
            Finding(
                f"Of {len(names):,} groups, {len(shown)} are shown: those that lie farthest above "
                "and below the average."
            )
        )
    return Answer(
        findings,
        [average, between, *(each[i] for i in shown), *(gaps[i] for i in shown)],
        [_sensitivity(pool, deviation, between)],
        [_table(counts, pool, each, shown)],
        lambda: [_shrunk(counts, pool, rate, each, shown, average)],
    )


def of_strata(counts: Counts, pool: Pool, rate: str, ref: int) -> Answer:
    """In how many strata every group lies above or below the reference."""
    names, n = counts.groups, pool.trials.sum(axis=0)
    largest = sorted((g for g in range(len(names)) if n[g] and g != ref), key=lambda g: -n[g])
    others = largest[: SHOWN // 2]
    findings: list[Finding] = []
    estimates = [estimate(f"average {rate}, {names[g]}", pool.mean[:, g]) for g in (ref, *others)]
    frames: list[pd.DataFrame] = []
    pictures: list[tuple[str, list[Estimate], str]] = []
    for g in others:
        pair = f"{names[g]} − {names[ref]}"
        drawn = pool.mean[:, g] - pool.mean[:, ref]
        gap = estimate(f"average {rate}, {pair}", drawn, "difference")
        estimates.append(gap)
        both = np.flatnonzero(pool.trials[:, [g, ref]].min(axis=1) > 0).tolist()
        gaps = [
            estimate(counts.strata[u], pool.rates(u, g) - pool.rates(u, ref), "difference")
            for u in both
        ]
        findings += [
            _of_averages(counts, rate, (names[g], names[ref]), gap),
            *_in_strata(counts, pool, (g, ref), both, gaps),
        ]
        if gaps:
            pictures.append((f"strata-{len(pictures) + 1}", gaps, f"{rate}, {pair}"))
        frames.append(pd.DataFrame([e.row() for e in gaps]).assign(compared=pair))
    if not others:
        findings.append(Finding(f"There is no other {counts.group} to compare {names[ref]} with."))
    if len(others) < len(largest):
        findings.append(Finding(f"Of {len(largest) + 1} groups, the largest are compared."))
    assumptions = [
        f"Each {counts.group} has an average and a spread of its own, and what it does in one "
        f"{counts.by} says nothing about another {counts.group} there.",
    ]
    caption = f"Difference of the {rate} in every {counts.by}, partially pooled"
    tables = [Table(caption, pd.concat(frames))] if frames else []
    return Answer(
        findings,
        estimates,
        assumptions,
        tables,
        lambda: [
            intervals(name, gaps, f"Difference of the {what}, in every {counts.by}.")
            for name, gaps, what in pictures
        ],
    )


def _of_averages(counts: Counts, rate: str, pair: tuple[str, str], gap: Estimate) -> Finding:
    one, other = pair
    if gap.direction == 0:
        text = (
            f"In the average {counts.by}, the {rate} of {one} and {other} differs by {gap}, which "
            "covers zero: these data do not tell for whom it is higher."
        )
    else:
        side = "higher" if gap.direction > 0 else "lower"
        text = (
            f"In the average {counts.by}, the {rate} is {side} for {one} than for {other}, {gap}."
        )
    caveat = f"Every {counts.by} counts the same here, however many people it has."
    return Finding(text, caveat, gap)


def _in_strata(
    counts: Counts, pool: Pool, pair: tuple[int, int], both: list[int], gaps: list[Estimate]
) -> list[Finding]:
    """How many strata lie on which side, with the raw count beside it."""
    one, other = (counts.groups[g] for g in pair)
    if not both:
        return [Finding(f"No stratum ({counts.by}) has data on both {one} and {other}.")]
    raw = pool.events[both][:, pair] / pool.trials[both][:, pair]
    higher = sum(e.direction > 0 for e in gaps)
    lower = sum(e.direction < 0 for e in gaps)
    return [
        Finding(
            f"Of {len(both):,} strata ({counts.by}) with data on both, {one} lies above {other} in "
            f"{higher:,} and below in {lower:,}; in {len(both) - higher - lower:,} the data do not "
            f"tell. By raw rates it would be above in {int((raw[:, 0] > raw[:, 1]).sum()):,}.",
            caveat="A raw rate from a few cases is above or below by chance; intervals here hold "
            f"{100 * LEVEL:.0f} % each, not all at once.",
        )
    ]


def _sides(what: str, kind: str, names: Sequence[str], gaps: Sequence[Estimate]) -> list[Finding]:
    """Who lies above and below, by the whole interval."""
    above = [i for i, e in enumerate(gaps) if e.direction > 0]
    below = [i for i, e in enumerate(gaps) if e.direction < 0]
    above.sort(key=lambda i: -gaps[i].value)
    below.sort(key=lambda i: gaps[i].value)
    rest = len(gaps) - len(above) - len(below)
    said = [
        f"{len(who):,} {'lies' if len(who) == 1 else 'lie'} {side} {what}"
        + (f": {_listed(who, names)}" if who else "")
        for who, side in ((above, "above"), (below, "below"))
    ]
    return [
        Finding(
            f"Of {len(gaps):,} groups, {said[0]}; {said[1]}. For {rest:,} the data do not tell.",
            caveat=f"By intervals that hold {100 * LEVEL:.0f} % each. Pooling allows for the "
            f"number of groups by drawing each {kind} to the average.",
        )
    ]


def _listed(who: Sequence[int], names: Sequence[str]) -> str:
    listed = ", ".join(names[i] for i in who[:_LISTED])
    return listed + (f" and {len(who) - _LISTED:,} more" if len(who) > _LISTED else "")


def _farthest(counts: Counts, pool: Pool, each: Sequence[Estimate]) -> list[Finding]:
    """The group whose raw rate pooling changes most."""
    n, k = pool.trials[:, 0], pool.events[:, 0]
    known = np.flatnonzero(n > 0)
    raw = k[known] / n[known]
    moved = np.array([each[int(i)].value for i in known]) - raw
    at = int(np.abs(moved).argmax())
    i = int(known[at])
    empty = len(n) - len(known)
    said = [
        Finding(
            f"Pooling moves {counts.groups[i]} most: from {k[i]:,} of {n[i]:,}, "
            f"{100 * raw[at]:.1f} %, to {each[i]}.",
            estimate=each[i],
        )
    ]
    if empty:
        said.append(Finding(f"Groups without cases, {empty:,} here, are taken for average ones."))
    return said


def _sensitivity(pool: Pool, deviation: Array, between: Estimate) -> str:
    """The spread under a prior that favours equal rates, by weights on the draws."""
    weights = (1 - pool.spread[:, 0]) ** 2
    order = np.argsort(deviation)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    ends = [deviation[order][np.searchsorted(cumulative, p)] for p in (0.025, 0.975)]
    value = float((weights * deviation).sum() / weights.sum())
    other = Estimate(between.label, value, float(ends[0]), float(ends[1]))
    return (
        f"Prior sensitivity of the {between.label}: with a uniform prior of the spread {between}, "
        f"with one that favours equal rates, Beta(1, 3), {other}."
    )


def _shrunk(
    counts: Counts,
    pool: Pool,
    rate: str,
    each: Sequence[Estimate],
    shown: Sequence[int],
    average: Estimate,
) -> Picture:
    raw = [k / n if n else None for k, n in zip(pool.events[:, 0], pool.trials[:, 0], strict=True)]
    rows = {counts.groups[i]: (raw[i], each[i]) for i in sorted(shown, key=lambda i: each[i].value)}
    caption = (
        "Partial pooling draws every rate to the average of all, the more the fewer cases it has."
    )
    return shrinkage("pooled", f"The {rate}", rows, average, caption=caption)


def _table(counts: Counts, pool: Pool, each: Sequence[Estimate], shown: Sequence[int]) -> Table:
    rows = [
        {
            "group": counts.groups[i],
            "cases": int(pool.trials[i, 0]),
            "raw rate": pool.events[i, 0] / pool.trials[i, 0] if pool.trials[i, 0] else None,
            "pooled": each[i].value,
            "low": each[i].low,
            "high": each[i].high,
        }
        for i in shown
    ]
    return Table("Raw and partially pooled rates", pd.DataFrame(rows))
