"""A score trained with and without the group, and its error rates by group (G12)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import Contrasts
from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.fairness.estimation.logistic import halves, highest, refitted
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.framing import worded

__all__ = ["Dropped", "dropped"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
_REFITS = 200
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
    """

    findings: Sequence[Finding]
    estimates: Sequence[Estimate]


def dropped(X: Array, g: Whole, outcome: Whole, names: Sequence[str], *, seed: int) -> Dropped:
    """Train a score on the features with the group and without, and compare its errors.

    Each score is a logistic regression on half of the rows; of the other half it flags as many as
    have the outcome. The posterior covers the training half by regressions on Bayesian-bootstrap
    samples of it, the same samples with and without, and the withheld half by a Dirichlet.

    Args:
        X: features without the group, shape (rows, features).
        g: the group of each row, 0 to groups − 1; the last is what others are compared with.
        outcome: 1 for rows with the outcome, else 0.
        names: of the groups.
        seed: of the split and the draws.
    """
    train = halves(2 * g + outcome, seed)
    tables = (np.c_[X, np.eye(len(names))[g]], X)
    wanted = int(outcome[~train].sum())
    flagged = [
        highest(refitted(z[train], outcome[train], z[~train], _REFITS, seed=seed), wanted, seed)
        for z in tables
    ]
    g, outcome = g[~train], outcome[~train]
    findings: list[Finding] = []
    estimates: list[Estimate] = []
    for rate, (among, error, meaning) in _ERRORS.items():
        wrong = [flags == error for flags in flagged]
        draws: dict[str, tuple[Array, Array]] = {}
        for i, name in enumerate(names):
            rows = (outcome == among) & (g == i)
            if rows.any():
                draws[name] = _rates(wrong[0][rows], wrong[1][rows], [seed, among, i])
        if missing := [name for name in names if name not in draws]:
            values = {"rate": rate, "meaning": meaning, "names": ", ".join(missing)}
            findings.append(worded("proxies.nobody", **values))
        quantity = rate.replace("-", "_").replace(" ", "_")
        kept, gone = (
            Contrasts.of_draws(
                f"{quantity}_{how}_group",
                f"{rate} {how} the group",
                {name: pair[k] for name, pair in draws.items()},
                names[-1],
            )
            for k, how in enumerate(("with", "without"))
        )
        for i in kept.each:
            estimates += [kept.each[i], gone.each[i]]
        for i, before in kept.gaps.items():
            after, at = gone.gaps[i], {"group": before.group, "reference": before.reference}
            one, other = (draws[name] for name in at.values())
            drawn = (one[1] - other[1]) - (one[0] - other[0])
            words = f"{rate}, without − with the group"
            change = estimate(f"{quantity}_change", drawn, "difference", words=words, **at)
            estimates += [before, after, change]
            findings.append(_gap(f"The {rate} ({meaning})", before, after, change))
    return Dropped(findings, estimates)


def _rates(
    with_group: NDArray[np.bool_], without: NDArray[np.bool_], seed: Sequence[int]
) -> tuple[Array, Array]:
    """Draws of the share of errors with the group and without, from errors (rows, refits)."""
    kinds = 2 * with_group + without
    cells = np.stack([(kinds == kind).sum(0) for kind in range(4)], axis=1)
    # 1/2 in each of four cells makes the prior of both rates uniform.
    alpha = np.repeat(0.5 + cells, DRAWS // _REFITS, axis=0)
    gammas = np.random.default_rng(seed).standard_gamma(alpha)
    shares = gammas / gammas.sum(1, keepdims=True)
    return shares[:, 2] + shares[:, 3], shares[:, 1] + shares[:, 3]


def _gap(what: str, kept: Estimate, gone: Estimate, change: Estimate) -> Finding:
    moved = worded("proxies.change", change, kept=kept).text
    return worded("proxies.dropped", gone, what=what, change=moved)
