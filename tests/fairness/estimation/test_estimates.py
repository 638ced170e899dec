"""Draws become a number with an interval, and the number a phrase that can be told apart."""

import numpy as np
import pytest
from scipy import stats

from plausible.fairness.estimation.estimates import DRAWS, Estimate, estimate
from plausible.inference.errors import DataError

RANDOM = np.random.default_rng(0)


def test_draws_are_summarised_by_mean_and_central_interval() -> None:
    law = stats.beta(30, 70)
    found = estimate("rate", law.rvs(DRAWS, random_state=RANDOM))
    # Standard error of a quantile: sqrt(q (1 - q) / n) / density; four of them are allowed.
    for value, q in ((found.low, 0.025), (found.high, 0.975)):
        error = np.sqrt(q * (1 - q) / DRAWS) / law.pdf(law.ppf(q))
        assert value == pytest.approx(law.ppf(q), abs=4 * error)
    assert found.value == pytest.approx(0.3, abs=4 * law.std() / np.sqrt(DRAWS))
    assert found.above is None


def test_a_ratio_is_summarised_by_its_median() -> None:
    # Seen failing with the mean, which is exp(1/2) times the median here.
    law = stats.lognorm(1, scale=3)
    found = estimate("ratio", law.rvs(DRAWS, random_state=RANDOM), "ratio")
    error = np.sqrt(0.25 / DRAWS) / law.pdf(3)
    assert found.value == pytest.approx(3, abs=4 * error)
    assert found.above == pytest.approx(law.sf(1), abs=4 * np.sqrt(0.25 / DRAWS))


def test_infinite_ratios_are_kept_and_what_is_no_number_is_refused() -> None:
    assert estimate("r", [1, 2, np.inf, np.inf, np.inf], "ratio").high == np.inf
    for draws in ([], [1, np.nan]):
        with pytest.raises(DataError, match="empty or not numbers"):
            estimate("r", draws)


@pytest.mark.parametrize(
    ("low", "high", "measure", "direction"),
    [
        (0.1, 0.2, "difference", 1),
        (-0.2, -0.1, "difference", -1),
        (-0.1, 0.1, "difference", 0),
        (0.0, 0.1, "difference", 0),
        (1.1, 2.0, "ratio", 1),
        (0.2, 0.9, "ratio", -1),
        (0.9, 1.2, "ratio", 0),
        (-0.9, -0.2, "correlation", -1),
    ],
)
def test_the_direction_needs_the_whole_interval(
    low: float, high: float, measure: str, direction: int
) -> None:
    assert Estimate("x", (low + high) / 2, low, high, measure).direction == direction  # type: ignore[arg-type]


def test_a_share_has_no_direction() -> None:
    with pytest.raises(DataError, match="no direction"):
        _ = Estimate("x", 0.5, 0.4, 0.6).direction


@pytest.mark.parametrize(
    ("numbers", "measure", "text"),
    [
        ((0.121, 0.110, 0.132), "share", "12.1 % (11.0–13.2 %)"),
        ((0.00716, 0.00712, 0.00720), "share", "0.7160 % (0.7120–0.7200 %)"),
        ((0.5, 0.5, 0.5), "share", "50.0 % (50.0–50.0 %)"),
        ((1 - 2e-8, 1 - 5e-7, 1 - 1e-9), "share", ">99.9999 % (99.9999–>99.9999 %)"),
        ((2e-8, 1e-9, 5e-7), "share", "<0.0001 % (<0.0001–<0.0001 %)"),
        ((0.01, 0.0, 0.02), "share", "1.0 % (0.0–2.0 %)"),
        ((0.214, 0.182, 0.245), "difference", "+21.4 points (+18.2 to +24.5)"),
        ((-0.001, -0.02, 0.018), "difference", "−0.1 points (−2.0 to +1.8)"),
        ((0.93, 0.71, 0.98), "correlation", "+0.93 (+0.71 to +0.98)"),
        ((0.993, 0.970, 0.998), "correlation", "+0.993 (+0.970 to +0.998)"),
        ((3.7291, 3.71, 3.75), "ratio", "3.73 × (3.71–3.75)"),
        ((2.0, 0.5, np.inf), "ratio", "2 × (0.5–∞)"),
        ((1.00001, 0.9996, 1.0004), "ratio", "1 × (0.9996–1.0004)"),
        ((4.7e-5, 1e-5, 0.00012), "ratio", "0.000047 × (0.00001–0.00012)"),
        ((12345.6, 999.5, 2e4), "count", "12,346 (1,000–20,000)"),
        ((0.327, -0.0419, 0.697), "nats", "0.327 (−0.0419 to 0.697) nats"),
    ],
)
def test_a_number_is_said_with_as_many_digits_as_tell_its_ends_apart(
    numbers: tuple[float, float, float], measure: str, text: str
) -> None:
    value, low, high = numbers
    assert str(Estimate("x", value, low, high, measure)) == text  # type: ignore[arg-type]


def test_a_row_of_a_table() -> None:
    assert Estimate("x", 0.5, 0.4, 0.6).row() == {
        "quantity": "x", "value": 0.5, "low": 0.4, "high": 0.6, "measure": "share",
    }  # fmt: skip
