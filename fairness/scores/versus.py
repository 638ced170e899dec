"""Two scores of the same people, compared person by person (G13)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import DRAWS, Cases, Estimate, estimate
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import records
from plausible.fairness.scores.areas import area, difference
from plausible.fairness.scores.score_values import Values
from plausible.inference.errors import DataError

__all__ = ["versus"]

Whole = NDArray[np.int64]
_CELL = 0.5  # of each of four cells, which makes both accuracies uniform before the data


@analysis("versus", answers="bayes", needs=("versus",), label="two scores", rates=2)
def versus(values: Values, names: Sequence[str], *, threshold: float, seed: int = 0) -> Analysis:
    r"""The ranking and the accuracy of one score next to those of another, on the same people.

    Both scores see the same people, and what makes a case hard is hard for both: their difference
    is known better than two intervals side by side suggest. The difference of areas is paired as in
    `areas.difference`; that of accuracies rests on the people of whom only one score is right,

    .. math:: (\pi_\text{both}, \pi_a, \pi_b, \pi_\text{neither}) \mid k \sim
              \mathrm{Dirichlet}(1/2 + k), \quad \text{difference} = \pi_a - \pi_b

    Args:
        values: rows by values of both scores, group and outcome, as `count_values` gives them.
        names: of the two scores.
        threshold: above it the decision by either score is yes.
        seed: of the draws.

    Returns:
        The analysis: every number of all people, and of each group.

    Raises:
        DataError: unless there are two scores and rows with and without the outcome.
    """
    if values.scores.shape[1] != 2 or len(names) != 2:
        raise DataError("Two scores of the same rows are compared: name both columns.")
    counts = values.counts
    groups: list[tuple[str, int | None]] = [
        ("", None),
        *((g, i) for i, g in enumerate(counts.groups)),
    ]
    if len(groups) == 2:
        groups = groups[:1]
    estimates: list[Estimate] = []
    headlines: list[Finding] = []
    for j, (group, i) in enumerate(groups):
        cells = values.of(i)
        areas = _areas(values, cells, names, group)
        right = _accuracies(values, cells, names, threshold, group, [seed, j])
        estimates += [*areas, *right]
        if i is None:
            if not areas:
                raise DataError(phrase("ranking.nobody", events=counts.label_of("events")))
            (ranks,), (decides,) = together(areas[-1:]), together(right[-1:])
            headlines += [
                worded("versus.auc", ranks, one=areas[0], other=areas[1], names=names),
                worded("versus.accuracy", decides, one=right[0], other=right[1], names=names),
            ]
    return Analysis(
        **framed("versus", counts, one=names[0], other=names[1]),
        findings=headlines,
        estimates=estimates,
        assumptions=[*records(counts), *assumed("versus", threshold=threshold), *_steps(values)],
        counts=counts.total(),
        draw=lambda: [
            intervals(
                "versus",
                [e for e in estimates if e.measure == "difference"],
                phrase("versus.picture", one=names[0], other=names[1]),
            )
        ],
        details={"threshold": threshold, "scores": list(names)},
    )


def _areas(
    values: Values, cells: tuple[Whole, Whole], names: Sequence[str], group: str
) -> list[Estimate]:
    """The area of each score and their difference; nothing without rows of both kinds."""
    each = [area(x, *cells) for x in values.scores.T]
    words = phrase("versus.minus", what="AUC", one=names[0], other=names[1])
    apart = difference(values.scores, *cells, group=group, words=words)
    if apart is None:
        return []
    of = [
        a.estimate("auc", group=group, stratum=name, words="AUC")
        for a, name in zip(each, names, strict=True)
        if a is not None
    ]
    return [*of, apart]


def _accuracies(
    values: Values,
    cells: tuple[Whole, Whole],
    names: Sequence[str],
    threshold: float,
    group: str,
    seed: Sequence[int],
) -> list[Estimate]:
    """The accuracy of each score and their difference."""
    ones, zeros = cells
    yes = values.scores > threshold
    first, second = yes.T
    right = [
        (ones * (first == a) * (second == b) + zeros * (first != a) * (second != b)).sum().item()
        for a, b in ((True, True), (True, False), (False, True), (False, False))
    ]
    shares = np.random.default_rng(seed).dirichlet(_CELL + np.array(right), size=DRAWS)
    people = sum(right)
    of = []
    for alone, name in zip(right[1:3], names, strict=True):
        rates = Rates([right[0] + alone], [people])
        e = rates.estimate("accuracy", 0, "accuracy")
        of.append(replace(e, group=group, stratum=name))
    apart = estimate(
        "accuracy_difference",
        shares[:, 1] - shares[:, 2],
        "difference",
        group=group,
        words=phrase("versus.minus", what="accuracy", one=names[0], other=names[1]),
        counted=(right[1] - right[2]) / max(people, 1),
        counts=(Cases(right[1], right[1] + right[2]),),
    )
    return [*of, apart]


def _steps(values: Values) -> list[str]:
    return [] if values.steps is None else [phrase("ranking.steps", steps=values.steps)]
