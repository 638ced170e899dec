"""Logistic regression for the analyses that need a classifier of their own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from plausible.inference.errors import DataError

__all__ = ["Logistic", "fit_logistic", "halves", "held_out", "highest", "refitted"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Logistic:
    r"""A softmax of linear scores.

    .. math:: P(y = c \mid x) \propto \exp(x^\top w_c + b_c)

    Attributes:
        weights: w, shape (features, classes).
        bias: b, shape (classes,).
    """

    weights: Array
    bias: Array

    def predict(self, X: Array) -> Array:
        """Probabilities of the classes for each row, shape (rows, classes)."""
        return np.asarray(special.softmax(X @ self.weights + self.bias, axis=1))


def fit_logistic(X: Array, y: NDArray[np.int64], classes: int, *, scale: float = 2.0) -> Logistic:
    r"""The most probable weights under independent normal priors N(0, scale²).

    .. math:: \max_{w, b} \sum_i \ln P(y_i \mid x_i) - \frac{\lVert w \rVert^2}{2 s^2}
              - \frac{\lVert b \rVert^2}{200}

    Args:
        X: shape (rows, features), each feature on a scale of about 1.
        y: the class of each row, 0 to classes − 1.
        classes: how many there are.
        scale: s, of the prior of every weight; that of b is 10.

    Raises:
        DataError: for features that are not finite numbers.

    Source: Gelman et al., A weakly informative default prior distribution for logistic and other
    regression models (2008).
    """
    rows, features = X.shape
    if not np.isfinite(X).all():
        raise DataError("A feature has a value that is not a finite number. Fill or drop it first.")
    chosen = np.eye(classes)[y]
    precision = np.r_[np.full((features, classes), scale**-2), np.full((1, classes), 0.01)]
    wide = np.c_[X, np.ones(rows)]

    def loss(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(features + 1, classes)
        scores = wide @ w
        total = special.logsumexp(scores, axis=1)
        p = np.exp(scores - total[:, None])
        value = (total - (scores * chosen).sum(1)).sum() + (precision * w**2).sum() / 2
        return float(value) / rows, (wide.T @ (p - chosen) + precision * w).ravel() / rows

    start = np.zeros((features + 1) * classes)
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    w = found.x.reshape(features + 1, classes)
    return Logistic(w[:-1], w[-1])


def halves(y: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which rows are for training, at random; of every class one half, as far as rows allow.

    Figures on the other half have the sampling error of the same number of new rows. Those of a
    cross-validation have more, since every row also trains the regressions that predict the
    others, and intervals that take its rows as independent are too narrow.

    Args:
        y: the class of each row.
        seed: of the order.

    Returns:
        Shape (rows,).

    Source: Bengio and Grandvalet, No unbiased estimator of the variance of k-fold
    cross-validation (2004).
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    train = np.empty(len(y), dtype=bool)
    train[shuffled[np.argsort(y[shuffled], kind="stable")]] = np.arange(len(y)) % 2 == 0
    return train


def held_out(
    X: Array, y: NDArray[np.int64], classes: int, train: NDArray[np.bool_], *, scale: float = 2.0
) -> Array:
    """Probabilities for the rows that are not for training, by a regression on those that are.

    Args:
        X: shape (rows, features).
        y: the class of each row.
        classes: how many there are.
        train: from `halves`.
        scale: of the prior of every weight.

    Returns:
        Shape (rows not for training, classes).
    """
    return fit_logistic(X[train], y[train], classes, scale=scale).predict(X[~train])


def refitted(
    X: Array, y: NDArray[np.int64], at: Array, draws: int, *, scale: float = 2.0, seed: int = 0
) -> Array:
    r"""Log-odds by regressions on Bayesian-bootstrap samples of the training rows.

    Each is one Newton step from the most probable weights w, with random weights e of the rows:

    .. math:: w_b = w + H^{-1} \sum_i (e_{bi} - 1) (y_i - p_i)\, x_i,
              \quad e_{bi} \sim \mathrm{Exponential}(1)

    The same seed gives the same e, so that regressions on other columns of the same rows go
    together.

    Args:
        X: training rows, shape (rows, features).
        y: 0 or 1 for each training row.
        at: rows to predict, shape (others, features).
        draws: how many regressions.
        scale: of the prior of every weight, as in `fit_logistic`.
        seed: of the weights of the rows.

    Returns:
        Shape (others, draws).

    Source: Rubin, The Bayesian bootstrap (1981).
    """
    fitted = fit_logistic(X, y, 2, scale=scale)
    w = np.r_[fitted.weights[:, 1] - fitted.weights[:, 0], fitted.bias[1] - fitted.bias[0]]
    wide = np.c_[X, np.ones(len(X))]
    p = special.expit(wide @ w)
    # Two weights that differ by w have the prior of w at half its precision.
    prior = np.diag(np.r_[np.full(X.shape[1], scale**-2), 0.01]) / 2
    hessian = (wide.T * (p * (1 - p))) @ wide + prior
    random = np.random.default_rng(seed)
    moved = np.empty((len(w), draws))
    for b in range(draws):
        moved[:, b] = wide.T @ ((random.standard_exponential(len(y)) - 1) * (y - p))
    return np.c_[at, np.ones(len(at))] @ (w[:, None] + np.linalg.solve(hessian, moved))


def highest(scores: Array, wanted: int, seed: int) -> NDArray[np.int64]:
    """Flags, 1 or 0, of the rows with the `wanted` highest scores in each column.

    Ties are broken at random: in the order of the rows they would favour groups that come first.

    Args:
        scores: shape (rows, columns).
        wanted: how many are flagged.
        seed: of the order of ties, the same in each column.
    """
    flags = np.zeros(scores.shape, dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(scores))
    # Sums of the same numbers can differ in their last digits, which would make an order of ties.
    rounded = scores[shuffled].round(9)
    order = shuffled[np.argsort(-rounded, axis=0, kind="stable")[:wanted]]
    np.put_along_axis(flags, order, 1, axis=0)
    return flags
