"""Published rates: draws have the law of rounding and of the survey's error, within 0 and 1."""

import numpy as np
import pytest
from scipy import integrate, stats

from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.inference.errors import DataError

WORST = stats.kstwo.isf(1e-4, DRAWS)  # of ten thousand right samples one is further from its law


def assert_drawn_from(law: object, rate: RoundedRate) -> None:
    draws = rate.draws(0, 0)
    assert draws.min() >= 0 and draws.max() <= 1
    assert stats.kstest(draws, law).statistic < WORST


@pytest.mark.parametrize("value", [0.0, 0.14, 1.0])
def test_a_rounded_rate_is_uniform_on_what_rounds_to_it(value: float) -> None:
    low, high = max(value - 0.005, 0), min(value + 0.005, 1)
    assert_drawn_from(stats.uniform(low, high - low).cdf, RoundedRate(value, rounding=0.01))


@pytest.mark.parametrize("value", [0.01, 0.5, 0.98])
def test_a_rate_from_a_survey_is_a_normal_cut_off_at_zero_and_one(value: float) -> None:
    # Seen failing with the upper end at (1 + rate) / error.
    law = stats.truncnorm(-value / 0.03, (1 - value) / 0.03, loc=value, scale=0.03)
    assert_drawn_from(law.cdf, RoundedRate(value, error=0.03))


def test_rounding_and_error_add_up() -> None:
    points, rounded = np.linspace(0.3, 0.7, 801), np.linspace(0.45, 0.55, 801)
    normal = stats.norm.cdf(points[:, None], rounded, 0.02)
    law = integrate.trapezoid(normal, rounded) / 0.1

    def cdf(x: np.ndarray) -> np.ndarray:
        return np.interp(x, points, law)

    assert_drawn_from(cdf, RoundedRate(0.5, rounding=0.1, error=0.02))


def test_a_counted_rate_has_its_beta_posterior() -> None:
    draws = CountedRate(3, 17).draws(0, 0)
    assert stats.kstest(draws, stats.beta(4, 15).cdf).statistic < WORST


def test_rates_with_other_numbers_share_no_draws() -> None:
    rate = RoundedRate(0.5, rounding=0.1, error=0.1)
    first, second = rate.draws(0, 0), rate.draws(0, 1)
    assert (rate.draws(0, 0) == first).all() and (first != second).all()


@pytest.mark.parametrize("given", [(-0.1,), (1.1,), (0.5, -1.0), (0.5, 0.0, -1.0), (0.5, np.inf)])
def test_what_cannot_be_a_rate_is_refused(given: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="but got"):
        RoundedRate(*given)


def test_a_rate_is_written_with_its_rounding_and_error() -> None:
    text = str(RoundedRate(0.14, rounding=0.01, error=0.01))
    assert text == "14 %, rounded to the nearest 1 %, standard error 1 point"
    assert str(RoundedRate(0.14, error=0.02)).endswith("standard error 2 points")
