"""What it is worth to know more before acting (G5)."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["value_of_cases", "value_of_costs", "value_of_outcome", "value_of_probabilities"]

Array = NDArray[np.float64]

# Each is the mean of what the action that is best now costs more than the best one after learning,
# which no sampling error makes negative.


def value_of_outcome(theta: Array, costs: Array) -> float:
    r"""Value of knowing the outcome of each case.

    .. math:: \min_a \sum_o \theta_o C_{ao} - \sum_o \theta_o \min_a C_{ao}

    Args:
        theta: mean probabilities, shape (outcomes,).
        costs: mean costs, shape (actions, outcomes).
    """
    return float((costs @ theta).min() - theta @ costs.min(0))


def value_of_probabilities(theta: Array, costs: Array) -> float:
    """Value of knowing the probabilities of the outcomes.

    Args:
        theta: draws of the probabilities, shape (draws, outcomes).
        costs: mean costs, shape (actions, outcomes).
    """
    best = int((costs @ theta.mean(0)).argmin())
    loss = theta @ costs.T
    return float((loss[:, best] - loss.min(1)).mean())


def value_of_costs(theta: Array, costs: Array) -> float:
    """Value of knowing the costs.

    Args:
        theta: mean probabilities, shape (outcomes,).
        costs: draws of the costs, shape (draws, actions, outcomes).
    """
    loss = costs @ theta
    best = int(loss.mean(0).argmin())
    return float((loss[:, best] - loss.min(1)).mean())


def value_of_cases(alpha: Array, costs: Array, further: int, seed: int) -> float:
    r"""Value of seeing the outcomes of further cases, before their own cost.

    .. math:: \min_a \bar C_a \cdot \bar\theta
              - E\Bigl[\min_a \bar C_a \cdot \frac{\alpha + m}{\sum_o \alpha_o + n}\Bigr],
              \quad m \sim \mathrm{DirichletMultinomial}(n, \alpha)

    Args:
        alpha: of the Dirichlet posterior now, shape (outcomes,).
        costs: mean costs, shape (actions, outcomes).
        further: n, how many cases.
        seed: of the draws.
    """
    random = np.random.default_rng([seed, 2])
    theta = random.dirichlet(alpha, size=20_000)
    later = (alpha + random.multinomial(further, theta)) / (alpha.sum() + further)
    best = int((costs @ alpha).argmin())
    loss = later @ costs.T
    return float((loss[:, best] - loss.min(1)).mean())
