"""Intersecting attributes: more than the two of them predict apart (G15)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import index_of, needs, reference_of, with_cases
from plausible.fairness.estimation.estimates import estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import (
    PRIORS,
    Prior,
    Rates,
    inference_data,
    under_priors,
)
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import framed, gathered, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, sensitivity, spoken
from plausible.inference.errors import DataError

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
    reference: str | None = None,
    stratum: str | None = None,
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
        reference: the group that stands for not having the first attribute; the largest by default.
        stratum: the one that stands for not having the second; the largest by default.
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
    g0 = reference_of(counts, n.sum(axis=0), reference)
    s0 = int(n.sum(axis=1).argmax()) if len(n) else 0
    if stratum is not None:
        s0 = index_of(str(counts.by), stratum, counts.strata)
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
    total = (groups - 1) * (len(counts.strata) - 1)
    squares = sorted(squares, key=lambda at: -n[at[1], at[0]])[: SHOWN // 2]
    rate = f"rate of {counts.label_of('events')} among {counts.label_of('trials')}"

    def square(g: int, s: int, prior: Prior) -> _Square:
        cells = np.array([(s, g), (s, g0), (s0, g), (s0, g0)]) @ [groups, 1]
        rates = Rates(k.ravel(), n.ravel(), prior, seed)
        return _Square(rate, counts.groups[g], counts.strata[s], rates, cells.tolist(), total)

    shown = [square(g, s, prior) for g, s in squares]
    findings = gathered("intersections.excess", [_finding(rate, x) for x in shown])
    outside = any(x.outside for x in shown)
    values = {"total": total, "shown": len(squares), "trials": counts.label_of("trials")}
    left_out = [phrase("intersections.left_out", **values)] if len(squares) < total else []
    return Analysis(
        **framed("intersections", counts),
        findings=findings,
        estimates=[e for x in shown for e in (x.seen, x.apart, x.excess, x.times)],
        assumptions=[
            *basis(counts, prior),
            *left_out,
            phrase("intersections.apart", group=counts.groups[g0], stratum=counts.strata[s0])
            + outside * phrase("intersections.outside"),
            *sensitivity(under_priors(lambda other: square(*squares[0], other).excess)),
        ],
        counts=counts,
        posterior=inference_data(
            {"excess": np.stack([x.excess_draws for x in shown], axis=1)},
            pair=[f"{x.group} and {x.stratum}" for x in shown],
        ),
        draw=lambda: [
            intervals(
                "crossed",
                [e for x in shown for e in (x.seen, x.apart)],
                f"The {rate} where both attributes meet, and what the two predict apart.",
            )
        ],
        details={"reference": [counts.groups[g0], counts.strata[s0]], "pairs": len(squares)},
    )


class _Square:
    """The four combinations of two attributes, for one group and one stratum.

    Args:
        rate: the rate in words.
        group: who has the first attribute.
        stratum: who has the second.
        rates: of all cells.
        cells: indices of both attributes, the second alone, the first alone, and neither.
        squares: how many are told together.
    """

    def __init__(
        self,
        rate: str,
        group: str,
        stratum: str,
        rates: Rates,
        cells: Sequence[int],
        squares: int,
    ) -> None:
        both, only_s, only_g, neither = (rates.draws_of(i) for i in cells)
        self.group, self.stratum = group, stratum
        self.excess_draws = both - only_s - only_g + neither
        counted = rates.counted(cells[0], cells[1]) - rates.counted(cells[2], cells[3])
        at: dict[str, Any] = {"group": group, "stratum": stratum}
        self.seen = replace(rates.estimate("rate", cells[0], rate), **at)
        apart = estimate(
            "rate_predicted_apart",
            only_s + only_g - neither,
            words=f"{rate} that both predict apart",
            **at,
        )
        ends = {name: getattr(apart, name) for name in ("low", "value", "high")}
        self.outside = ends["low"] < 0 or ends["high"] > 1
        self.apart = replace(apart, **{name: min(max(x, 0.0), 1.0) for name, x in ends.items()})
        excess = estimate(
            "excess",
            self.excess_draws,
            "difference",
            words=f"excess of the {rate}",
            counted=counted,
            **at,
        )
        times = estimate(
            "excess",
            both * neither / (only_s * only_g),
            "ratio",
            words=f"excess ratio of the {rate}",
            **at,
        )
        self.excess, self.times = (together([e], squares)[0] for e in (excess, times))


def _finding(rate: str, x: _Square) -> Finding:
    told = x.excess.credible_direction
    case = "depends" if told and x.times.credible_direction != told else ""
    values = {"rate": rate, "seen": spoken(x.seen), "apart": x.apart, "times": x.times}
    more = "less" if told < 0 else "more"
    return worded("intersections.excess", x.excess, case, more=more, **values)
