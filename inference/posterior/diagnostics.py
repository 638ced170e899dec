"""R-hat and effective sample size of all components of all sites, and which are the worst."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["THRESHOLD", "Convergence", "arviz", "largest_r_hat"]

THRESHOLD = 1.01


def arviz() -> Any:
    """The package, without its announcement of a coming version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import arviz

    return arviz


class Convergence:
    """How well chains agree.

    Components that are the same number in all draws, such as the zeros of a Cholesky factor, are
    left out, and so are those with values that are not finite. One that differs between chains and
    never moves within them has an infinite R-hat.

    Args:
        values: draws by site, each (chains, draws, ...).

    Attributes:
        r_hat: largest R-hat; NaN for one chain.
        worst: the component that it belongs to.
        ess: smallest bulk effective sample size.
        scarcest: the component that it belongs to.
        not_finite: sites with draws that are infinite or no number.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._columns = list(_columns(values))
        if not self._columns:
            self._columns = [("every site", np.zeros((2, 4)))]
        ess = [_number(arviz().ess(x)) for _, x in self._columns]
        self.ess, self.scarcest = min(zip(ess, self._names(), strict=True))
        self.r_hat, self.worst = largest_r_hat(values)
        self.not_finite = [n for n, x in values.items() if not np.isfinite(x).all()]

    def _names(self) -> list[str]:
        return [name for name, _ in self._columns]


def largest_r_hat(values: Mapping[str, Any]) -> tuple[float, str]:
    """The largest R-hat of all components, and the one that it belongs to."""
    ratios = [(_r_hat(x), name) for name, x in _columns(values) if x.shape[0] > 1]
    return max(ratios, default=(float("nan"), ""))


def _columns(values: Mapping[str, Any]) -> Any:
    for site, array in values.items():
        shape = array.shape[2:]
        for index in np.ndindex(shape):
            x = np.asarray(array[(slice(None), slice(None), *index)], dtype=np.float64)
            if np.isfinite(x).all() and np.ptp(x) > 0:
                yield site + (f"[{', '.join(map(str, index))}]" if index else ""), x


def _r_hat(x: Any) -> float:
    if (np.ptp(x, axis=1) == 0).all():
        return float("inf")
    value = _number(arviz().rhat(x))
    return value if np.isfinite(value) else float("inf")


def _number(value: Any) -> float:
    return float(np.asarray(value))
