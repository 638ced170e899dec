"""How well held-out predictions tell classes apart, with uncertainty (G12)."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate

__all__ = ["accuracy_gain", "area", "information"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
_BOOTSTRAP = 2_000
_CELLS = 4_000_000
_TINY = 1e-12


def information(group: str, p: Array, y: Whole, base: Array, seed: int) -> Estimate:
    r"""Mean log-probability of the true class above that under the shares alone.

    .. math:: \frac1n \sum_i \ln \frac{p_i(y_i)}{\pi(y_i)}

    At most the entropy of the shares; 0 where the features tell nothing, and below where they
    mislead. Its posterior is the Bayesian bootstrap over rows.

    Args:
        group: whose information it is: a column, or empty for all of them.
        p: held-out probabilities, shape (rows, classes).
        y: the class of each row.
        base: π, shares of the classes, shape (classes,).
        seed: of the draws.

    Source: Rubin, The Bayesian bootstrap (1981).
    """
    row = np.arange(len(y))
    gain = np.log(np.maximum(p[row, y], _TINY)) - np.log(base[y])
    return estimate(
        "information", _bootstrap(gain, np.random.default_rng(seed)), "nats", group=group
    )


def area(group: str, score: Array, of: NDArray[np.bool_], seed: int) -> Estimate:
    """Probability that a member of a class scores above a member of the rest; half for ties.

    Its posterior is the Bayesian bootstrap over the rows of each class, to first order.

    Args:
        group: the name of the class.
        score: shape (rows,).
        of: who is of the class; some are and some are not.
        seed: of the draws.

    Source: DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated
    receiver operating characteristic curves (1988), for the decomposition.
    """
    ranks, n, m = stats.rankdata(score), int(of.sum()), int((~of).sum())
    above = (ranks[of] - stats.rankdata(score[of])) / m
    below = 1 - (ranks[~of] - stats.rankdata(score[~of])) / n
    random = np.random.default_rng(seed)
    draws = _bootstrap(above, random) + _bootstrap(below, random) - above.mean()
    words = "probability that a row scores above one of another class"
    return estimate("area", draws.clip(0, 1), group=group, words=words)


def accuracy_gain(
    predicted: Whole, y: Whole, majority: int, seed: int
) -> tuple[Estimate, Estimate, Estimate]:
    """Accuracy of the predictions, of always naming the largest class, and their difference.

    Args:
        predicted: held-out classes, shape (rows,).
        y: true classes.
        majority: the largest class.
        seed: of the draws.
    """
    right, common = predicted == y, y == majority
    cells = np.bincount(2 * right + common, minlength=4)
    # 1/2 in each of four cells makes both accuracies uniform before the data.
    shares = np.random.default_rng(seed).dirichlet(0.5 + cells, size=DRAWS)
    one, other = shares[:, 2] + shares[:, 3], shares[:, 1] + shares[:, 3]
    better = "accuracy, predictions − naming the largest"
    return (
        estimate("accuracy", one),
        estimate("accuracy_of_naming_the_largest", other),
        estimate("accuracy_gain", one - other, "difference", words=better),
    )


def _bootstrap(values: Array, random: np.random.Generator) -> Array:
    """Draws of the mean under uniform Dirichlet weights."""
    block = max(_CELLS // len(values), 1)
    parts = []
    for start in range(0, _BOOTSTRAP, block):
        w = random.standard_exponential((min(block, _BOOTSTRAP - start), len(values)))
        parts.append(w @ values / w.sum(1))
    return np.concatenate(parts)
