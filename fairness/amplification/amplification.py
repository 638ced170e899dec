"""Bias amplification: are groups further apart in predictions than in the data? (G3)"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.amplification.published_gaps import published
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.comparison import needs
from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.fairness.estimation.extremes import SHOWN
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import listed, records, under_each
from plausible.inference.errors import DataError

__all__ = ["amplification"]

Array = NDArray[np.float64]
_PRIORS = (1.0, 0.5, 2.0)


@dataclass(frozen=True, eq=False)
class _Case:
    """A group in a stratum: its counts in the data and in the predictions.

    Attributes:
        group: its name.
        where: the stratum; empty without strata.
        cells: counts of each kind, of the group and of all others, shape (2, kinds).
        data: 1 for the kinds that belong to the data, else 0, shape (kinds,).
        predicted: the same for the predictions.
    """

    group: str
    where: str
    cells: NDArray[np.int64]
    data: Array
    predicted: Array

    @property
    def label(self) -> str:
        return f"{self.group}, {self.where}" if self.where else self.group

    def changes(
        self, prior: float, others: int, seed: Sequence[int]
    ) -> tuple[Estimate, Estimate, Estimate]:
        """The share in the data, that in the predictions, and their difference."""
        data, predicted = self.draws(prior, others, seed)
        at: dict[str, Any] = {"group": self.group, "stratum": self.where}
        return (
            estimate("share_in_data", data, words="share in the data", **at),
            estimate("share_in_predictions", predicted, words="share in the predictions", **at),
            estimate("change", predicted - data, "difference", words="predictions − data", **at),
        )

    def moved(self) -> float:
        """By about how many standard errors the share moved; -1 where one of them is 0/0."""
        n, m = self.cells.sum(0) @ self.data, self.cells.sum(0) @ self.predicted
        if n == 0 or m == 0:
            return -1.0
        change = self.cells[0] @ self.predicted / m - self.cells[0] @ self.data / n
        return float(abs(change) / np.sqrt(1 / n + 1 / m))

    def draws(self, prior: float, others: int, seed: Sequence[int]) -> tuple[Array, Array]:
        """Draws of the group's share in the data and in the predictions.

        Args:
            prior: α of every cell of every group.
            others: how many groups the second row lumps together.
            seed: of the draws.
        """
        # Gamma draws divided by the sum of any of them are Dirichlet draws of those.
        alpha = self.cells + prior * np.array([[1.0], [others]])
        gammas = np.random.default_rng(seed).standard_gamma(alpha, size=(DRAWS, *alpha.shape))
        data, predicted = gammas @ self.data, gammas @ self.predicted
        return data[:, 0] / data.sum(1), predicted[:, 0] / predicted.sum(1)


@analysis("amplification", answers="amplification", needs=("decisions",), groups=2)
def amplification(
    counts: Counts, predicted: Counts | None = None, *, prior: float = 1.0, seed: int = 0
) -> Analysis:
    r"""Each group's share in the predictions minus its share in the data.

    .. math:: \Delta_g = \frac{\hat c_g}{\sum_h \hat c_h} - \frac{c_g}{\sum_h c_h}

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

    Source: Zhao et al. (2017), section 3.
    """
    cases = _confusion(counts) if predicted is None else _separate(counts, predicted)
    # Of two groups the share of one is what the other leaves: the one that leads in the data.
    groups = len(counts.groups)
    if groups == 2:
        lead = int(sum(c.cells[0] @ c.data * (-1) ** i for i, c in enumerate(cases)) < 0)
        cases = cases[lead::2]
    known = [c for c in cases if c.moved() >= 0]
    if not known:
        raise DataError("There is no case in the data or none in the predictions to compare.")
    shown = sorted(known, key=lambda c: -c.moved())[:SHOWN]
    drawn = [c.draws(prior, groups - 1, [seed, i]) for i, c in enumerate(shown)]
    rows = [c.changes(prior, groups - 1, [seed, i]) for i, c in enumerate(shown)]
    findings = [_moved(*row, 1 / groups) for row in rows]
    findings += _left_out(cases, known, shown)
    return Analysis(
        **framed("amplification", counts),
        findings=findings,
        estimates=[e for row in rows for e in row],
        assumptions=[
            _what_is_compared(counts, predicted),
            *assumed("amplification", prior=prior),
            *records(counts),
            phrase("amplification.even", even=100 / groups),
            _sensitivity(shown[0], groups - 1, seed),
        ],
        counts=counts,
        posterior=inference_data(
            {
                "data": np.stack([data for data, _ in drawn], axis=1),
                "predicted": np.stack([predicted for _, predicted in drawn], axis=1),
            },
            case=[case.label for case in shown],
        ),
        tables=[published()],
        draw=lambda: [
            intervals(
                "amplification",
                [e for before, after, _ in rows for e in (before, after)],
                "The share of each group in the data and in the predictions, with 95 % intervals. "
                f"An even share is {100 / groups:.3g} %; away from it the predictions amplify.",
                [f"{c.label}, in the {of}" for c in shown for of in ("data", "predictions")],
            )
        ],
        details={"groups": groups, "shown": len(shown)},
    )


def _confusion(counts: Counts) -> list[_Case]:
    needs(counts, *CONFUSION)
    tables = np.stack([counts.cells(m) for m in CONFUSION], axis=-1)
    return _cases(counts, tables, np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1]))


def _separate(counts: Counts, predicted: Counts) -> list[_Case]:
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
    return _cases(counts, tables, np.array([1.0, 0]), np.array([0.0, 1]))


def _cases(counts: Counts, tables: NDArray[np.int64], data: Array, predicted: Array) -> list[_Case]:
    if len(counts.groups) < 2:
        raise DataError(
            f"There is only the {counts.group} {counts.groups[0]!r}; shares need two or more."
        )
    return [
        _Case(name, where, np.stack([table[g], table.sum(0) - table[g]]), data, predicted)
        for where, table in zip(counts.strata or ("",), tables, strict=True)
        for g, name in enumerate(counts.groups)
    ]


def _measure(counts: Counts) -> str:
    return "events" if "events" in counts.measures else "trials"


def _what_is_compared(counts: Counts, predicted: Counts | None) -> str:
    if predicted is None:
        return phrase("amplification.same_people")
    measure = _measure(counts)
    labels = {"data": counts.label_of(measure), "predictions": predicted.label_of(measure)}
    return phrase("amplification.apart", **labels)


def _moved(before: Estimate, after: Estimate, change: Estimate, even: float) -> Finding:
    lead = int(before.low > even) - int(before.high < even)
    if change.direction == 0:
        case = "unclear"
    elif lead == 0:
        case = "no_lead"
    elif lead == change.direction:
        case = "amplified"
    else:
        case = "turned" if (after.high < even if lead > 0 else after.low > even) else "lessened"
    at = f" ({change.stratum})" if change.stratum else ""
    return worded("amplification.moved", change, case, at=at, before=before, after=after)


def _left_out(
    cases: Sequence[_Case], known: Sequence[_Case], shown: Sequence[_Case]
) -> list[Finding]:
    findings = []
    if len(known) < len(cases):
        empty = listed(sorted({c.where for c in cases if c.moved() < 0}))
        findings.append(worded("amplification.empty", names=empty))
    if len(shown) < len(known):
        findings.append(worded("amplification.shown", shares=len(known), shown=len(shown)))
    return findings


def _sensitivity(case: _Case, others: int, seed: int) -> str:
    each = {f"Dirichlet({p:g})": case.changes(p, others, [seed, 0])[2] for p in _PRIORS}
    return under_each(f"predictions − data, {case.label}", each)
