"""The exact posterior of a population's average rate and spread, by integration on a grid."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.interpolate import RectBivariateSpline

__all__ = ["Grid", "log_density", "population"]

Array = NDArray[np.float64]
_DOMAIN = np.array([(-45.0, 45.0), (-30.0, 30.0)])  # of the logits of m and s
_SOUGHT, _INTEGRATED, _DRAWN = 32, 96, 512  # points on each axis
_NEGLIGIBLE = 20.0  # nats below the peak, of what is left out
_ROUNDS = 100
_STIRLING = 20.0  # from here on the series below is exact to 2e-15
_CHUNK = 4_000_000  # numbers in memory at once


class Grid(NamedTuple):
    """A posterior at the points of a grid.

    Attributes:
        x: logits of m, evenly spaced, shape (points of m,).
        y: logits of s, evenly spaced, shape (points of s,).
        log: logarithm of the density of x and y over its largest value, shape (points of m,
            points of s).
    """

    x: Array
    y: Array
    log: Array

    def expectation(self, of: Callable[[Array, Array], Array]) -> float:
        """The mean of a function, which takes a column of values of m and a row of values of s."""
        values = of(special.expit(self.x[:, None]), special.expit(self.y[None, :]))
        return float(np.average(np.broadcast_to(values, self.log.shape), weights=np.exp(self.log)))

    def draw(self, size: int, random: np.random.Generator) -> tuple[Array, Array]:
        """Independent draws of m and s, each of shape (size,).

        Between points the logarithm of the density is interpolated by cubic splines; between those
        of the finer grid that results, the density itself is linear.
        """
        fine = [np.linspace(axis[0], axis[-1], _DRAWN) for axis in (self.x, self.y)]
        weights = np.exp(RectBivariateSpline(self.x, self.y, self.log)(*fine))
        cumulative = np.cumsum(weights.ravel())
        at = np.searchsorted(cumulative, random.uniform(0, cumulative[-1], size), side="right")
        points = np.unravel_index(np.minimum(at, weights.size - 1), weights.shape)
        mean, spread = (
            special.expit(axis[i] + (axis[1] - axis[0]) * random.triangular(-1, 0, 1, size))
            for axis, i in zip(fine, points, strict=True)
        )
        return mean, spread


def population(events: ArrayLike, trials: ArrayLike) -> Grid:
    r"""The posterior of the average rate m and the spread s of units, with their rates summed out.

    .. math:: p(m, s \mid k) \propto \prod_u \frac{B(m c + k_u,\; (1 - m) c + n_u - k_u)}
              {B(m c,\; (1 - m) c)}, \quad c = \frac{1}{s^2} - 1, \quad 0 < m, s < 1

    The grid is even in the logits of m and s, and covers what lies less than 20 nats below the
    peak. An even sum over a smooth peak converges faster than any power of its step.

    Args:
        events: k, shape (units,).
        trials: n, the same shape.

    Source: Gelman et al., Bayesian Data Analysis (2013), section 5.3, for the grid; Trefethen and
    Weideman, The exponentially convergent trapezoidal rule (2014).
    """
    density = _counted(np.asarray(events), np.asarray(trials))
    x, y = (np.linspace(low, high, _INTEGRATED) for low, high in _box(density).tolist())
    log = density(x, y)
    return Grid(x, y, log - log.max())


def log_density(events: ArrayLike, trials: ArrayLike, mean: float, spread: float) -> float:
    """The logarithm of the density above at one point, without the constant, to full precision."""
    density = _counted(np.asarray(events), np.asarray(trials))
    x, y = special.logit([mean]), special.logit([spread])
    jacobian = sum(float(special.log_expit(z).sum()) for z in (x, -x, y, -y))
    return float(density(x, y)[0, 0]) - jacobian


def _counted(k: NDArray[np.int64], n: NDArray[np.int64]) -> Callable[[Array, Array], Array]:
    r"""The logarithm of the density of the logits x of m and y of s, at all pairs of them.

    .. math:: \sum_u k_u \ln m + (n_u - k_u) \ln (1 - m)
              + F(m c, k_u) + F((1 - m) c, n_u - k_u) - F(c, n_u)

    F is `_excess`: what is left is a binomial density where the spread goes to 0, and no digit is
    lost there. Each F is taken once for every number that occurs.
    """
    hits, misses, all_of_them = (np.unique(x, return_counts=True) for x in (k, n - k, n))

    def density(x: Array, y: Array) -> Array:
        x, y = x[:, None], y[None, :]
        s = special.expit(y)
        c = special.expit(-y) * (1 + s) / s**2
        log = k.sum() * special.log_expit(x) + (n - k).sum() * special.log_expit(-x)
        log = log + _sum(special.expit(x) * c, *hits) + _sum(special.expit(-x) * c, *misses)
        log = log - _sum(c, *all_of_them)
        return np.asarray(log + sum(special.log_expit(z) for z in (x, -x, y, -y)))

    return density


def _sum(z: Array, numbers: NDArray[np.int64], often: NDArray[np.int64]) -> Array:
    """The sum of `_excess` over numbers that occur so often, a block of them at a time."""
    total = np.zeros_like(z)
    block = max(_CHUNK // z.size, 1)
    for start in range(0, len(numbers), block):
        part = slice(start, start + block)
        total += np.tensordot(_excess(z, numbers[part, None, None]), often[part], (0, 0))
    return total


def _excess(z: Array, k: NDArray[np.int64]) -> Array:
    r"""The logarithm of a rising factorial over a power, F(z, k), which goes to 0 as z grows.

    .. math:: F(z, k) = \ln \frac{\Gamma(z + k)}{\Gamma(z)\, z^k}
              = \sum_{j < k} \ln \left(1 + \frac{j}{z}\right)

    The logarithms of both Gammas cancel to nothing for large z; there the difference of their
    Stirling series is taken.
    """
    z, k = np.broadcast_arrays(z, k.astype(np.float64))
    large = z > _STIRLING
    result = np.empty(z.shape)
    small, few = z[~large], k[~large]
    result[~large] = special.gammaln(small + few) - special.gammaln(small) - few * np.log(small)
    big, many = z[large], k[large]
    curved = (big + many - 0.5) * np.log1p(many / big) - many
    result[large] = curved + _stirling(big + many) - _stirling(big)
    return result


def _stirling(z: Array) -> Array:
    """What the Stirling series adds to (z - 1/2) ln z - z + ln(2 pi) / 2."""
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * z**2)) / z**2) / z**2) / z


def _box(density: Callable[[Array, Array], Array]) -> Array:
    """The smallest box that holds all that is not negligible, by looking closer and closer."""
    box = _DOMAIN
    for _ in range(_ROUNDS):
        axes = [np.linspace(low, high, _SOUGHT) for low, high in box.tolist()]
        log = density(*axes)
        kept = log > log.max() - _NEGLIGIBLE
        closer = np.array([_ends(axis, kept.any(axis=1 - i)) for i, axis in enumerate(axes)])
        closer = closer.clip(_DOMAIN[:, :1], _DOMAIN[:, 1:])
        settled = (np.abs(closer - box) < 0.15 * np.ptp(box, axis=1, keepdims=True)).all()
        box = closer
        if settled:
            break
    return box


def _ends(axis: Array, kept: NDArray[np.bool_]) -> tuple[float, float]:
    """One step beyond what is kept, and half of the width more where that reaches a border."""
    at, step, more = np.flatnonzero(kept), axis[1] - axis[0], (axis[-1] - axis[0]) / 2
    low = axis[at[0]] - step - more * kept[0]
    high = axis[at[-1]] + step + more * kept[-1]
    return float(low), float(high)
