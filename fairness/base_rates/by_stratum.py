"""Groups within each stratum and over all strata: raw rates can point the other way (Simpson)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.base_rates.aside import side_of, strata_of
from plausible.fairness.base_rates.standardised import Pair, Strata
from plausible.fairness.base_rates.stratum_figure import rates_by_stratum
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import compare, index_of
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import PRIORS, Prior, inference_data, under_priors
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, records, sensitivity
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["by_stratum"]

_ROWS = 40  # strata of the table


@analysis("strata", answers="causes", needs=("trials", "events", "strata"), groups=2)
def by_stratum(
    counts: Counts,
    group: str | None = None,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    *,
    seed: int = 0,
) -> Analysis:
    """Groups compared within each stratum, and over all strata as if they were spread alike.

    Within a stratum the difference is exact. Over all strata it is standardised to the cases of
    all groups, with the odds ratio of Mantel and Haenszel; see `Strata.pair`. With hits, these are
    compared among events in the same way.

    Args:
        counts: with trials and events, by stratum.
        group: the only one to compare with the reference; every group that is shown by default.
        reference: the group that others are compared with; the largest by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "standardised", the difference from the reference, by group.
        A group's rate over all strata can lie on the other side of another's than its rate in
        every stratum (Simpson's paradox).

    Raises:
        UnknownName: for a measure or a group that does not exist.
        DataError: for counts without strata or without a second group.
    """
    if counts.by is None:
        raise DataError("Rates within strata need strata: give counts with a column `by`.")
    shown, ref = _shown(counts, group, reference)
    kinds = [("events", "trials"), *([("hits", "events")] if _with_hits(counts) else [])]
    parts = [_Part(counts, *kind, shown, ref, group is None, prior, seed) for kind in kinds]
    main = parts[0]
    draws = {counts.groups[i]: p.draws for i, p in main.pairs.items() if p.draws is not None}
    return Analysis(
        **framed("by_stratum", counts, reference=counts.groups[main.ref]),
        findings=[f for part in parts for f in part.findings()],
        estimates=[e for part in parts for e in part.estimates()],
        assumptions=[
            *assumed("by_stratum", prior=prior, by=counts.by, trials=main.cases),
            *records(counts),
            *sensitivity(main.under_priors()),
        ],
        counts=counts,
        posterior=_posterior(draws),
        tables=[part.table() for part in parts],
        draw=lambda: [part.picture() for part in parts],
        details={"reference": counts.groups[main.ref], "strata": len(counts.strata)},
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """One rate, compared within strata: of events among trials, or of hits among events."""

    counts: Counts
    part: str
    whole: str
    shown: Sequence[int]
    ref: int
    every: bool
    prior: Prior
    seed: int

    @property
    def cases(self) -> str:
        return self.counts.label_of(self.whole)

    @property
    def quantity(self) -> str:
        return "rate" if self.part == "events" else "hit_rate"

    @cached_property
    def strata(self) -> Sequence[str]:
        return self.counts.strata

    @cached_property
    def of(self) -> Strata:
        return strata_of(self.counts, self.part, self.whole, prior=self.prior, seed=self.seed)

    @cached_property
    def pairs(self) -> dict[int, Pair]:
        """Those with strata in common first, the clearest first."""
        pairs = {i: self.of.pair(i, self.ref).among(self.compared) for i in self.others}
        return dict(sorted(pairs.items(), key=lambda item: -_clearance(item[1])))

    @property
    def others(self) -> list[int]:
        return [i for i in self.shown if i != self.ref]

    @property
    def compared(self) -> int:
        """Comparisons with the reference, of all groups with cases and of both rates."""
        groups = int(self.of.trials.any(axis=0).sum()) - 1 if self.every else len(self.others)
        return groups * (2 if _with_hits(self.counts) else 1)

    @cached_property
    def gaps(self) -> dict[int, list[Estimate]]:
        """The differences in single strata, of all or of the clearest ones."""
        return {i: self._in_strata(i, p.strata) for i, p in self.pairs.items()}

    def _in_strata(self, i: int, strata: int) -> list[Estimate]:
        names = self.strata
        gaps = [
            replace(
                self.of.gap(s, i, self.ref),
                quantity=self.quantity,
                stratum=f"{self.counts.by} {names[s]}",
            )
            for s in self.of.clearest(i, self.ref, SHOWN)
        ]
        return together(gaps, strata)

    def estimates(self) -> list[Estimate]:
        over_all = [e for p in self.pairs.values() for e in (p.within, p.odds) if e is not None]
        renamed = [replace(e, quantity=self._renamed(e.quantity)) for e in over_all]
        return [*(e for gaps in self.gaps.values() for e in gaps), *renamed]

    def findings(self) -> list[Finding]:
        names, ref = self.counts.groups, self.counts.groups[self.ref]
        compared = {i: p for i, p in self.pairs.items() if p.within is not None}
        findings = [self._within(p) for p in compared.values()]
        if compared:
            first = next(iter(compared))
            findings += self._single(self.gaps[first], compared[first])
            findings += [self._where(first)] if compared[first].strata > 1 else []
        if apart := [names[i] for i in self.pairs if i not in compared]:
            values = {"by": self.counts.by, "cases": self.cases, "reference": ref}
            findings.append(worded("by_stratum.apart", names=listed(apart), **values))
        return findings

    def under_priors(self) -> dict[str, Estimate]:
        """The first number over all strata, where a prior has a say in it."""
        first = next(iter(self.pairs), None)
        if first is None or self.pairs[first].draws is None:
            return {}

        def again(prior: Prior) -> Estimate:
            within = replace(self.of, prior=prior).pair(first, self.ref).within
            assert within is not None
            return within

        return under_priors(again)

    def table(self) -> Table:
        """The rate of every group that is shown in every stratum, or in the largest ones."""
        n, k = self.of.trials, self.of.events
        largest = np.argsort(-n.sum(axis=1), kind="stable")[:_ROWS]
        names, rows = self.counts.groups, []
        for s in sorted(largest.tolist()):
            rates = {f"{names[i]}, %": _percent(k[s, i], n[s, i]) for i in self.shown}
            sizes = {f"{names[i]}, {self.cases}": int(n[s, i]) for i in self.shown}
            rows.append({str(self.counts.by): self.strata[s], **rates, **sizes})
        more = {"shown": len(rows), "strata": len(n)}
        cut = phrase("by_stratum.largest_only", **more) if len(rows) < len(n) else ""
        caption = phrase("by_stratum.table", words=self.of.words, by=self.counts.by)
        return Table(f"{caption}{cut}", pd.DataFrame(rows), front=len(rows) <= SHOWN)

    def picture(self) -> Picture:
        shown = [self.ref, *(i for i in self.shown if i != self.ref)]
        return rates_by_stratum(
            "strata" if self.part == "events" else "strata-hits",
            self.of,
            shown,
            (str(self.counts.by), self.strata),
            self.cases,
        )

    def _within(self, p: Pair) -> Finding:
        e = p.within
        assert e is not None
        of = {"by": self.counts.by, "cases": self.cases}
        way = "mantel_haenszel" if p.draws is None else "standardised"
        caveat = worded("by_stratum.weights", None, way, **of).text
        if p.odds is not None:
            case = "alike" if p.odds.credible_direction == e.credible_direction else "differ"
            caveat += " " + worded("by_stratum.odds", p.odds, case).text
        values = of | {"words": self.of.words, "raw": p.raw}
        finding = worded("by_stratum.within", e, p.verdict, side=side_of(e), **values)
        return replace(finding, text=finding.text + self._counted(p) + self._lost(p), caveat=caveat)

    def _counted(self, p: Pair) -> str:
        """In how many strata which group has the higher rate as it was counted."""
        if p.strata == 1:
            return " " + phrase("by_stratum.one", by=self.counts.by)
        equal = p.strata - p.higher - p.lower
        case = "higher" if p.higher == p.strata else "lower" if p.lower == p.strata else "mixed"
        values = {"group": p.raw.group, "by": self.counts.by, "strata": p.strata}
        sides = {"higher": p.higher, "lower": p.lower}
        if case == "mixed" and equal:
            case = "equal"
        return " " + worded("by_stratum.counted", None, case, **values, **sides, equal=equal).text

    def _lost(self, p: Pair) -> str:
        """How many cases are in strata without the other group."""
        if not any(p.lost):
            return ""
        values: dict[str, Any] = {"by": self.counts.by, "cases": self.cases, "one": p.raw.group}
        values |= {"other": p.raw.reference, "of_one": p.lost[0], "of_other": p.lost[1]}
        return " " + phrase("by_stratum.lost", **values)

    def _single(self, gaps: Sequence[Estimate], p: Pair) -> list[Finding]:
        """How many strata are clear, where each has its number, and the largest difference."""
        clear = sorted((d for d in gaps if d.credible_direction), key=lambda d: -abs(d.value))
        if p.strata == 1:
            return []
        findings = []
        if len(gaps) == p.strata:
            higher = sum(d.direction > 0 for d in clear)
            sides = {"higher": higher, "lower": len(clear) - higher}
            values = {"by": self.counts.by, "words": self.of.words, "strata": p.strata, **sides}
            at = {
                "group": p.raw.group,
                "reference": p.raw.reference,
                "unclear": p.strata - len(clear),
            }
            findings.append(worded("by_stratum.sides", **values, **at))
        return findings + [worded("by_stratum.largest", d, by=self.counts.by) for d in clear[:1]]

    def _where(self, i: int) -> Finding:
        """Where most cases of the two are, and how high the rate is there over all groups."""
        n, k, strata = self.of.trials, self.of.events, self.strata
        shares = 100 * k.sum(axis=1) / np.maximum(n.sum(axis=1), 1)
        at = [int(n[:, g].argmax()) for g in (i, self.ref)]
        names = {"first": self.counts.groups[i], "second": self.counts.groups[self.ref]}
        where = {"at": [strata[s] for s in at], "rates": [float(shares[s]) for s in at]}
        of = {"by": self.counts.by, "event": self.counts.label_of(self.part)}
        return worded("by_stratum.raw", **of, **names, **where)

    def _renamed(self, quantity: str) -> str:
        return quantity if self.part == "events" else f"{quantity}_hits"


def _shown(counts: Counts, group: str | None, reference: str | None) -> tuple[Sequence[int], int]:
    """The groups that are shown, and the one that the others are compared with."""
    c = compare(counts, "events", "trials", reference=reference)
    if group is None:
        if len(c.shown) < 2:
            raise DataError(f"There is no other {counts.group} to compare {c.reference} with.")
        return c.shown, c.ref
    i = index_of(counts.group, group, counts.groups)
    if i == c.ref:
        raise DataError(f"The {counts.group} {group!r} is compared with itself. Name another one.")
    return [i, c.ref], c.ref


def _with_hits(counts: Counts) -> bool:
    return "hits" in counts.measures and bool(counts["events"].any())


def _clearance(p: Pair) -> float:
    return -np.inf if p.within is None else p.within.clearance


def _posterior(draws: Mapping[str, NDArray[np.float64]]) -> Any:
    if not draws:
        return None
    return inference_data({"standardised": np.stack(list(draws.values()), axis=1)}, group=[*draws])


def _percent(k: int, n: int) -> float:
    """A counted rate to a tenth of a per cent; not a number without cases."""
    return round(100 * k / n, 1) if n else np.nan
