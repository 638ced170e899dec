"""Even the classifier that makes the fewest errors moves the shares of its classes (G3)."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import PRIORS, Rates
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.framing import assumed, framed, phrase, worded
from plausible.fairness.reporting.registry import analysis
from plausible.fairness.reporting.wording import deviations
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, SOFT_INK, styled

__all__ = ["bayes_optimal", "optimal_amplification"]

Array = NDArray[np.float64]


def optimal_amplification(separation: ArrayLike, prior: ArrayLike) -> Array:
    r"""How much more often the best classifier predicts a class than the class occurs.

    For two classes with x ~ N(±D/2, 1) and prior p of the upper one, the classifier with the
    fewest errors predicts it where x > −λ/D, and

    .. math:: p\,\Phi\Bigl(\frac D2 + \frac\lambda D\Bigr)
              + (1 - p)\,\Phi\Bigl(-\frac D2 + \frac\lambda D\Bigr) - p,
              \quad \lambda = \ln\frac{p}{1 - p}

    Args:
        separation: D, distance of the means in standard deviations, above 0.
        prior: p, from 0 to 1 without its ends.

    Returns:
        Predicted minus true share of the upper class.

    Raises:
        DataError: for a separation that is not positive or a prior outside of 0 to 1.

    Source: Leino et al. (2019), section 2, for the effect; the formula follows from the threshold.
    """
    D, p = np.asarray(separation, np.float64), np.asarray(prior, np.float64)
    if not ((D > 0) & np.isfinite(D)).all() or not ((p > 0) & (p < 1)).all():
        raise DataError(
            f"The separation is above 0 and the prior between 0 and 1, but got {D} and {p}."
        )
    shift = special.logit(p) / D
    return np.asarray(p * special.ndtr(D / 2 + shift) + (1 - p) * special.ndtr(shift - D / 2) - p)


@analysis("bayes-optimal-amplification", answers="amplification")
def bayes_optimal(
    separations: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    priors: Sequence[float] = (0.55, 0.65, 0.75, 0.9),
    *,
    shown: float = 0.75,
    people: int = 200_000,
    seed: int = 0,
) -> Analysis:
    """Amplification by the best possible classifier: the closed form next to a simulation.

    Args:
        separations: distances of the two classes that the table lists, in standard deviations.
        priors: shares of the larger class, a curve for each in the picture.
        shown: the share of the upper class for the table.
        people: simulated for each row of the table.
        seed: of the simulation.

    Returns:
        The analysis; it has no posterior of its own, since the shares are given.

    Raises:
        DataError: as `optimal_amplification`, or for no separations or fewer than one person.
    """
    if not len(separations) or people < 1:
        raise DataError("Give a separation and at least one person to simulate.")
    exact = optimal_amplification(np.asarray(separations), shown)
    optimal_amplification(1.0, np.asarray(priors))
    simulated = [_simulated(D, shown, people, [seed, i]) for i, D in enumerate(separations)]
    frame = pd.DataFrame(
        {
            "separation": list(separations),
            "closed form": exact,
            "simulated": [e.value for e in simulated],
            "low": [e.low for e in simulated],
            "high": [e.high for e in simulated],
            "errors": [_errors(D, shown) for D in separations],
        }
    )
    findings = [
        _finding(D, shown, amount, e)
        for D, amount, e in zip(separations, exact, simulated, strict=True)
    ]
    return Analysis(
        **framed("bayes_optimal"),
        findings=findings,
        estimates=simulated,
        assumptions=assumed("bayes_optimal", people=people, prior=PRIORS["uniform"]),
        tables=[Table(phrase("bayes_optimal.table", shown=shown), frame)],
        draw=partial(_pictures, tuple(priors), shown, frame),
        details={"prior": shown, "people": people},
    )


def _simulated(D: float, p: float, people: int, seed: Sequence[int]) -> Estimate:
    """The paired difference of predicted and true share: wrongly gained less wrongly lost."""
    random = np.random.default_rng(seed)
    upper = random.uniform(size=people) < p
    x = random.normal(D * (upper - 0.5))
    predicted = x > -special.logit(p) / D
    gained, lost = int((predicted & ~upper).sum()), int((upper & ~predicted).sum())
    wrong = gained + lost
    of_wrong = Rates([wrong, gained], [people, wrong], PRIORS["uniform"], seed[0]).draws
    change = of_wrong[:, 0] * (2 * of_wrong[:, 1] - 1)
    low, high = np.quantile(change, [0.025, 0.975])
    return Estimate(
        "predicted_minus_true_share",
        float(change.mean()),
        float(low),
        float(high),
        "difference",
        above=float((change > 0).mean()),
        stratum=f"separation {D:g}",
        words="predicted − true share",
    )


def _errors(D: float, p: float) -> float:
    shift = special.logit(p) / D
    return float(p * special.ndtr(-D / 2 - shift) + (1 - p) * special.ndtr(shift - D / 2))


def _finding(D: float, p: float, amount: float, simulated: Estimate) -> Finding:
    case = "even" if p == 0.5 else "clear"
    points = f"{100 * amount:+.1f}".replace("-", "−")
    values = {"apart": deviations(D), "share": 100 * p, "points": points}
    covers = "" if simulated.direction else ", which covers zero"
    side = "more" if amount > 0 else "less"
    return worded("bayes_optimal.best", simulated, case, covers=covers, side=side, **values)


def _pictures(priors: Sequence[float], shown: float, frame: pd.DataFrame) -> list[Picture]:
    numbers = "; ".join(
        f"{row['separation']:g} apart, {100 * row['closed form']:.1f} points"
        for _, row in frame.iterrows()
    )
    return [
        Picture(
            "bayes-optimal-amplification",
            _figure(priors, shown, frame),
            phrase("bayes_optimal.caption"),
            phrase("bayes_optimal.alt", shown=shown, numbers=numbers),
        )
    ]


@styled
def _figure(priors: Sequence[float], shown: float, frame: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axes = figure.add_subplot()
    D = np.linspace(0.05, max(5.0, float(frame["separation"].max())), 400)
    for p, colour in zip(priors, CLASS_COLOURS, strict=False):
        axes.plot(D, 100 * optimal_amplification(D, p), color=colour, label=f"{100 * p:g} %")
    axes.plot(
        frame["separation"],
        100 * frame["simulated"],
        "o",
        color=SOFT_INK,
        markersize=5,
        label=f"simulated, {100 * shown:g} %",
    )
    axes.set_xlim(0, D[-1])
    axes.set_ylim(bottom=0 if min([*priors, shown]) >= 0.5 else None)
    axes.set_xlabel("distance of the classes, standard deviations")
    axes.set_ylabel("predicted − true share, points")
    axes.legend(title="share of the larger class")
    return figure
