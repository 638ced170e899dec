"""Bias amplification: are groups further apart in predictions than in the data? (G3)"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.amplification.groups import Case, Moves
from plausible.fairness.amplification.published_gaps import published
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.comparison import needs
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, gathered, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, records, under_each
from plausible.inference.errors import DataError

__all__ = ["amplification"]

Array = NDArray[np.float64]
_PRIORS = (1.0, 0.5, 2.0)


@analysis("amplification", answers="amplification", needs=("decisions",), groups=2)
def amplification(
    counts: Counts, predicted: Counts | None = None, *, prior: float = 1.0, seed: int = 0
) -> Analysis:
    r"""Each group's share in the predictions minus its share in the data, and what that amplifies.

    .. math:: \Delta_g = \frac{\hat c_g}{\sum_h \hat c_h} - \frac{c_g}{\sum_h c_h}

    Amplified is what the data have by themselves: with rates p of the data and p̂ of the
    predictions in a group g and among all others h,

    .. math:: (\hat p_g - \hat p_h) - (p_g - p_h)

    is directional amplification, twice its average over the two, where it has the sign of
    p_g - p_h. Where only the data are known and not of how many people, a share moves away from the
    group's share of all the data.

    With decisions and outcomes of the same people, c counts those with the outcome and ĉ those
    with the decision, and one Dirichlet posterior of all cells keeps the two shares together.
    Separate counts have separate posteriors. Strata, such as the activities in pictures, are
    compared one by one.

    Args:
        counts: of the data: `true_negative` to `true_positive`, or, with `predicted`, events
            (trials where there are no events).
        predicted: counts of the predictions, with the same groups, strata and measure; None where
            `counts` holds decisions and outcomes.
        prior: α of the Dirichlet prior of every cell.
        seed: of the draws.

    Returns:
        The analysis; its posterior has "data" and "predicted", the shares by case.

    Raises:
        UnknownName: for counts without the measures.
        DataError: for one group only, other groups or strata in the predictions, or where the
            data or the predictions are empty.

    Source: Zhao et al. (2017), section 3; Wang and Russakovsky (2021), section 4.
    """
    cases = _confusion(counts) if predicted is None else _separate(counts, predicted)
    # Of two groups the share of one is what the other leaves: the one that leads in the data.
    groups = len(counts.groups)
    if groups == 2:
        lead = int(sum(c.cells[0] @ c.data * (-1) ** i for i, c in enumerate(cases)) < 0)
        cases = cases[lead::2]
    known = [c for c in cases if c.moved >= 0]
    if not known:
        raise DataError("There is no case in the data or none in the predictions to compare.")
    shown = sorted(known, key=lambda c: -c.moved)[:SHOWN]
    told = len(known)
    rows = [c.moves(prior, groups - 1, [seed, i], told) for i, c in enumerate(shown)]
    findings = gathered("amplification.moved", [_moved(row) for row in rows])
    return Analysis(
        **framed("amplification", counts),
        findings=findings,
        estimates=[
            *(e for row in rows for e in row.estimates),
            *(e for row in rows for e in row.further),
        ],
        assumptions=[
            _what_is_compared(counts, predicted),
            *assumed("amplification", prior=prior),
            *records(counts),
            *_left_out(cases, known, shown),
            phrase("amplification.by_rates") if rows[0].gaps else phrase("amplification.by_shares"),
            _sensitivity(shown[0], groups - 1, seed),
        ],
        counts=counts,
        posterior=inference_data(
            {
                name: np.stack([row.shares[i] for row in rows], axis=1)
                for i, name in enumerate(("data", "predicted"))
            },
            case=[case.label for case in shown],
        ),
        tables=[published()],
        draw=lambda: [
            intervals(
                "amplification",
                [e for row in rows for e in (row.before, row.after)],
                "The share of each group in the data and in the predictions, with 95 % intervals.",
                [f"{c.label}, in the {of}" for c in shown for of in ("data", "predictions")],
            )
        ],
        details={"groups": groups, "shown": len(shown)},
    )


def _confusion(counts: Counts) -> list[Case]:
    needs(counts, *CONFUSION)
    tables = np.stack([counts.cells(m) for m in CONFUSION], axis=-1)
    return _cases(counts, tables, None, np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1]))


def _separate(counts: Counts, predicted: Counts) -> list[Case]:
    measure = _measure(counts)
    needs(counts, measure)
    needs(predicted, measure)
    for kind, ours, theirs in (
        ("groups", counts.groups, predicted.groups),
        ("strata", counts.strata, predicted.strata),
    ):
        if ours != theirs:
            raise DataError(
                f"Data and predictions need the same {kind} in the same order, but have "
                f"{', '.join(ours[:SHOWN]) or 'none'} and {', '.join(theirs[:SHOWN]) or 'none'}."
            )
    tables = np.stack([counts.cells(measure), predicted.cells(measure)], axis=-1)
    rest = _rest(counts, predicted, measure)
    return _cases(counts, tables, rest, np.array([1.0, 0]), np.array([0.0, 1]))


def _rest(counts: Counts, predicted: Counts, measure: str) -> NDArray[np.int64] | None:
    """What makes the data, and the predictions, a whole: see `Case.rest`; by stratum and group."""
    others = [x.cells("trials") - x.cells(measure) for x in (counts, predicted) if _people(x)]
    if others and _people(counts):
        return np.stack(others, axis=-1)
    if len(counts.strata) < 2:
        return None
    cells = counts.cells(measure)
    return np.asarray((cells.sum(axis=0) - cells)[..., None])


def _people(counts: Counts) -> bool:
    return {"trials", "events"} <= set(counts.measures)


def _cases(
    counts: Counts,
    tables: NDArray[np.int64],
    rest: NDArray[np.int64] | None,
    data: Array,
    predicted: Array,
) -> list[Case]:
    if len(counts.groups) < 2:
        raise DataError(
            f"There is only the {counts.group} {counts.groups[0]!r}; shares need two or more."
        )
    names = counts.groups

    def halves(cells: NDArray[np.int64], g: int) -> NDArray[np.int64]:
        return np.stack([cells[g], cells.sum(0) - cells[g]])

    return [
        Case(
            name,
            names[1 - g] if len(names) == 2 else "all others",
            where,
            halves(tables[s], g),
            data,
            predicted,
            None if rest is None else halves(rest[s], g),
        )
        for s, where in enumerate(counts.strata or ("",))
        for g, name in enumerate(names)
    ]


def _measure(counts: Counts) -> str:
    return "events" if "events" in counts.measures else "trials"


def _what_is_compared(counts: Counts, predicted: Counts | None) -> str:
    if predicted is None:
        return phrase("amplification.same_people")
    measure = _measure(counts)
    labels = {"data": counts.label_of(measure), "predictions": predicted.label_of(measure)}
    return phrase("amplification.apart", **labels)


def _moved(row: Moves) -> Finding:
    at = f" ({row.case.where})" if row.case.where else ""
    of = {"at": at, "group": row.case.group, "others": row.case.others}
    shares = {"before": row.before, "after": row.after, "change": row.change}
    if row.gaps is not None:
        begun, e = {"gap": row.gaps[0], "now": row.gaps[1]}, row.gaps[2]
    else:
        begun, e = {"own": row.from_own[0]} if row.from_own else {}, row.change
    case = "rates" if row.gaps else "shares" if begun else "alone"
    start = worded("amplification.begun", None, case, **begun, **shares, **of).text
    return worded("amplification.moved", e, row.verdict, begun=start, **shares, **of)


def _left_out(cases: Sequence[Case], known: Sequence[Case], shown: Sequence[Case]) -> list[str]:
    texts = []
    if len(known) < len(cases):
        empty = listed(sorted({c.where for c in cases if c.moved < 0}))
        texts.append(phrase("amplification.empty", names=empty))
    if len(shown) < len(known):
        texts.append(phrase("amplification.shown", shares=len(known), shown=len(shown)))
    return texts


def _sensitivity(case: Case, others: int, seed: int) -> str:
    each = {f"Dirichlet({p:g})": case.moves(p, others, [seed, 0]).change for p in _PRIORS}
    return under_each(f"predictions − data, {case.label}", each)
