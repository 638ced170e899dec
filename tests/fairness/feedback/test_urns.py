"""Urns: limits in closed form, the published fixed points, and what corrections and audits change.

Seen failing: finds of both places added to the first, an audit that is ignored, no correction.
"""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from plausible.fairness.feedback.urns import audited_limit, corrected_limit, equal_rates_limit, urn
from plausible.inference.errors import DataError

# Drug crimes a day in two places of Oakland, from a survey of use (Ensign et al. 2018, section 4),
# as the chances in a tenth of a day.
OAKLAND = (0.368511, 0.2816466)
RECORD = (6.09, 3.79)


@pytest.mark.parametrize(
    ("start", "rate", "added"), [((2.0, 3.0), 0.5, 1.0), ((2.0, 3.0), 1.0, 2.0)]
)
def test_equal_rates_end_in_polyas_beta(
    start: tuple[float, float], rate: float, added: float
) -> None:
    shares = urn(start, (rate, rate), added=added, steps=3000, runs=4000, seed=1)
    a, b = equal_rates_limit(start, added)
    assert (a, b) == (start[0] / added, start[1] / added)
    assert stats.kstest(shares, stats.beta(a, b).cdf).pvalue > 0.01


def test_a_higher_rate_takes_all_slowly_and_a_correction_stops_at_the_truth() -> None:
    times: Any = (100, 1000, 3000)
    plain = urn(RECORD, OAKLAND, at=times, runs=1000).mean(1)
    assert plain[0] < plain[1] < plain[2] < 1
    assert plain[1] == pytest.approx(0.79, abs=0.015)  # four standard errors of 1,000 runs, rounded
    truth = corrected_limit(OAKLAND)
    assert truth == pytest.approx(0.567, abs=5e-4)
    fixed = urn(RECORD, OAKLAND, at=times, runs=1000, corrected=True)
    error = fixed[2].std() / 1000**0.5
    assert abs(fixed[2].mean() - truth) < 0.005 + 4 * error  # what is left of the start


@pytest.mark.parametrize(
    ("audit", "share"), [(0.01, 0.984), (0.05, 0.924), (0.1, 0.859), (0.25, 0.726), (0.5, 0.629)]
)
def test_audits_end_at_their_fixed_points(audit: float, share: float) -> None:
    x = audited_limit(OAKLAND, audit)
    assert x == pytest.approx(share, abs=5e-4)
    p = (1 - audit) * x + audit / 2
    assert x == pytest.approx(p * OAKLAND[0] / (p * OAKLAND[0] + (1 - p) * OAKLAND[1]))
    assert audited_limit(OAKLAND[::-1], audit) == pytest.approx(1 - x)


def test_simulated_audits_go_to_their_fixed_point() -> None:
    shares = urn((60.0, 38.0), OAKLAND, audit=0.5, steps=6000, runs=400)
    assert shares.mean() == pytest.approx(audited_limit(OAKLAND, 0.5), abs=0.006)


def test_without_audits_all_goes_to_one_place_and_with_nothing_else_to_the_truth() -> None:
    assert audited_limit(OAKLAND, 0.0) == 1.0
    assert audited_limit(OAKLAND, 1.0) == pytest.approx(corrected_limit(OAKLAND))
    assert audited_limit((0.3, 0.3), 0.2) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": (0.0, 1.0)},
        {"rates": (0.5, 1.5)},
        {"rates": (0.0, 0.0)},
        {"audit": -0.1},
        {"steps": 0},
        {"added": 0.0},
    ],
)
def test_what_is_no_urn_is_refused(arguments: Any) -> None:
    with pytest.raises(DataError):
        urn(**({"start": (1.0, 1.0), "rates": (0.5, 0.5)} | arguments))


def test_runs_repeat_by_seed() -> None:
    one, again, other = (urn((1, 1), (0.5, 0.4), steps=50, seed=s) for s in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
