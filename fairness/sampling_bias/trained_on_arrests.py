"""What a classifier learns that is trained on arrests instead of use, by simulation (G2)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.fairness.estimation.logistic import highest, refitted
from plausible.fairness.estimation.posteriors import inference_data
from plausible.fairness.reporting.analysis import Analysis, Table
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import deviations, under_each
from plausible.inference.errors import DataError

__all__ = ["trained_on_arrests"]

Array = NDArray[np.float64]
_REFITS = 100
_PRIORS = (1.0, 0.5, 2.0)


@analysis("trained-on-arrests", answers="amplification", needs=("rates",))
def trained_on_arrests(
    use: Mapping[str, float],
    detection: Mapping[str, float],
    *,
    people: int = 50_000,
    separation: float = 1.0,
    flagged: float = 0.1,
    seed: int = 0,
) -> Analysis:
    r"""Train one logistic regression on use and one on arrests, and see whom each would flag.

    .. math:: y \sim \mathrm{Bernoulli}(u_g), \quad a \sim \mathrm{Bernoulli}(y\, d_g), \quad
              x \sim N(D y, 1)

    Both see the group and a trait x that tells something about use. Trained on arrests, the
    average score in a group tends to u_g d_g; trained on use, to u_g. Half of the people are for
    training, half for the figures. The posterior covers the training half by regressions on
    Bayesian-bootstrap samples of it, and the other half by a Dirichlet.

    Args:
        use: u, the share of each group that uses.
        detection: d, the chance that a case of use leads to an arrest.
        people: simulated in each group.
        separation: D, how much the trait tells about use.
        flagged: the share of all people with the highest scores, who are flagged.
        seed: of the simulation.

    Returns:
        The analysis; its posterior has "flagged_by_arrests" and "flagged_by_use", the share of
        each group among the flagged.

    Raises:
        DataError: for rates outside of 0 to 1, other groups in one than in the other, or fewer
            than 100 people.
    """
    names = list(use)
    if set(names) != set(detection) or len(names) < 2:
        raise DataError("Use and detection need the same two groups or more.")
    given = [*use.values(), *detection.values(), flagged]
    if not all(0 <= x <= 1 for x in given) or people < 100:
        raise DataError(f"Rates lie from 0 to 1 and people are 100 or more, but got {given}.")
    g, y, arrested, X = _simulate(use, detection, people, separation, seed)
    train = np.arange(len(g)) % 2 == 0
    scores = {
        label: refitted(X[train], target[train], X[~train], _REFITS, scale=10.0, seed=seed)
        for label, target in (("use", y), ("arrests", arrested))
    }
    wanted = round(flagged * int((~train).sum()))
    taken = {k: highest(s, wanted, seed) for k, s in scores.items()}
    kinds = 4 * g[~train, None] + 2 * taken["use"] + taken["arrests"]
    cells = np.stack([np.bincount(kind, minlength=4 * len(names)) for kind in kinds.T])
    by_use, by_arrests = _among_flagged(cells, _PRIORS[0], seed)
    findings, estimates, means = [], [], []
    for i, name in enumerate(names):
        words = "share of the flagged"
        one, other = (
            estimate(f"flagged_by_{what}", x[:, i], group=name, words=f"{words}, trained on {what}")
            for what, x in (("arrests", by_arrests), ("use", by_use))
        )
        gap = _gap(name, by_use[:, i], by_arrests[:, i])
        findings.append(worded("trained_on_arrests.flagged", gap, one=one, other=other))
        estimates += [one, other, gap]
        of = g[~train] == i
        means.append(
            [name, use[name], use[name] * detection[name]]
            + [float(special.expit(scores[k][of]).mean()) for k in ("use", "arrests")]
        )
    apart = deviations(separation)
    columns = ["group", "use", "arrests", "trained on use", "trained on arrests"]
    return Analysis(
        **framed("trained_on_arrests"),
        findings=findings,
        estimates=estimates,
        assumptions=[
            *assumed("trained_on_arrests", people=people, apart=apart, flagged=100 * flagged),
            _sensitivity(cells, names[0], seed),
        ],
        posterior=inference_data(
            {"flagged_by_use": by_use, "flagged_by_arrests": by_arrests}, group=names
        ),
        tables=[Table(phrase("trained_on_arrests.table"), pd.DataFrame(means, columns=columns))],
        details={"people": people, "separation": separation, "flagged": flagged},
    )


def _simulate(
    use: Mapping[str, float],
    detection: Mapping[str, float],
    people: int,
    separation: float,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Array]:
    """Group, use, arrest and features of everybody."""
    random = np.random.default_rng(seed)
    g = np.repeat(np.arange(len(use)), people)
    y = random.uniform(size=len(g)) < np.array([use[name] for name in use])[g]
    arrested = y & (random.uniform(size=len(g)) < np.array([detection[name] for name in use])[g])
    trait = random.normal(separation * y)
    return g, y.astype(np.int64), arrested.astype(np.int64), np.c_[trait, np.eye(len(use))[g]]


def _among_flagged(cells: NDArray[np.int64], prior: float, seed: int) -> tuple[Array, Array]:
    """The share of each group among those flagged by use and by arrests, each (DRAWS, groups).

    Args:
        cells: counts of groups and flags in each refit, shape (refits, 4 · groups).
        prior: α of the Dirichlet prior of every cell.
        seed: of the draws.
    """
    alpha = np.repeat(prior + cells, DRAWS // _REFITS, axis=0)
    drawn = np.random.default_rng(seed).standard_gamma(alpha).reshape(len(alpha), -1, 4)
    by_use, by_arrests = drawn[..., [2, 3]].sum(2), drawn[..., [1, 3]].sum(2)
    return by_use / by_use.sum(1, keepdims=True), by_arrests / by_arrests.sum(1, keepdims=True)


def _gap(name: str, by_use: Array, by_arrests: Array) -> Estimate:
    words = "share of the flagged, arrests − use"
    return estimate("flagged", by_arrests - by_use, "difference", group=name, words=words)


def _sensitivity(cells: NDArray[np.int64], name: str, seed: int) -> str:
    """How the first group's share changes under several priors."""
    gaps = {}
    for prior in _PRIORS:
        shares = _among_flagged(cells, prior, seed)
        gaps[f"Dirichlet({prior:g})"] = _gap(name, *(x[:, 0] for x in shares))
    return under_each(f"the share of {name} among the flagged, arrests − use", gaps)
