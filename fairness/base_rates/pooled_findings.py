"""What partially pooled rates say about groups, and about groups in strata."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Contrasts
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.extremes import SHOWN, clearest
from plausible.fairness.estimation.posteriors import Draws
from plausible.fairness.reporting.analysis import Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import phrase, worded
from plausible.fairness.reporting.plots import shrinkage
from plausible.fairness.reporting.wording import listed, tally, under_each
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

    def raw(self) -> Array:
        """The share that was counted in each unit of the first population; nan without cases."""
        k, n = self.events[:, 0], self.trials[:, 0]
        return np.where(n > 0, k / np.maximum(n, 1), np.nan)

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
    average = estimate("average_rate", mean, words=f"average {rate}")
    between = estimate(
        "deviation", deviation, words=f"standard deviation of the {rate} between groups"
    )
    each, gaps = [], []
    for u, name in enumerate(names):
        drawn, at = pool.rates(u), {"group": name, "words": rate}
        each.append(estimate("rate", drawn, "share", **at))
        gaps.append(estimate("rate", drawn - mean, "difference", reference="average", **at))
    shown = clearest(np.array([g.low for g in gaps]), np.array([g.high for g in gaps]), [])
    findings = [
        worded("pooled.average", between, rate=rate, average=average, kind=counts.group),
        _sides(f"the average {rate}", counts.group, gaps),
        *_farthest(pool, each),
    ]
    if len(shown) < len(names):
        findings.append(worded("pooled.shown", groups=len(names), shown=len(shown)))
    return Answer(
        findings,
        [average, between, *(each[i] for i in shown), *(gaps[i] for i in shown)],
        [_sensitivity(pool, deviation, between)],
        [_table(pool, each, shown)],
        lambda: [_shrunk(pool, rate, each, shown, average)],
    )


def of_strata(counts: Counts, pool: Pool, rate: str, ref: int) -> Answer:
    """In how many strata every group lies above or below the reference."""
    names, n = counts.groups, pool.trials.sum(axis=0)
    largest = sorted((g for g in range(len(names)) if n[g] and g != ref), key=lambda g: -n[g])
    others = largest[: SHOWN // 2]
    findings: list[Finding] = []
    averages = Contrasts(
        "average_rate",
        f"average {rate}",
        Draws(dict(enumerate(pool.mean.T)), names),
        [ref, *others],
        ref,
    )
    by_stratum: dict[str, list[Estimate]] = {}
    for g, gap in averages.gaps.items():
        both = np.flatnonzero(pool.trials[:, [g, ref]].min(axis=1) > 0).tolist()
        gaps = by_stratum[gap.who] = [
            replace(
                Draws({i: pool.rates(u, i) for i in (g, ref)}, names).difference("rate", g, ref),
                stratum=counts.strata[u],
                words=rate,
            )
            for u in both
        ]
        findings += [
            worded("pooled.averages", gap, rate=rate, by=counts.by),
            _in_strata(counts, pool, (g, ref), both, gaps),
        ]
    if not others:
        findings.append(worded("pooled.one_group", kind=counts.group, name=names[ref]))
    if len(others) < len(largest):
        findings.append(worded("pooled.largest", groups=len(largest) + 1))
    pairs = [(pair, gaps) for pair, gaps in by_stratum.items() if gaps]
    frames = [
        pd.DataFrame([e.row() | {"quantity": e.stratum, "compared": pair} for e in gaps])
        for pair, gaps in pairs
    ]
    caption = f"Difference of the {rate} in every {counts.by}, partially pooled"
    return Answer(
        findings,
        [*averages.each.values(), *averages.gaps.values()],
        [phrase("pooled.strata", kind=counts.group, by=counts.by)],
        [Table(caption, pd.concat(frames))] if frames else [],
        lambda: [
            intervals(
                f"strata-{i}", gaps, f"Difference of the {rate}, {pair}, in every {counts.by}."
            )
            for i, (pair, gaps) in enumerate(pairs, 1)
        ],
    )


def _in_strata(
    counts: Counts, pool: Pool, pair: tuple[int, int], both: list[int], gaps: list[Estimate]
) -> Finding:
    """How many strata lie on which side, with the raw count next to it."""
    one, other = (counts.groups[g] for g in pair)
    named = {"one": one, "other": other, "by": counts.by}
    if not both:
        return worded("pooled.no_strata", **named)
    raw = pool.events[both][:, pair] / pool.trials[both][:, pair]
    more = int((raw[:, 0] > raw[:, 1]).sum())
    return worded("pooled.in_strata", strata=len(both), raw=more, **named, **tally(gaps))


def _sides(what: str, kind: str, gaps: Sequence[Estimate]) -> Finding:
    """Who lies above and below, by the whole interval."""
    far = sorted((e for e in gaps if e.direction), key=lambda e: -abs(e.value))
    sides = {
        "above": [e.group for e in far if e.direction > 0],
        "below": [e.group for e in far if e.direction < 0],
    }
    above, below = (
        f"{len(who):,} {'lies' if len(who) == 1 else 'lie'} {side} {what}"
        + (f": {listed(who, _LISTED)}" if who else "")
        for side, who in sides.items()
    )
    values = {"groups": len(gaps), "same": len(gaps) - len(far), "kind": kind}
    return worded("pooled.sides", above=above, below=below, **values)


def _farthest(pool: Pool, each: Sequence[Estimate]) -> list[Finding]:
    """The group whose raw rate pooling changes most."""
    raw = pool.raw()
    i = int(np.nanargmax(np.abs([e.value for e in each] - raw)))
    empty = int(np.isnan(raw).sum())
    k, n = pool.events[i, 0], pool.trials[i, 0]
    findings = [worded("pooled.moved", each[i], k=k, n=n, raw=100 * raw[i])]
    return [*findings, worded("pooled.empty", empty=empty)] if empty else findings


def _sensitivity(pool: Pool, deviation: Array, between: Estimate) -> str:
    """The spread under a prior that favours equal rates, by weights on the draws."""
    weights = (1 - pool.spread[:, 0]) ** 2
    order = np.argsort(deviation)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    ends = [deviation[order][np.searchsorted(cumulative, p)] for p in (0.025, 0.975)]
    value = float((weights * deviation).sum() / weights.sum())
    other = replace(between, value=value, low=float(ends[0]), high=float(ends[1]))
    return under_each(
        f"the {between.label}",
        {
            "with a uniform prior of the spread": between,
            "with one that favours equal rates, Beta(1, 3)": other,
        },
    )


def _shrunk(
    pool: Pool, rate: str, each: Sequence[Estimate], shown: Sequence[int], average: Estimate
) -> Picture:
    raw = pool.raw()
    rows = {each[i].group: (raw[i], each[i]) for i in sorted(shown, key=lambda i: each[i].value)}
    caption = (
        "Partial pooling draws every rate to the average of all, the more the fewer cases it has."
    )
    return shrinkage("pooled", f"The {rate}", rows, average, caption=caption)


def _table(pool: Pool, each: Sequence[Estimate], shown: Sequence[int]) -> Table:
    raw = pool.raw()
    rows = [
        {
            "group": each[i].group,
            "cases": int(pool.trials[i, 0]),
            "raw rate": raw[i],
            "pooled": each[i].value,
            "low": each[i].low,
            "high": each[i].high,
        }
        for i in shown
    ]
    return Table("Raw and partially pooled rates", pd.DataFrame(rows))
