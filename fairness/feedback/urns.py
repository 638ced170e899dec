"""Urns: patrols go where incidents were found before, and find them where they go."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from plausible.inference.errors import DataError

__all__ = ["audited_limit", "corrected_limit", "equal_rates_limit", "urn"]

Array = NDArray[np.float64]


def urn(
    start: tuple[float, float],
    rates: tuple[float, float],
    *,
    steps: int = 1000,
    runs: int = 2000,
    added: float = 1.0,
    corrected: bool = False,
    audit: float = 0.0,
    at: Sequence[int] = (),
    seed: int = 0,
) -> Array:
    r"""The share of patrols that go to the first of two places, by simulation.

    A patrol goes to the first place with the probability p that incidents on record came from it,
    finds one there with the probability of its rate, and adds it to the record:

    .. math:: p_t = (1 - e) \frac{A_t}{A_t + B_t} + \frac{e}{2}, \quad
              A_{t+1} = A_t + c\,[\text{found in the first}]

    Args:
        start: A and B, what is on record at first.
        rates: probability that a patrol finds an incident, in either place.
        steps: patrols.
        runs: independent simulations.
        added: c, what a find adds to the record.
        corrected: count a find with the probability that a patrol had gone elsewhere, so that
            places that are visited often do not gain by that.
        audit: e, the share of patrols that are sent at random.
        at: after how many patrols the share is wanted; after all by default.
        seed: of the simulations.

    Returns:
        The share on record, A / (A + B), shape (times, runs); (runs,) where no times are given.

    Raises:
        DataError: for records that are not above 0, or rates and audits outside 0 to 1.

    Source: Ensign, Friedler, Neville, Scheidegger and Venkatasubramanian, Runaway feedback loops in
    predictive policing (2018).
    """
    _check(start, rates, audit)
    times = list(at) or [steps]
    if min(times) < 1 or runs < 1 or not added > 0:
        raise DataError("Give at least one patrol and one run, and something that a find adds.")
    random = np.random.default_rng(seed)
    a, b = (np.full(runs, float(x)) for x in start)
    kept = {}
    for step in range(1, max(times) + 1):
        p = (1 - audit) * a / (a + b) + audit / 2
        first = random.random(runs) < p
        found = random.random(runs) < np.where(first, *rates)
        if corrected:
            found &= random.random(runs) < np.where(first, 1 - p, p)
        a += added * (first & found)
        b += added * (~first & found)
        if step in times:
            kept[step] = a / (a + b)
    return np.stack([kept[step] for step in times]) if at else kept[steps]


def equal_rates_limit(start: tuple[float, float], added: float = 1.0) -> tuple[float, float]:
    r"""The two parameters of the Beta distribution to which shares tend where both rates are equal.

    .. math:: \frac{A_t}{A_t + B_t} \to \mathrm{Beta}(A_0 / c,\; B_0 / c)

    Every share is as likely to stay as the record at first makes it, though both places are alike.

    Source: Eggenberger and Pólya, Über die Statistik verketteter Vorgänge (1923).
    """
    _check(start, (1.0, 1.0), 0.0)
    return start[0] / added, start[1] / added


def corrected_limit(rates: tuple[float, float]) -> float:
    """The share of the first place among all incidents, to which corrected records tend."""
    _check((1.0, 1.0), rates, 0.0)
    return rates[0] / sum(rates)


def audited_limit(rates: tuple[float, float], audit: float) -> float:
    r"""The share to which records tend where some patrols are sent at random.

    .. math:: x = \frac{p \lambda_A}{p \lambda_A + (1 - p) \lambda_B}, \quad
              p = (1 - e) x + \frac{e}{2}

    Args:
        rates: of finds; the first at least as high as the second.
        audit: e; without any, all patrols end at the place with the higher rate.
    """
    _check((1.0, 1.0), rates, audit)
    if rates[0] < rates[1]:
        return 1 - audited_limit(rates[::-1], audit)
    if audit == 0 or rates[1] == 0:
        return 1.0

    def excess(x: float) -> float:
        p = (1 - audit) * x + audit / 2
        return p * rates[0] / (p * rates[0] + (1 - p) * rates[1]) - x

    return float(optimize.brentq(excess, 0.5 - 1e-9, 1.0))


def _check(start: tuple[float, float], rates: tuple[float, float], audit: float) -> None:
    if not min(start) > 0:
        raise DataError(f"Both places need something on record at first, but have {start}.")
    if not all(0 <= rate <= 1 for rate in rates) or not max(rates) > 0:
        raise DataError(f"Rates are probabilities, not both 0, but are {rates}.")
    if not 0 <= audit <= 1:
        raise DataError(f"The share of patrols at random is from 0 to 1, but is {audit}.")
