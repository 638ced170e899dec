"""Of many groups those that a reader sees, and sees first."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.posteriors import Rates

__all__ = ["SHOWN", "clearest", "extremes", "relevance"]

# Groups that a table or a picture can show and still be read.
SHOWN = 12
_TINY = 20  # cases of a group, below which its rate is an anecdote


def extremes(rates: Rates, known: Sequence[int], keep: int) -> list[int]:
    """Those of the known groups that `clearest` picks by their rates, the one to keep among them.

    Without an event nothing lies far above, and without another case nothing far below.
    """
    a, b = rates.a[known], rates.b[known]
    low, high = special.betaincinv(a, b, np.array([[0.025], [0.975]]))
    low, high = np.where(a > rates.prior.events, low, 0), np.where(b > rates.prior.others, high, 1)
    return [known[i] for i in clearest(low, high, [known.index(keep)])]


def clearest(low: NDArray[np.float64], high: NDArray[np.float64], keep: Sequence[int]) -> list[int]:
    """Up to `SHOWN` groups: all if there are no more, else those that lie highest and lowest.

    An extreme group is one whose whole interval lies far out, so that tiny groups with wide
    intervals do not crowd out those that data speak for.

    Args:
        low: lower ends of the groups' intervals, shape (groups,).
        high: upper ends.
        keep: groups that are shown in any case.

    Returns:
        Their indices, in ascending order.
    """
    if len(low) <= SHOWN:
        return list(range(len(low)))
    room = SHOWN - len(keep)
    others = np.setdiff1d(np.arange(len(low)), keep)
    top = others[np.argsort(-low[others], kind="stable")][: room // 2]
    rest = np.setdiff1d(others, top)
    bottom = rest[np.argsort(high[rest], kind="stable")][: room - len(top)]
    return sorted({*keep, *top.tolist(), *bottom.tolist()})


def relevance(gap: Estimate, cases: float | None) -> tuple[bool, bool, float]:
    """The place of a comparison among others: the smaller, the more it leads.

    Groups of fewer than 20 cases come last, and comparisons that these data do not decide after
    those that they do. Of these, the one leads that concerns most cases: the least difference
    that the interval holds, times the cases of the group.

    Args:
        gap: of the group.
        cases: of the group; None where the number does not rest on counts.
    """
    told = bool(gap.credible_direction)
    weight = cases if told and cases else 1.0
    return cases is not None and cases < _TINY, not told, -gap.clearance * weight
