"""A score trained with and without the group, and its error rates by group (G12)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.analysis import Finding
from plausible.fairness.estimates import DRAWS, Estimate, estimate
from plausible.fairness.logistic import halves, held_out

__all__ = ["Dropped", "dropped"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
_ERRORS = {
    "false-positive rate": (0, 1, "flagged among those without the outcome"),
    "false-negative rate": (1, 0, "not flagged among those with the outcome"),
}


@dataclass(frozen=True, eq=False)
class Dropped:
    """What dropping the group does.

    Attributes:
        findings: on each error rate.
        estimates: rates with and without, gaps between groups, and how the gaps change.
        flagged: which withheld rows are flagged, with and without, each of shape (rows,).
    """

    findings: Sequence[Finding]
    estimates: Sequence[Estimate]
    flagged: tuple[Whole, Whole]


def dropped(X: Array, g: Whole, outcome: Whole, names: Sequence[str], *, seed: int) -> Dropped:
    """Train a score on the features with the group and without, and compare its errors.

    Each score is a logistic regression on half of the rows; of the other half it flags as many as
    have the outcome.

    Args:
        X: features without the group, shape (rows, features).
        g: the group of each row, 0 to groups − 1; the last is what others are compared with.
        outcome: 1 for rows with the outcome, else 0.
        names: of the groups.
        seed: of the split and the draws.
    """
    wide = np.c_[X, np.eye(len(names))[g]]
    train = halves(2 * g + outcome, seed)
    scores = [held_out(z, outcome, 2, train)[:, 1] for z in (wide, X)]
    g, outcome = g[~train], outcome[~train]
    flagged = [_top(score, int(outcome.sum())) for score in scores]
    findings, estimates = [], []
    for rate, (among, error, meaning) in _ERRORS.items():
        wrong = [flags == error for flags in flagged]
        draws = {}
        for i, name in enumerate(names):
            rows = (outcome == among) & (g == i)
            cells = np.bincount(2 * wrong[0][rows] + wrong[1][rows], minlength=4)
            # 1/2 in each of four cells makes the prior of both rates uniform.
            shares = np.random.default_rng([seed, among, i]).dirichlet(0.5 + cells, size=DRAWS)
            draws[name] = (shares[:, 2] + shares[:, 3], shares[:, 1] + shares[:, 3])
        for name in names:
            for how, drawn in zip(("with", "without"), draws[name], strict=True):
                estimates.append(estimate(f"{rate} {how} the group, {name}", drawn))
        last = names[-1]
        for name in names[:-1]:
            gaps = [a - b for a, b in zip(draws[name], draws[last], strict=True)]
            pair = f"{name} − {last}"
            kept = estimate(f"{rate} with the group, {pair}", gaps[0], "difference")
            gone = estimate(f"{rate} without the group, {pair}", gaps[1], "difference")
            change = estimate(
                f"{rate}, {pair}, without − with the group", gaps[1] - gaps[0], "difference"
            )
            estimates += [kept, gone, change]
            findings.append(_gap(rate, meaning, name, last, kept, gone, change))
    return Dropped(findings, estimates, (flagged[0], flagged[1]))


def _top(score: Array, count: int) -> Whole:
    chosen = np.zeros(len(score), dtype=np.int64)
    chosen[np.argsort(-score, kind="stable")[:count]] = 1
    return chosen


def _gap(
    rate: str,
    meaning: str,
    one: str,
    other: str,
    kept: Estimate,
    gone: Estimate,
    change: Estimate,
) -> Finding:
    what = f"The {rate} ({meaning}) of a score that does not see the group"
    if gone.direction == 0:
        start = (
            f"{what} differs between {one} and {other} by {gone}; the interval covers zero: these "
            "data do not tell for which it is higher."
        )
    else:
        side = "higher" if gone.direction > 0 else "lower"
        start = f"{what} is {side} for {one} than for {other}, by {gone}."
    if change.direction == 0:
        end = (
            f"With the group it is {kept}; whether dropping the group changes that these data do "
            f"not tell (change {change})."
        )
    else:
        end = f"With the group it is {kept}; dropping it changes that by {change}."
    return Finding(
        f"{start} {end}",
        "Which rate ought to be equal, if any, is not a question of data.",
        gone,
    )
