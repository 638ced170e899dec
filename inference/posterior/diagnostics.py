"""R-hat and effective sample size of all components of all sites, and which are the worst."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from plausible.inference.posterior.convergence import bulk_ess, r_hat

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
        names, draws = _moving(values)
        if not names:
            names, draws = ["every site"], np.zeros((2, 4, 1))
        sizes = bulk_ess(draws)
        self.ess, self.scarcest = float(sizes.min()), names[int(sizes.argmin())]
        self.r_hat, self.worst = largest_r_hat(values)
        self.not_finite = [n for n, x in values.items() if not np.isfinite(x).all()]


def largest_r_hat(values: Mapping[str, Any]) -> tuple[float, str]:
    """The largest R-hat of all components, and the one that it belongs to."""
    names, draws = _moving(values)
    if not names or draws.shape[0] == 1:
        return float("nan"), ""
    ratios = r_hat(draws)
    return float(ratios.max()), names[int(ratios.argmax())]


def _moving(values: Mapping[str, Any]) -> tuple[list[str], Any]:
    """The components that are finite and not the same in all draws, (chains, draws, components)."""
    names, parts = [], []
    for site, array in values.items():
        x = np.asarray(array, dtype=np.float64).reshape(*array.shape[:2], -1)
        kept = np.isfinite(x).all((0, 1)) & (np.ptp(x, axis=(0, 1)) > 0)
        parts.append(x[:, :, kept])
        indices = np.ndindex(array.shape[2:])
        labels = [site + (f"[{', '.join(map(str, index))}]" if index else "") for index in indices]
        names += [label for label, keep in zip(labels, kept, strict=True) if keep]
    return names, np.concatenate(parts, axis=2) if parts else np.zeros((1, 0, 0))
