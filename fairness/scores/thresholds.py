"""A score above a threshold is acted on without a person: who is wrongly investigated (G6)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.contrasts import contrasts
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.plots import curves
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    basis,
    cause,
    counted_gap,
    credible_direction,
    extremes,
    left_out,
    natural,
    needs,
    reference_of,
    sensitivity,
    widest,
    with_cases,
)
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["thresholds"]


@analysis("thresholds", answers="actions", needs=("score",), label="threshold")
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
        DataError: if nobody, or nobody of the reference, is without the outcome, or if `others` or
            `without` are about other groups.
    """
    needs(counts, *CONFUSION)
    for given in [*(others or {}).values(), *([without] if without else [])]:
        needs(given, *CONFUSION)
        if given.groups != counts.groups:
            raise DataError(
                f"The counts to compare with are about {', '.join(given.groups)}, not about "
                f"{', '.join(counts.groups)} in this order."
            )
    innocent = counts["true_negative"] + counts["false_positive"]
    known = with_cases(counts, innocent, "people with nothing to find")
    ref = reference_of(counts, innocent, reference)
    rates = _wrongly(counts, prior, seed)
    shown = extremes(rates, known, ref)
    names = counts.groups
    label = "wrongly investigated"
    who = "The share of people with nothing to find who are investigated all the same"
    found = contrasts(rates, label, who, names, shown, ref)
    each, gaps = found.each, found.gaps
    flagged = counts["false_positive"] + counts["true_positive"]
    vain = Rates(counts["false_positive"], flagged, prior, seed + 1)
    in_vain = {
        i: vain.estimate(f"nothing found among the investigated, {names[i]}", i)
        for i in [ref, *([widest(gaps)] if gaps else [])]
        if flagged[i]
    }
    findings = [
        *(found.findings or [_alone(names[ref], each[ref])]),
        *(_in_vain(f"{counts.group} {names[i]}", e) for i, e in in_vain.items()),
    ]
    estimates = [*found.estimates, *in_vain.values()]
    if without is not None and gaps:
        i = widest(gaps)
        blind = _wrongly(without, prior, seed + 2)
        gap = blind.difference(f"{gaps[i].label}, scored without the group", i, ref)
        side = credible_direction(gap, counted_gap(blind, i, ref))
        before = credible_direction(gaps[i], counted_gap(rates, i, ref))
        findings.append(_blind(counts.group, names[i], names[ref], gap, side, before))
        estimates.append(gap)
    cuts = {threshold: counts, **(others or {})}
    if len(cuts) > 1 and gaps:
        findings.append(_moved(cuts, names, ref, widest(gaps), prior))
    assumptions = basis(counts, prior)
    assumptions.append(
        f"Everyone with a score above {threshold:g} is investigated, no one else, and an "
        "investigation finds what there is."
    )
    if gaps:
        i = widest(gaps)
        assumptions.append(
            sensitivity(lambda p: _wrongly(counts, p, seed).difference(gaps[i].label, i, ref))
        )
    return Analysis(
        name="thresholds",
        title="Investigated by a threshold",
        question=f"When a score above {threshold:g} starts an investigation by itself, who is "
        "investigated although there is nothing to find?",
        findings=[*findings, *left_out(counts, innocent, "people with nothing to find", shown)],
        estimates=estimates,
        assumptions=assumptions,
        cannot_show=[
            cause(counts),
            "What an investigation does to people who did nothing, and whether someone who looked "
            "at the case would have started it.",
            "Who among those below the threshold had something to find, unless they were looked "
            "at too. The recorded outcome is taken for the truth.",
            "Which threshold is right: no share of wrongly investigated people follows from data.",
        ],
        sources=[*([counts.source] if counts.source else []), _SOURCE],
        counts=counts,
        posterior=inference_data(
            {"wrongly_investigated": np.stack([rates.draws_of(i) for i in shown], axis=1)},
            {"wrongly_investigated": ["group"]},
            {"group": [names[i] for i in shown]},
        ),
        tables=[_by_threshold(cuts, shown, prior)] if len(cuts) > 1 else [],
        draw=lambda: _pictures(cuts, shown, ref, each, prior),
        details={"reference": names[ref], "threshold": threshold, "shown": len(shown)},
    )


