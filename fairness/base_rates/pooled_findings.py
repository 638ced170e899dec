"""What partially pooled rates say about groups, and about groups in strata."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.base_rates.population import population
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import Contrasts
from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.fairness.estimation.extremes import SHOWN, clearest
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import Draws, Rates
from plausible.fairness.reporting.analysis import Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import gathered, phrase, worded
from plausible.fairness.reporting.plots import shrinkage
from plausible.fairness.reporting.wording import listed, tally, under_each
from plausible.inference.pages.page import Picture

__all__ = ["Answer", "Pool", "largest", "of_groups", "of_strata"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
_LISTED = 8  # names in a sentence
_ROWS = 60  # of a table or a picture that can be read
_NUMBERS, _FEWEST = 12_000_000, 2_000  # draws of all rates together, and of one at least


@dataclass(frozen=True, eq=False)
class Pool:
    """The posterior of the populations, and of their units' rates given it.

    Attributes:
        events: k, shape (units, populations).
        trials: n, the same shape.
        mean: draws of the average rates, shape (draws, populations).
        spread: draws of s, the same shape.
        names: of the populations.
        seed: of the draws of rates.
    """

    events: Whole
    trials: Whole
    mean: Array
    spread: Array
    names: Sequence[str] = ("all",)
    seed: int = 0

    @classmethod
    def of(
        cls, events: Whole, trials: Whole, names: Sequence[str] = ("all",), seed: int = 0
    ) -> "Pool":
        """The pool of counts, shape (units, populations): fewer draws where there are many."""
        size = int(np.clip(_NUMBERS // events.size, _FEWEST, DRAWS)) // 4 * 4
        drawn = [
            # Four words: shorter seeds are filled up with zeros, and could be those of a rate.
            population(k, n).draw(size, np.random.default_rng([seed, 0, p, 1]))
            for p, (k, n) in enumerate(zip(events.T, trials.T, strict=True))
        ]
        mean, spread = (np.stack(x, axis=1) for x in zip(*drawn, strict=True))
        return cls(events, trials, mean, spread, names, seed)

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
    counted = Rates(pool.events[:, 0], pool.trials[:, 0])
    for u, name in enumerate(names):
        drawn, at = pool.rates(u), {"group": name, "words": rate, "counts": counted.cases(u)}
        each.append(estimate("rate", drawn, "share", **at))
        gap = estimate("rate", drawn - mean, "difference", reference="average", **at)
        gaps += together([gap])  # of their number pooling takes care
    shown = clearest(np.array([g.low for g in gaps]), np.array([g.high for g in gaps]), [])
    few = len(shown) < len(names)
    left_out = [phrase("pooled.shown", groups=len(names), shown=len(shown))] if few else []
    findings = [
        worded("pooled.average", between, rate=rate, average=average, kind=counts.group),
        _sides(f"the average {rate}", counts.group, gaps),
        *_farthest(pool, each),
    ]
    return Answer(
        findings,
        [average, between, *(each[i] for i in shown), *(gaps[i] for i in shown)],
        [*left_out, _sensitivity(pool, deviation, between)],
        [_table(pool, each, shown)],
        lambda: [_shrunk(pool, rate, each, shown, average)],
    )


def largest(trials: Whole, ref: int) -> list[int]:
    """The groups that are compared with the reference: those with most trials."""
    order = np.argsort(-trials, kind="stable").tolist()
    return [g for g in order if trials[g] and g != ref][: SHOWN // 2]


def of_strata(counts: Counts, pool: Pool, rate: str, ref: int, known: int) -> Answer:
    """In how many strata every group of a pool lies above or below the reference.

    Args:
        counts: of all groups.
        pool: of those that are compared.
        rate: in words.
        ref: index of the reference in the pool.
        known: how many groups have cases.
    """
    names = pool.names
    others = largest(pool.trials.sum(axis=0), ref)
    averages = Contrasts(
        "average_rate",
        f"average {rate}",
        Draws(dict(enumerate(pool.mean.T)), names),
        [ref, *others],
        ref,
    )
    by_stratum = _by_stratum(counts, pool, rate, others, ref)
    findings = gathered(
        "pooled.averages",
        [worded("pooled.averages", gap, rate=rate, by=counts.by) for gap in averages.gaps.values()],
        rate=rate,
        by=counts.by,
        reference=names[ref],
    )
    findings += [_in_strata(counts, pool, (g, ref), gaps) for g, gaps in by_stratum.items()]
    if not others:
        findings.append(worded("pooled.one_group", kind=counts.group, name=names[ref]))
    left_out = [phrase("pooled.largest", groups=known)] if len(names) < known else []
    few = {averages.gaps[g].who: _seen(gaps) for g, gaps in by_stratum.items() if gaps}
    if any(len(gaps) > _ROWS for gaps in by_stratum.values()):
        left_out.append(phrase("pooled.strata_shown", by=counts.by, shown=SHOWN))
    frames = [
        pd.DataFrame([e.row() | {"quantity": e.stratum, "compared": pair} for e in gaps])
        for pair, gaps in few.items()
    ]
    caption = f"Difference of the {rate} by {counts.by}, partially pooled"
    return Answer(
        findings,
        [*averages.each.values(), *averages.gaps.values()],
        [*left_out, phrase("pooled.strata", kind=counts.group, by=counts.by)],
        [Table(caption, pd.concat(frames))] if frames else [],
        lambda: [
            intervals(f"strata-{i}", gaps, f"Difference of the {rate}, {pair}, by {counts.by}.")
            for i, (pair, gaps) in enumerate(few.items(), 1)
        ],
    )


def _by_stratum(
    counts: Counts, pool: Pool, rate: str, others: Sequence[int], ref: int
) -> dict[int, list[Estimate]]:
    """The differences of each group from the reference, in the strata that have both."""
    gaps: dict[int, list[Estimate]] = {g: [] for g in others}
    for u in np.flatnonzero(pool.trials[:, ref]).tolist():
        base = pool.rates(u, ref)
        at = {"reference": pool.names[ref], "stratum": counts.strata[u], "words": rate}
        for g in (g for g in others if pool.trials[u, g]):
            gap = pool.rates(u, g) - base
            gaps[g].append(estimate("rate", gap, "difference", group=pool.names[g], **at))
    return {g: together(each) for g, each in gaps.items()}


def _seen(gaps: Sequence[Estimate]) -> Sequence[Estimate]:
    """Those that a table and a picture can hold: all, or of many the highest and lowest."""
    if len(gaps) <= _ROWS:
        return gaps
    low, high = np.array([(e.low, e.high) for e in gaps]).T
    return [gaps[i] for i in clearest(low, high, [])]


def _in_strata(
    counts: Counts, pool: Pool, pair: tuple[int, int], gaps: Sequence[Estimate]
) -> Finding:
    """How many strata lie on which side, with the raw count next to it."""
    one, other = (pool.names[g] for g in pair)
    named = {"one": one, "other": other, "by": counts.by}
    both = pool.trials[:, pair].min(axis=1) > 0
    if not gaps:
        return worded("pooled.no_strata", **named)
    raw = pool.events[both][:, pair] / pool.trials[both][:, pair]
    more = int((raw[:, 0] > raw[:, 1]).sum())
    return worded("pooled.in_strata", strata=len(gaps), raw=more, **named, **tally(gaps))


def _sides(what: str, kind: str, gaps: Sequence[Estimate]) -> Finding:
    """Who lies above and below, by the whole interval."""
    far = sorted((e for e in gaps if e.credible_direction), key=lambda e: -abs(e.value))
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
