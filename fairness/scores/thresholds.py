"""A score above a threshold is acted on without a person: who is wrongly investigated (G6)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.comparison import Comparison, compare, needs
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, worded
from plausible.fairness.reporting.plots import curves
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    comparisons,
    left_out,
    natural,
    sensitivity,
    tally,
)
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["thresholds"]


@analysis("thresholds", answers="actions", needs=("score",), label="threshold", rates=3)
def thresholds(
    counts: Counts,
    *,
    threshold: float = 0.8,
    others: Mapping[float, Counts] | None = None,
    without: Counts | None = None,
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""Who is investigated although there is nothing to find, by group.

    .. math:: P(\text{investigated} \mid \text{nothing to find}, g) \sim
              \mathrm{Beta}(a + \mathrm{FP}_g,\; b + \mathrm{TN}_g)

    Args:
        counts: the four cells, where positive decisions are scores above the threshold.
        threshold: where they were cut.
        others: the same people cut at other thresholds.
        without: the same people at the same threshold, scored without the group as a feature.
        reference: the group that others are compared with; the largest by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "wrongly_investigated", by group.

    Raises:
        UnknownName: for a cell or reference that is not there.
        DataError: if a yes is good for whoever gets it, if nobody, or nobody of the reference, is
            without the outcome, or if `others` or `without` are about other groups.
    """
    needs(counts, *CONFUSION)
    if counts.good:
        raise DataError(
            "It asks who is investigated for nothing, but a score above the threshold is good for "
            "whoever has it. Who is refused wrongly is among the errors of decisions."
        )
    for given in [*(others or {}).values(), *([without] if without else [])]:
        needs(given, *CONFUSION)
        if given.groups != counts.groups:
            raise DataError(
                f"The counts to compare with are about {', '.join(given.groups)}, not about "
                f"{', '.join(counts.groups)} in this order."
            )
    c = compare(
        counts,
        counts["false_positive"],
        counts["false_positive"] + counts["true_negative"],
        quantity="wrongly_investigated",
        words="wrongly investigated",
        cases="people with nothing to find",
        reference=reference,
        prior=prior,
        seed=seed,
    )
    far, flagged = c.clearest, counts["false_positive"] + counts["true_positive"]
    words = "nothing found among the investigated"
    vain = Rates(counts["false_positive"], flagged, prior, names=counts.groups)
    in_vain = [
        vain.estimate("nothing_found", i, words)
        for i in (c.ref, far)
        if i is not None and flagged[i]
    ]
    who = "The share of people with nothing to find who are investigated all the same"
    own = c.each[c.ref]
    findings = [
        *(comparisons(who, c) or [worded("thresholds.alone", own, **_natural(own))]),
        *(worded("thresholds.in_vain", e, kind=counts.group, **_natural(e)) for e in in_vain),
    ]
    estimates = [*c.estimates, *in_vain]
    at = {threshold: counts, **(others or {})}
    cuts = {t: _wrongly(x, prior) for t, x in sorted(at.items())}
    if without is not None and far is not None:
        words = "wrongly investigated, scored without the group"
        blind = _wrongly(without, prior)
        (gap,) = together(
            [blind.difference("wrongly_investigated_without_group", far, c.ref, words)], c.pairs
        )
        findings.append(_blind(counts.group, gap, c.gaps[far].credible_direction))
        estimates.append(gap)
    if len(cuts) > 1 and far is not None:
        findings.append(_moved(cuts, far, c.ref))
    return Analysis(
        **framed("thresholds", counts, threshold=threshold),
        findings=findings,
        estimates=estimates,
        assumptions=[
            *basis(counts, prior),
            *left_out(c),
            *assumed("thresholds", threshold=threshold),
            *sensitivity(c.sensitivity()),
        ],
        counts=counts,
        posterior=c.posterior("wrongly_investigated"),
        tables=[_by_threshold(c, cuts, at)] if others else [],
        draw=lambda: _pictures(c, cuts),
        details={"reference": c.reference, "threshold": threshold, "shown": len(c.shown)},
    )


def _wrongly(counts: Counts, prior: Prior) -> Rates:
    """Investigated among those with nothing to find, in each group."""
    wrong = counts["false_positive"]
    return Rates(wrong, wrong + counts["true_negative"], prior, names=counts.groups)


def _natural(share: Estimate) -> dict[str, Any]:
    people, number = natural(share)
    return {"people": people, "number": number}


def _blind(group: str, gap: Estimate, before: int) -> Finding:
    still = "still " * (gap.credible_direction == before)
    return worded("thresholds.blind", gap, group=group, still=still)


def _moved(cuts: Mapping[float, Rates], i: int, ref: int) -> Finding:
    """Whether another threshold would have turned the comparison round."""
    gaps = together([rates.difference("wrongly_investigated", i, ref) for rates in cuts.values()])
    pair = {"one": gaps[0].group, "other": gaps[0].reference, "low": min(cuts), "high": max(cuts)}
    return worded("thresholds.moved", cuts=len(gaps), **pair, **tally(gaps))


def _pictures(c: Comparison, cuts: Mapping[float, Rates]) -> list[Picture]:
    caption = "Share of people with nothing to find who are investigated all the same."
    pictures = [intervals("wrongly-investigated", list(c.each.values()), caption)]
    if len(cuts) > 1:
        lines = {
            c.counts.groups[i]: [(t, rates.estimate("", i)) for t, rates in cuts.items()]
            for i in [c.ref, *(i for i in c.shown if i != c.ref)]
        }
        axes = ("threshold", "wrongly investigated")
        pictures.append(curves("thresholds", axes, lines, caption=caption))
    return pictures


def _by_threshold(c: Comparison, cuts: Mapping[float, Rates], at: Mapping[float, Counts]) -> Table:
    rows = []
    for t, rates in cuts.items():
        investigated = at[t]["false_positive"] + at[t]["true_positive"]
        for i in c.shown:
            share = rates.estimate("", i)
            rows.append(
                {
                    "threshold": t,
                    "group": c.counts.groups[i],
                    "investigated": int(investigated[i]),
                    "wrongly investigated": share.value,
                    "low": share.low,
                    "high": share.high,
                }
            )
    return Table(
        "People investigated at each threshold, and the share of those with nothing to find",
        pd.DataFrame(rows),
    )
