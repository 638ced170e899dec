"""Calibration: whether one score means the same in every group (G13)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import needs, reference_of, with_cases
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.extremes import SHOWN, relevance
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import (
    PRIORS,
    Prior,
    Rates,
    inference_data,
    under_priors,
)
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, gathered, worded
from plausible.fairness.reporting.plots import curves
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import basis, sensitivity, silent, tally
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture

__all__ = ["calibration"]

Array = NDArray[np.float64]
_LEVELS = 50


@analysis("calibration", answers="bayes", needs=("score",), rates=2)
def calibration(
    counts: Counts, *, reference: str | None = None, prior: Prior = PRIORS["uniform"], seed: int = 0
) -> Analysis:
    r"""How often the outcome comes at each level of a score, by group.

    Groups are compared at equal levels, which are weighted by the people w of both groups there:

    .. math:: \frac{\sum_s w_s\, (\theta_{sg} - \theta_{sr})}{\sum_s w_s}, \quad
              \theta_{sg} \mid k_{sg}, n_{sg} \sim
              \mathrm{Beta}(a / S + k_{sg},\; b / S + n_{sg} - k_{sg})

    The prior is spread over the S levels of the sum: Beta(a, b) at each of them would draw the
    average of a small group to its own mean S times as strongly as that of one rate.

    Args:
        counts: trials and events (outcomes) by group, with the levels of the score as strata.
        reference: r, the group that others are compared with; the largest by default.
        prior: of the rate at one level; of an average over levels, spread over them.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "difference" by group, if there are two or more.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: for counts without levels, with a single one or more than 50, or without people.
    """
    needs(counts, "trials", "events")
    if not 2 <= len(counts.strata) <= _LEVELS:
        raise DataError(
            f"Calibration needs counts at 2 to {_LEVELS} levels of the score, but there are "
            f"{len(counts.strata)}. Give the column of levels as `by`; round a fine score first."
        )
    n, names = counts.cells("trials"), counts.groups
    sizes = n.sum(axis=0)
    known = with_cases(counts, sizes, counts.label_of("trials"))
    ref = reference_of(counts, sizes, reference)
    largest = sorted(known, key=lambda i: -sizes[i])[:SHOWN]
    shown = sorted({ref, *largest[: SHOWN - (ref not in largest)]})
    common = {i: np.flatnonzero((n[:, i] > 0) & (n[:, ref] > 0)) for i in shown if i != ref}
    common = {i: levels for i, levels in common.items() if len(levels)}
    words = f"{counts.label_of('events')} at equal {counts.by}"
    rates = _rates(counts, prior, seed)
    draws = {i: _standardised(counts, prior, seed, i, ref, levels) for i, levels in common.items()}

    def gap(i: int, drawn: Array) -> Estimate:
        at = {"group": names[i], "reference": names[ref], "words": words}
        return estimate("rate_at_equal_score", drawn, "difference", **at)

    told = together([gap(i, drawn) for i, drawn in draws.items()], len(known) - 1)
    gaps = dict(zip(draws, told, strict=True))
    order = sorted(gaps, key=lambda i: relevance(gaps[i], sizes[i]))
    findings = gathered(
        "calibration.gap",
        [worded("calibration.gap", gaps[i]) for i in order],
        words=words,
        reference=names[ref],
    )
    headlines = {}
    if gaps:
        far = order[0]
        findings.insert(1, _level_by_level(counts, rates, far, ref, common[far]))
        headlines = under_priors(
            lambda p: gap(far, _standardised(counts, p, seed, far, ref, common[far]))
        )
    return Analysis(
        **framed("calibration", counts),
        findings=findings or [worded("calibration.alone", name=names[ref], kind=counts.group)],
        estimates=list(gaps.values()),
        assumptions=[
            *basis(counts, prior),
            *_not_compared(counts, ref, known, shown, gaps),
            *assumed("calibration"),
            *sensitivity(headlines),
        ],
        counts=counts,
        posterior=inference_data(
            {"difference": np.stack(list(draws.values()), axis=1)}, group=[names[i] for i in draws]
        )
        if draws
        else None,
        tables=[_levels(counts, rates, shown)],
        draw=lambda: [_curves(counts, rates, shown, ref)],
        details={"reference": names[ref], "levels": len(counts.strata), "shown": len(shown)},
    )


def _rates(counts: Counts, prior: Prior, seed: int) -> Rates:
    """Rates of all cells: that of level s and group i has the index s · groups + i."""
    return Rates(counts.cells("events").ravel(), counts.cells("trials").ravel(), prior, seed)


def _standardised(
    counts: Counts, prior: Prior, seed: int, one: int, other: int, levels: NDArray[np.int64]
) -> Array:
    """Draws of the weighted difference between two groups, shape (DRAWS,)."""
    n = counts.cells("trials")
    groups = n.shape[1]
    spread = Prior(prior.events / len(levels), prior.others / len(levels))
    rates = _rates(counts, spread, seed)
    weights = n[levels][:, [one, other]].sum(axis=1)
    parts = [
        w * (rates.draws_of(s * groups + one) - rates.draws_of(s * groups + other))
        for w, s in zip(weights, levels.tolist(), strict=True)
    ]
    return np.sum(parts, axis=0) / weights.sum()


def _level_by_level(
    counts: Counts, rates: Rates, one: int, other: int, levels: NDArray[np.int64]
) -> Finding:
    """At how many levels each of two groups has the higher rate."""
    groups = len(counts.groups)
    gaps = together(
        [rates.difference("", s * groups + one, s * groups + other) for s in levels.tolist()]
    )
    pair = {"one": counts.groups[one], "other": counts.groups[other]}
    return worded("calibration.levels", levels=len(gaps), **pair, **tally(gaps))


def _not_compared(
    counts: Counts, ref: int, known: list[int], shown: list[int], gaps: dict[int, Estimate]
) -> list[str]:
    """Groups that a reader would look for in vain, and why."""
    names, texts = counts.groups, []
    if apart := [names[i] for i in shown if i != ref and i not in gaps]:
        texts.append(f"{', '.join(apart)} and {names[ref]} have no level in common: not compared.")
    if len(shown) < len(known):
        texts.append(f"Of {len(known):,} groups, the {len(shown)} largest are shown.")
    if empty := [names[i] for i in range(len(names)) if i not in known]:
        texts += silent(counts, empty, "nobody was")
    return texts


def _curves(counts: Counts, rates: Rates, shown: list[int], ref: int) -> Picture:
    """The rate at each level, for the reference and the largest other groups."""
    groups, n = len(counts.groups), counts.cells("trials")
    order = sorted(shown, key=lambda i: (i != ref, -n[:, i].sum()))
    try:
        levels = [float(level) for level in counts.strata]
    except ValueError:
        levels = [float(i) for i in range(1, len(counts.strata) + 1)]
    lines = {
        counts.groups[i]: [
            (levels[s], rates.estimate("", s * groups + i))
            for s in np.argsort(levels).tolist()
            if n[s, i]
        ]
        for i in order
    }
    axes = (str(counts.by), f"rate of {counts.label_of('events')}")
    caption = "Where a score means the same for all, the lines lie on one another."
    return curves("calibration", axes, lines, caption=caption)


def _levels(counts: Counts, rates: Rates, shown: list[int]) -> Table:
    groups, n = len(counts.groups), counts.cells("trials")
    rows = []
    for s, level in enumerate(counts.strata):
        for i in shown:
            row = {"level": level, "group": counts.groups[i], "people": int(n[s, i])}
            rate = rates.estimate("", s * groups + i)
            if n[s, i]:
                row |= {"rate": rate.value, "low": rate.low, "high": rate.high}
            rows.append(row)
    return Table(f"Rate of {counts.label_of('events')} at each {counts.by}", pd.DataFrame(rows))
