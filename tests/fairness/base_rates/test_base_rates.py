"""Base rates and relative rates: published figures, exact integrals, and sentences that follow."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from plausible.fairness.base_rates.base_rates import base_rates
from plausible.fairness.base_rates.relative_rates import relative_rates
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import Prior
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.inference.errors import DataError, UnknownName

ARRESTS = {"Black": RoundedRate(0.00716), "White": RoundedRate(0.00192)}
USE = {"Black": RoundedRate(0.14, 0.01), "White": RoundedRate(0.12, 0.01)}


def counts(**cells: tuple[int, int]) -> Counts:
    given = {name: {"trials": n, "events": k} for name, (n, k) in cells.items()}
    return Counts.of(given, group="race", names={"trials": "stops", "events": "searches"})


def test_minneapolis_rates_equal_their_integrals() -> None:
    analysis = base_rates(counts(Black=(15220, 3099), White=(11703, 954)), reference="White")
    gap = analysis["rate", "Black", "White"]
    black, white = stats.beta(3100, 12122), stats.beta(955, 10750)
    assert gap.value == pytest.approx(black.mean() - white.mean(), abs=1e-12)
    for end, share in ((gap.low, 0.025), (gap.high, 0.975)):
        below = integrate.quad(lambda y, t=end: black.cdf(t + y) * white.pdf(y), 0.07, 0.095)[0]
        assert below == pytest.approx(share, abs=1e-4)
    assert analysis["rate", "Black", "White", "ratio"].value == pytest.approx(
        (3099 / 15220) / (954 / 11703), rel=0.002
    )


def test_sentences_follow_the_counts() -> None:
    higher = base_rates(counts(a=(1000, 200), b=(1000, 100)), reference="b").findings[0].text
    lower = base_rates(counts(a=(1000, 100), b=(1000, 200)), reference="b").findings[0].text
    equal = base_rates(counts(a=(1000, 100), b=(1000, 100)), reference="b").findings[0].text
    assert "is higher for a" in higher and "+10.0 points" in higher
    assert "is lower for a" in lower and "−10.0 points" in lower
    assert "do not tell" in equal and "higher for" not in equal
    assert "searches among stops" in higher


def test_groups_without_trials_are_named_and_one_group_is_not_compared() -> None:
    analysis = base_rates(counts(a=(10, 5), b=(0, 0)))
    (finding,) = analysis.findings
    assert "There is no other race" in finding.text
    assert any("Nothing is said about b" in text for text in analysis.assumptions)


def test_ten_thousand_groups_show_the_extremes_and_say_so() -> None:
    random = np.random.default_rng(0)
    n = random.integers(0, 60, 10_000)
    k = random.binomial(n, 0.2)
    n[77], k[77] = 5000, 4000  # the largest group and the clearest extreme
    n[78], k[78] = 400, 300
    many = Counts.of({f"g{i}": {"trials": int(n[i]), "events": int(k[i])} for i in range(10_000)})
    analysis = base_rates(many)
    shown = analysis.posterior.posterior["rate"].coords["group"].values
    assert len(shown) == 12 and {"g77", "g78"} <= set(shown)
    assert analysis.details == {"reference": "g77", "groups": 10_000, "shown": 12}
    assert any("Of 10,000 groups, 12 are shown" in text for text in analysis.assumptions)


def test_the_prior_alone_makes_no_difference() -> None:
    # 0 of 10 has the interval 0.2 to 28.5 %, all of it above 0.19 %.
    few = base_rates(counts(few=(10, 0), many=(1_000_000, 1_920)))
    assert few.estimates[2].direction == 1
    assert "by the prior alone: these data do not tell" in few.findings[0].text
    all_of_few = base_rates(counts(few=(10, 10), many=(1_000_000, 999_000)))
    assert "do not tell" in all_of_few.findings[0].text


def test_small_groups_without_an_event_are_no_extremes() -> None:
    cells = {f"tiny{i}": (3, 0) for i in range(50)}
    large = {f"large{i}": (100_000, 100 + 10 * i) for i in range(12)}
    analysis = base_rates(counts(**cells, **large))
    shown = analysis.posterior.posterior["rate"].coords["group"].values
    assert {"large0", "large10", "large11"} <= set(shown)
    assert not any(name.startswith("tiny") for name in shown)


def test_prior_sensitivity_says_when_few_data_leave_the_prior_a_say() -> None:
    few = base_rates(counts(a=(2, 2), b=(3, 0))).assumptions[-1]
    many = base_rates(counts(a=(2000, 1500), b=(3000, 100))).assumptions[-1]
    assert "there are few data" in few and "Beta(0.5, 0.5)" in few
    assert "hardly matters" in many


def test_marijuana_2010_arrests_and_arrests_relative_to_use() -> None:
    analysis = relative_rates(USE, ARRESTS)
    arrests = analysis["arrests", "Black", "White"]
    relative = analysis["relative", "Black", "White"]
    assert round(arrests.value, 2) == 3.73
    assert (round(relative.value, 2), round(relative.low, 2), round(relative.high, 2)) == (
        3.20,
        2.96,
        3.45,
    )
    assert relative.level == 1.0
    # Rounding alone: the ratio of two uniforms, exactly 0.95 of it inside the interval.
    drawn = analysis["relative_posterior", "Black", "White"]
    x = 3.729166666 / np.array([drawn.low, drawn.high])  # use of Black over use of White
    inside = _quotient_of_uniforms(x[0]) - _quotient_of_uniforms(x[1])
    # A quantile of 40,000 draws is off by 0.0008 in probability; two of them, four times that.
    assert inside == pytest.approx(0.95, abs=4 * 0.0011)
    assert "higher for Black" in analysis.findings[0].text


def _quotient_of_uniforms(x: float) -> float:
    """P(U / V <= x) for U in (.135, .145) and V in (.115, .125), both uniform."""
    return integrate.quad(lambda v: np.clip((x * v - 0.135) / 0.01, 0, 1), 0.115, 0.125)[0] / 0.01


def test_relative_rates_reverse_and_admit_ignorance() -> None:
    swapped = relative_rates(
        {"Black": USE["White"], "White": USE["Black"]},
        {"Black": ARRESTS["White"], "White": ARRESTS["Black"]},
        reference="White",
    )
    assert "lower for Black" in swapped.findings[0].text
    same = {"a": RoundedRate(0.1, 0.02), "b": RoundedRate(0.1, 0.02)}
    assert "do not tell" in relative_rates(same, same).findings[0].text


def test_ratios_of_counts_and_surveys_have_their_error() -> None:
    few = {"a": CountedRate(3, 10), "b": CountedRate(2, 10)}
    rough = {"a": RoundedRate(0.14, 0.01, error=0.03), "b": RoundedRate(0.12, 0.01, error=0.03)}
    for rates in (few, rough):
        said = [f.text for f in relative_rates(rates, rates).findings]
        assert all("do not tell" in text for text in said), said
    # The median of the ratio of two Beta posteriors.
    found = relative_rates(few, rough)["use_posterior", "a", "b"]
    random = np.random.default_rng(1)
    peer = random.beta(4, 8, 1_000_000) / random.beta(3, 9, 1_000_000)
    assert found.value == pytest.approx(np.median(peer), rel=0.02)


def test_a_rate_that_rounding_takes_to_zero_has_no_upper_end() -> None:
    use = {"a": RoundedRate(0.004, rounding=0.01), "b": RoundedRate(0.1)}
    analysis = relative_rates(use, {"a": RoundedRate(0.001), "b": RoundedRate(0.002)})
    assert analysis.estimates[0].high == np.inf and "to ∞)" in analysis.findings[0].text


def test_survey_errors_widen_the_interval_as_they_should() -> None:
    sure = {"a": RoundedRate(0.14, error=0.007), "b": RoundedRate(0.12, error=0.003)}
    known = {"a": RoundedRate(0.01), "b": RoundedRate(0.01)}
    drawn = relative_rates(sure, known).estimates[1]
    # ln(u_b / u_a) is nearly normal with the relative errors as its variance; draws add 1 %.
    spread = np.hypot(0.007 / 0.14, 0.003 / 0.12)
    width = np.log(drawn.high / drawn.low)
    assert width == pytest.approx(2 * 1.96 * spread, rel=0.03)


def test_rates_near_zero_stay_rates() -> None:
    draws = RoundedRate(0.001, error=0.01).draws(0, 0)
    exact = stats.truncnorm(-0.1, 99.9, loc=0.001, scale=0.01)
    assert draws.min() >= 0
    assert draws.mean() == pytest.approx(exact.mean(), abs=4.4 * exact.std() / DRAWS**0.5)


def test_counted_rates_use_their_prior() -> None:
    exact = stats.beta(2 + 3, 2 + 7)
    draws = CountedRate(3, 10, Prior(2, 2)).draws(0, 0)
    assert draws.mean() == pytest.approx(exact.mean(), abs=4.4 * exact.std() / DRAWS**0.5)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: RoundedRate(14), DataError, "Divide per cent by 100"),
        (lambda: RoundedRate(0.1, error=-1), DataError, "0 or more"),
        (lambda: CountedRate(3, 2), DataError, "3 of 2"),
        (lambda: base_rates(counts(a=(0, 0))), DataError, "no stops"),
        (lambda: base_rates(counts(a=(5, 1)), reference="A"), UnknownName, "Accepted: a"),
        (lambda: base_rates(counts(a=(5, 1)), events="hits"), UnknownName, "hits"),
        (lambda: base_rates(counts(a=(5, 1), b=(0, 0)), reference="b"), DataError, "'b'"),
        (lambda: relative_rates({"a": USE["Black"]}, {"a": USE["Black"]}), DataError, "two groups"),
        (lambda: relative_rates(USE, {**ARRESTS, "White": RoundedRate(0)}), DataError, "is 0"),
        (lambda: relative_rates(USE, ARRESTS, reference="Blak"), UnknownName, "'Black'"),
    ],
)
def test_bad_input_is_named(make: Callable[[], object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()


def test_pictures_say_their_numbers_in_words() -> None:
    odd = Counts.of(
        {"<b>$x_1$": {"trials": 50, "events": 9}, "Ω—長い": {"trials": 70, "events": 3}}
    )
    for picture in base_rates(odd).figures():
        picture.figure.canvas.draw()  # a name that matplotlib took for a formula would fail here
        assert "<b>$x_1$" in picture.alt
