"""Intersecting attributes: more than the two of them predict apart (G15)."""

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates, inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import (
    SHOWN,
    basis,
    cause,
    credible_direction,
    needs,
    sensitivity,
    spoken,
    with_cases,
)
from plausible.inference.errors import DataError, UnknownName

__all__ = ["intersections"]


@analysis(
    "intersections",
    answers="actions",
    needs=("trials", "events", "strata"),
    strata=2,
    label="two attributes at once",
)
def intersections(
    counts: Counts,
    *,
    baseline: tuple[str, str] | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Analysis:
    r"""Whether two attributes together raise a rate by more than each of them does.

    With rates p of all four combinations of having (1) or not having (0) each attribute,

    .. math:: \text{excess} = p_{11} - (p_{10} + p_{01} - p_{00}), \quad
              \text{excess ratio} = \frac{p_{11}\, p_{00}}{p_{10}\, p_{01}}

    Args:
        counts: trials and events by group (such as colour), with the other attribute (such as the
            price of the car) as strata.
        baseline: the group and the stratum that stand for not having the attributes; the largest
            of each by default.
        prior: of every rate.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "excess" by pair.

    Raises:
        UnknownName: for a measure, group or stratum that is not there.
        DataError: unless there are two groups and two strata with trials in a whole square.
    """
    needs(counts, "trials", "events")
    n, k = counts.cells("trials"), counts.cells("events")
    with_cases(counts, n.sum(axis=0), counts.label_of("trials"))
    g0, s0 = _reference(counts, n, baseline)
    rates = Rates(k.ravel(), n.ravel(), prior, seed)
    groups = n.shape[1]
    squares = [
        (g, s)
        for g in range(groups)
        for s in range(len(counts.strata))
        if g != g0 and s != s0 and min(n[s, g], n[s, g0], n[s0, g], n[s0, g0]) > 0
    ]
    if not squares:
        raise DataError(
            f"Crossing {counts.group} and {counts.by or 'another attribute'} needs two of each "
            f"with {counts.label_of('trials')} in all four combinations."
        )
    squares = sorted(squares, key=lambda at: -n[at[1], at[0]])[: SHOWN // 2]
    rate = f"rate of {counts.label_of('events')} among {counts.label_of('trials')}"
    findings, estimates, excesses = [], [], {}
    for g, s in squares:
        cell = [s * groups + g, s * groups + g0, s0 * groups + g, s0 * groups + g0]
        both, only_s, only_g, none = (rates.draws_of(i) for i in cell)
        name = f"{counts.groups[g]} and {counts.strata[s]}"
        seen = rates.estimate(f"{rate}, {name}", cell[0])
        apart = estimate(f"{rate} that both predict apart, {name}", only_s + only_g - none)
        excesses[name] = both - only_s - only_g + none
        excess = estimate(f"excess of the {rate}, {name}", excesses[name], "difference")
        quotient = both * none / (only_s * only_g)
        times = estimate(f"excess ratio of the {rate}, {name}", quotient, "ratio")
        raw = (k.ravel() / np.maximum(n.ravel(), 1))[cell]
        side = credible_direction(excess, float(raw[0] - raw[1] - raw[2] + raw[3]))
        findings.append(_finding(rate, name, seen, apart, excess, times, side))
        estimates += [seen, apart, excess, times]

    def headline(p: Prior) -> Estimate:
        other = Rates(k.ravel(), n.ravel(), p, seed)
        g, s = squares[0]
        x = [other.draws_of(i * groups + j) for i, j in ((s, g), (s, g0), (s0, g), (s0, g0))]
        return estimate(estimates[2].label, x[0] - x[1] - x[2] + x[3], "difference")

    sums = [e for e in estimates if "both predict apart" in e.label]
    outside = any(e.low < 0 or e.high > 1 for e in sums)
    total = (groups - 1) * (len(counts.strata) - 1)
    if len(squares) < total:
        findings.append(
            Finding(
                f"Of {total:,} pairs, {len(squares)} are shown: the largest of those with "
                f"{counts.label_of('trials')} in all four combinations."
            )
        )
    return Analysis(
        name="intersections",
        title="Two attributes at once",
        question=f"Do {counts.group} and {counts.by} together go with more "
        f"{counts.label_of('events')} than each of them apart?",
        findings=findings,
        estimates=estimates,
        assumptions=[
            *basis(counts, prior),
            f"Neither attribute stands for {counts.groups[g0]} and {counts.strata[s0]}. What the "
            "two predict apart is the sum of what each adds to the rate there."
            + outside
            * " That sum can lie below 0 or above 100 %, as here, and no rate can.",
            sensitivity(headline),
        ],
        cannot_show=[
            cause(counts),
            "Which scale is right. The excess adds and subtracts rates, the excess ratio "
            "multiplies and divides them; one can be there without the other.",
            "What other attributes do. People of one combination can differ in much else.",
        ],
        sources=[*([counts.source] if counts.source else []), _SOURCE],
        counts=counts,
        posterior=inference_data(
            {"excess": np.stack(list(excesses.values()), axis=1)},
            {"excess": ["pair"]},
            {"pair": list(excesses)},
        ),
        draw=lambda: [
            intervals(
                "crossed",
                [e for e in estimates if e.unit == "share"],
                f"The {rate} where both attributes meet, and what the two predict apart.",
            )
        ],
        details={"reference": [counts.groups[g0], counts.strata[s0]], "pairs": len(squares)},
    )


_SOURCE = (
    "Crenshaw, Demarginalizing the intersection of race and sex (1989), "
    "https://chicagounbound.uchicago.edu/uclf/vol1989/iss1/8"
)


def _reference(
    counts: Counts, n: NDArray[np.int64], reference: tuple[str, str] | None
) -> tuple[int, int]:
    if reference is None:
        return int(n.sum(axis=0).argmax()), int(n.sum(axis=1).argmax()) if len(n) else 0
    group, stratum = reference
    if group not in counts.groups:
        raise UnknownName(counts.group, group, counts.groups)
    if stratum not in counts.strata:
        raise UnknownName(str(counts.by), stratum, counts.strata)
    return counts.groups.index(group), counts.strata.index(stratum)


def _finding(
    rate: str,
    name: str,
    seen: Estimate,
    apart: Estimate,
    excess: Estimate,
    times: Estimate,
    side: int,
) -> Finding:
    start = (
        f"The {rate} is {spoken(seen)} for {name}; the two apart predict {apart}. The excess is "
        f"{excess}"
    )
    if side == 0:
        where = "covers zero" if excess.direction == 0 else "keeps off zero by the prior alone"
        text = (
            f"{start}, which {where}: these data do not tell whether the two together go with "
            "more or less than both apart."
        )
    else:
        word = "more" if side > 0 else "less"
        text = f"{start}: the two together go with {word} than both apart."
    if times.direction == excess.direction:
        caveat = f"Ratios say the same: {times}."
    else:
        caveat = f"On the scale of ratios it is {times}: the answer depends on the scale."
    return Finding(text, caveat, excess)
