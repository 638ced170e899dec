"""Simulated benefit claims, scored with and without nationality; no real file is behind them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from plausible.fairness.counts.counts import Counts
from plausible.inference.errors import DataError

__all__ = ["SimulatedScores", "simulated_scores"]

Array = NDArray[np.float64]
_GROUPS = ("national", "foreign")
_SHARE = 0.2  # of claimants of the second group
_AT_FAULT = (-3.0, 3.0)  # log odds of a fault: where the claim is average, and per unit of it
_ACCUSED = (0.02, 0.2)  # shares of past claims without a fault that were recorded as one, by group
_PROXY = 1.0  # how far the groups lie apart in the feature that says nothing about faults


@dataclass(frozen=True, eq=False)
class SimulatedScores:
    """Scores of the same new claims by two logistic regressions.

    Attributes:
        fault: whether there is a fault, shape (people,).
        group: 0 or 1, shape (people,).
        scored: score with nationality as a feature, shape (people,).
        scored_without: score without it.
        weights: coefficients of the first score, by feature.
    """

    fault: NDArray[np.bool_]
    group: NDArray[np.int64]
    scored: Array
    scored_without: Array
    weights: dict[str, float]

    def counts(self, threshold: float, *, without: bool = False) -> Counts:
        """The four cells of each group where scores above the threshold are investigated."""
        flagged = (self.scored_without if without else self.scored) > threshold
        cells = {
            "true_negative": ~flagged & ~self.fault,
            "false_positive": flagged & ~self.fault,
            "false_negative": ~flagged & self.fault,
            "true_positive": flagged & self.fault,
        }
        frame = pd.DataFrame(
            {cell: np.bincount(self.group[who], minlength=2) for cell, who in cells.items()}
        )
        frame.insert(0, "group", _GROUPS)
        return Counts(
            frame,
            group="nationality",
            source="Simulated by plausible.fairness.scores.simulated_scores; no real claims.",
        )


def simulated_scores(
    *, past: int = 50_000, people: int = 200_000, seed: int = 0
) -> SimulatedScores:
    r"""Train a score on past checks that were harsher on one group, and score new claims.

    Faults depend on the claim alone, so that both groups have the same rate of faults:

    .. math:: \operatorname{logit} P(\text{fault}) = -3 + 3\, x, \quad x \sim N(0, 1)

    On record, every past fault is one, and so are 2 % of faultless claims of nationals and 20 % of
    those of foreigners. A second feature, N(0, 1) or N(1, 1) by group, says nothing about faults.
    Both scores are logistic regressions of what is on record.

    Args:
        past: claims that the scores learn from.
        people: new claims that they are applied to.
        seed: of everything.

    Raises:
        DataError: for fewer than 100 claims of either kind.
    """
    if min(past, people) < 100:
        raise DataError(f"Simulate 100 claims or more of each kind, not {past} and {people}.")
    random = np.random.default_rng(seed)
    features, group, fault = _claims(past, random)
    recorded = fault | (random.random(past) < np.take(_ACCUSED, group))
    new, new_group, new_fault = _claims(people, random)
    with_it, without = _logistic(features, recorded), _logistic(features[:, :-1], recorded)
    return SimulatedScores(
        new_fault,
        new_group,
        special.expit(new @ with_it),
        special.expit(new[:, :-1] @ without),
        dict(zip(("constant", "claim", "proxy", "nationality"), with_it.tolist(), strict=True)),
    )


def _claims(
    size: int, random: np.random.Generator
) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """Features (constant, claim, proxy, group), groups and faults of a number of claims."""
    group = (random.random(size) < _SHARE).astype(np.int64)
    claim = random.standard_normal(size)
    proxy = random.normal(_PROXY * group)
    fault = random.random(size) < special.expit(_AT_FAULT[0] + _AT_FAULT[1] * claim)
    return np.stack([np.ones(size), claim, proxy, group], axis=1), group, fault


def _logistic(features: Array, outcome: NDArray[np.bool_]) -> Array:
    """Coefficients of a logistic regression by maximum likelihood."""

    def loss(w: Array) -> tuple[float, Array]:
        z = features @ w
        residual = special.expit(z) - outcome
        return float((np.logaddexp(0, z) - outcome * z).mean()), residual @ features / len(z)

    found = optimize.minimize(loss, np.zeros(features.shape[1]), jac=True, method="BFGS")
    return np.asarray(found.x)