_SOURCE = (
    "Autoriteit Persoonsgegevens, Belastingdienst/Toeslagen: de verwerking van de nationaliteit "
    "van aanvragers van kinderopvangtoeslag (2020), https://autoriteitpersoonsgegevens.nl/sites/"
    "default/files/atoms/files/onderzoek_belastingdienst_kinderopvangtoeslag.pdf"
)


def _wrongly(counts: Counts, prior: Prior, seed: int) -> Rates:
    """Investigated among those with nothing to find, in each group."""
    wrong = counts["false_positive"]
    return Rates(wrong, wrong + counts["true_negative"], prior, seed)


def _alone(name: str, share: Estimate) -> Finding:
    """The rate where there is no other group."""
    people, found = natural(share)
    return Finding(
        f"Of {people:,} people with nothing to find ({name}), {found} are investigated. There is "
        "no other group to compare them with.",
        estimate=share,
    )


def _in_vain(name: str, share: Estimate) -> Finding:
    people, found = natural(share)
    return Finding(
        f"Of {people:,} people of {name} who are investigated, {found} have nothing to find.",
        estimate=share,
    )


def _blind(group: str, one: str, other: str, gap: Estimate, side: int, before: int) -> Finding:
    if side == 0:
        text = (
            f"Scored without the {group}, the difference between {one} and {other} is {gap}: "
            "these data do not tell whether there is one."
        )
    else:
        word = f"{'still ' * (side == before)}{'higher' if side > 0 else 'lower'}"
        text = (
            f"Scored without the {group}, the share is {word} for {one} than for {other}, by "
            f"{gap}: the score differs there by way of the other features."
        )
    return Finding(text, "Both scores were cut at the same threshold.", gap)


def _moved(
    cuts: Mapping[float, Counts], names: tuple[str, ...], ref: int, i: int, prior: Prior
) -> Finding:
    """Whether another threshold would have turned the comparison round."""
    rates = [_wrongly(c, prior, 0) for c in cuts.values()]
    sides = [credible_direction(r.difference("", i, ref), counted_gap(r, i, ref)) for r in rates]
    above, below = sides.count(1), sides.count(-1)
    return Finding(
        f"Of {len(sides)} thresholds from {min(cuts):g} to {max(cuts):g}, people with "
        f"nothing to find are investigated more often if they are {names[i]} than if they are "
        f"{names[ref]} at {above}, less often at {below}; at {sides.count(0)} the data do not tell."
    )


def _pictures(
    cuts: Mapping[float, Counts],
    shown: Sequence[int],
    ref: int,
    each: Mapping[int, Estimate],
    prior: Prior,
) -> list[Picture]:
    names = next(iter(cuts.values())).groups
    caption = "Share of people with nothing to find who are investigated all the same."
    drawn = [
        intervals("wrongly-investigated", list(each.values()), caption, [names[i] for i in each])
    ]
    if len(cuts) > 1:
        order = [ref, *(i for i in shown if i != ref)]
        lines = {
            names[i]: [(t, _wrongly(c, prior, 0).estimate("", i)) for t, c in sorted(cuts.items())]
            for i in order
        }
        axes = ("threshold", "wrongly investigated")
        drawn.append(curves("thresholds", axes, lines, caption=caption))
    return drawn


def _by_threshold(cuts: Mapping[float, Counts], shown: Sequence[int], prior: Prior) -> Table:
    rows = []
    for t, counts in sorted(cuts.items()):
        rates = _wrongly(counts, prior, 0)
        for i in shown:
            found = rates.estimate("", i)
            rows.append(
                {
                    "threshold": t,
                    "group": counts.groups[i],
                    "investigated": int((counts["false_positive"] + counts["true_positive"])[i]),
                    "wrongly investigated": found.value,
                    "low": found.low,
                    "high": found.high,
                }
            )
    return Table(
        "People investigated at each threshold, and the share of those with nothing to find",
        pd.DataFrame(rows),
    )
