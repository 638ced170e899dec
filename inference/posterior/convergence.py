"""R-hat and effective sample size of many quantities at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import fft, stats
from scipy.special import ndtri

__all__ = ["bulk_ess", "r_hat"]

Array = np.ndarray[Any, np.dtype[np.float64]]

_AT_ONCE = 2**20  # numbers; transforms of them take ten times that memory


def r_hat(draws: Array) -> Array:
    r"""R-hat of every quantity, the larger one of location and spread; infinite where undefined.

    .. math:: \hat R = \sqrt{\frac{n - 1}{n} + \frac{B}{n W}}

    with B/n the variance of the means of half chains, W the mean of their variances and n their
    length, all of the normal scores of the draws' ranks.

    Args:
        draws: shape (chains, draws, quantities); at least two chains of four draws.

    Returns:
        Shape (quantities,).

    Source: Vehtari, Gelman, Simpson, Carpenter and Bürkner, Rank-normalization, folding, and
        localization: an improved R-hat (2021), section 4.
    """
    return _in_parts(_r_hat, draws)


def bulk_ess(draws: Array) -> Array:
    r"""Effective sample size of every quantity, for its location.

    .. math:: \frac{S}{\tau}, \qquad \tau = -1 + 2 \sum_t \hat\rho_t

    with S the number of draws and the autocorrelations of the normal scores of ranks, over half
    chains, summed while pairs of them are positive, and made to fall.

    Args:
        draws: shape (chains, draws, quantities); at least four draws.

    Returns:
        Shape (quantities,).

    Source: as for `r_hat`, section 3.2; Geyer, Practical Markov chain Monte Carlo (1992).
    """
    return _in_parts(_bulk_ess, draws)


def _in_parts(function: Callable[[Array], Array], draws: Array) -> Array:
    chains, count, quantities = draws.shape
    width = max(1, _AT_ONCE // (chains * count))
    parts = [function(_halves(draws[:, :, i : i + width])) for i in range(0, quantities, width)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _halves(draws: Array) -> Array:
    """Half chains, shape (quantities, 2 chains, draws / 2)."""
    half = draws.shape[1] // 2
    both = np.concatenate([draws[:, :half], draws[:, -half:]]).astype(np.float64)
    return np.ascontiguousarray(both.transpose(2, 0, 1))


def _normal_scores(x: Array) -> Array:
    flat = x.reshape(len(x), -1)
    size = flat.shape[1]
    order = flat.argsort(1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(2, 2 * size + 1, 2)[None], 1)  # twice the ranks
    tied = (np.diff(np.take_along_axis(flat, order, 1), axis=1) == 0).any(1)
    if tied.any():
        ranks[tied] = 2 * stats.rankdata(flat[tied], axis=1)
    scores = ndtri((np.arange(2 * size + 1) / 2 - 0.375) / (size + 0.25))
    return scores[ranks].reshape(x.shape)


def _r_hat(x: Array) -> Array:
    folded = abs(x - np.median(x, axis=(1, 2), keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.stack([_ratio(_normal_scores(part)) for part in (x, folded)])
    largest: Array = np.where(np.isfinite(both), both, np.inf).max(0)
    return largest


def _ratio(z: Array) -> Array:
    n = z.shape[2]
    between, within = z.mean(2).var(1, ddof=1), z.var(2, ddof=1).mean(1)
    ratio: Array = np.sqrt(between / within + (n - 1) / n)
    return ratio


def _bulk_ess(x: Array) -> Array:
    z = _normal_scores(x)
    quantities, chains, n = z.shape
    covariance = _autocovariance(z)
    within = covariance[:, :1] * n / (n - 1)
    total = covariance[:, 0] + z.mean(2).var(1, ddof=1)
    rho = 1 - (within - covariance) / total[:, None]
    rho[:, 0] = 1.0
    last = max((n - 1) // 2 - 1, 0)  # pairs of neighbouring lags, the sequence's end left out
    pairs = rho[:, : 2 * last + 2].reshape(quantities, last + 1, -1).sum(2)
    ended = pairs <= 0
    end = np.where(ended.any(1), ended.argmax(1), last)
    inside = np.arange(last + 1) < end[:, None]
    falling = np.minimum.accumulate(pairs, axis=1)
    rows = np.arange(quantities)
    rest = rho[rows, 2 * end]
    rest = np.where((rest > 0) | (pairs[rows, end] >= 0), rest, 0.0)
    tau = -1 + 2 * (falling * inside).sum(1) + rest
    size: Array = chains * n / np.maximum(tau, 1 / np.log10(chains * n))
    return size


def _autocovariance(z: Array) -> Array:
    """At every lag, averaged over chains: shape (quantities, n)."""
    n = z.shape[2]
    padded = fft.next_fast_len(2 * n, real=True)
    transform = fft.rfft(z - z.mean(2, keepdims=True), padded)
    power = (transform.real**2 + transform.imag**2).mean(1)
    covariance: Array = fft.irfft(power, padded)[:, :n] / n
    return covariance
