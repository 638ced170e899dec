"""Selection bounds by enumeration of who is stopped, ratios per resident, E-values.

Seen failing: the share of stops taken of the other group, an E-value below 1.
"""

import numpy as np
import pytest

from plausible.fairness.search_decisions.selection import (
    e_value,
    ratio_per_resident,
    selection_bounds,
)
from plausible.inference.errors import DataError

# North Carolina, searches per stop: Black, White, Hispanic; from the totals of stops and searches.
BLACK, WHITE, HISPANIC = 98_538 / 1_810_608, 68_199 / 2_227_214, 15_727 / 384_186
SHARE = 1_810_608 / (1_810_608 + 2_227_214)


@pytest.mark.parametrize(
    ("rho", "low", "high"), [(0.0, 0.0238, 0.0238), (0.32, 0.0282, 0.0423), (0.5, 0.0307, 0.0607)]
)
def test_north_carolinas_bounds_are_the_published_ones(rho: float, low: float, high: float) -> None:
    assert selection_bounds(BLACK, WHITE, SHARE, rho) == pytest.approx((low, high), abs=5e-5)


def test_e_values_are_the_published_ones() -> None:
    assert e_value(BLACK / WHITE) == pytest.approx(2.95, abs=5e-3)
    assert e_value(HISPANIC / WHITE) == pytest.approx(2.01, abs=5e-3)
    assert e_value(0.5) == e_value(2.0) and e_value(1.0) == 1.0


@pytest.mark.parametrize("seed", range(200))
def test_the_effect_lies_within_the_bounds_whoever_is_stopped(seed: int) -> None:
    random = np.random.default_rng(seed)
    always, only_if_first = random.dirichlet([1, 1, 2])[:2]  # who is stopped, the rest never
    d = random.random()
    first_always, other_always = random.random(2)
    first_only = first_always * random.random()  # stops for no other reason are searched no more
    stopped, stopped_other = always + only_if_first, always
    share = d * stopped / (d * stopped + (1 - d) * stopped_other)
    rho = only_if_first / stopped
    one = (always * first_always + only_if_first * first_only) / stopped
    effect = share * (one - (1 - rho) * other_always) + (1 - share) * (first_always - other_always)
    low, high = selection_bounds(one, other_always, share, rho)
    assert low - 1e-12 <= effect <= high + 1e-12


def test_a_ratio_per_resident_needs_no_record_of_those_who_were_not_stopped() -> None:
    d, stops, searches = 0.3, (0.4, 0.2), (0.05, 0.06)
    first, other = d * stops[0] * searches[0], (1 - d) * stops[1] * searches[1]
    right = stops[0] * searches[0] / (stops[1] * searches[1])
    assert ratio_per_resident(first / (first + other), d) == pytest.approx(right)


def test_what_are_no_shares_is_refused() -> None:
    for numbers in ((1.2, 0.1, 0.5, 0.1), (0.1, 0.1, 0.5, 1.0)):
        with pytest.raises(DataError):
            selection_bounds(*numbers)
    for number in (0.0, -1.0, float("inf")):
        with pytest.raises(DataError):
            e_value(number)
    with pytest.raises(DataError):
        ratio_per_resident(1.0, 0.3)
