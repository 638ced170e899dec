"""The prosecutor's fallacy: exact Bayes, the published shares, and sentences that follow."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import Prior
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.fairness.prosecutor.prosecutor import prosecutor
from plausible.fairness.prosecutor.published_rates import profile, prosecutor_from_rates
from plausible.inference.errors import DataError, UnknownName

# Five standard errors of a quantile of 40,000 draws, in probability: 5 (.025 · .975 / 40,000)^½.
QUANTILE = 0.004


def counts(**cells: tuple[int, int]) -> Counts:
    given = {name: {"trials": n, "events": k} for name, (n, k) in cells.items()}
    return Counts.of(given, group="race", names={"trials": "people", "events": "drug users"})


def test_nine_per_cent_of_users_leave_ninety_one_per_cent_innocent() -> None:
    analysis = profile({"Black": RoundedRate(0.09)}, hypothesis="drug users", group="race")
    first = analysis.findings[0]
    assert first.estimate is not None and first.estimate.value == pytest.approx(0.91)
    assert "Of 1,000 people of race Black, 90 (90–90) count as drug users" in first.text
    assert "910" in analysis.figures()[0].alt


def test_a_small_difference_sends_every_search_to_one_group_and_reverses() -> None:
    rates = {"Black": RoundedRate(0.14, 0.01), "White": RoundedRate(0.12, 0.01)}
    tiny = profile(rates, hypothesis="drug users").findings[1].text
    assert "sends every search to Black" in tiny and "+2.0 points" in tiny
    swapped = {"Black": rates["White"], "White": rates["Black"]}
    reverse = profile(swapped, hypothesis="drug users").findings[1].text
    assert "sends every search to White" in reverse
    close = {"Black": RoundedRate(0.14, error=0.02), "White": RoundedRate(0.139, error=0.02)}
    assert "do not tell" in profile(close, hypothesis="drug users").findings[1].text


def test_both_directions_have_their_exact_posteriors() -> None:
    # The rows of cells (group, event or not) are one Dirichlet: P(group given event) is Beta with
    # the other groups' events and their prior, P(event given group) with the group's own others.
    prior = Prior(0.5, 2)
    analysis = prosecutor(counts(a=(40, 12), b=(90, 20), c=(15, 1)), prior=prior)
    draws = analysis.posterior.posterior
    forward = stats.beta(0.5 + 12, 2 + 28)
    backward = stats.beta(0.5 + 12, 1.0 + 21)
    for name, exact in (("event_given_group", forward), ("group_given_event", backward)):
        x = draws[name].sel(group="a").values.ravel()
        assert stats.kstest(x, exact.cdf).pvalue > 0.001
    share = analysis["group_given_event", "a"]
    assert (share.value, share.low) == pytest.approx((backward.mean(), backward.ppf(0.025)))


def test_the_ratio_of_the_two_directions_uses_their_joint_posterior() -> None:
    # An independent route: Dirichlet draws of all cells. Draws of the two directions that are
    # independent of one another make this interval 1.7 times too wide.
    k, n = np.array([120, 30]), np.array([400, 300])
    analysis = prosecutor(counts(a=(400, 120), b=(300, 30)))
    (ratio,) = (e for e in analysis.estimates if e.measure == "ratio")
    cells = np.random.default_rng(1).dirichlet(np.concatenate([1 + k, 1 + n - k]), size=400_000)
    peer = (cells[:, 0] / cells[:, :2].sum(1)) / (cells[:, 0] / (cells[:, 0] + cells[:, 2]))
    assert (peer < ratio.low).mean() == pytest.approx(0.025, abs=QUANTILE)
    assert (peer < ratio.high).mean() == pytest.approx(0.975, abs=QUANTILE)


@pytest.mark.parametrize(
    ("cells", "word"),
    [
        ({"a": (1000, 200), "b": (100, 2)}, "overstates"),
        ({"a": (100, 50), "b": (9000, 900)}, "understates"),
        ({"a": (30, 15), "b": (30, 15)}, "do not tell"),
    ],
)
def test_the_verdict_on_the_two_directions_is_computed(
    cells: dict[str, tuple[int, int]], word: str
) -> None:
    assert word in prosecutor(counts(**cells)).findings[1].text


def test_swapped_groups_swap_the_sentences() -> None:
    one = prosecutor(counts(a=(500, 100), b=(500, 40)))
    other = prosecutor(counts(a=(500, 40), b=(500, 100)))
    assert (one.details["singled_out"], other.details["singled_out"]) == ("a", "b")
    assert "sends every search to a" in one.findings[2].text
    assert "sends every search to b" in other.findings[2].text
    equal = prosecutor(counts(a=(500, 50), b=(500, 50))).findings[2].text
    assert "do not tell" in equal


def test_basketball_evidence_is_strong_and_its_hypothesis_improbable() -> None:
    analysis = prosecutor_from_rates(
        RoundedRate(2e-6),
        RoundedRate(0.99),
        RoundedRate(0.01),
        hypothesis="professional basketball players",
        evidence="very tall",
    )
    answer = analysis.findings[0].estimate
    assert answer is not None
    assert answer.value == pytest.approx(0.99 * 2e-6 / (0.99 * 2e-6 + 0.01 * (1 - 2e-6)))
    assert "Of 100,000 people who are very tall, 20 (20–20)" in analysis.findings[0].text
    assert "overstates" in analysis.findings[1].text
    assert "raises the odds" in analysis.findings[2].text
    assert "fewer than one" in analysis.figures()[1].caption


def test_bayes_with_uncertain_inputs_equals_its_integral() -> None:
    base, yes, no = CountedRate(8, 100), CountedRate(18, 20), CountedRate(10, 90)
    analysis = prosecutor_from_rates(base, yes, no, hypothesis="ill", evidence="positive")
    answer = analysis.findings[0].estimate
    assert answer is not None
    h, t, f = (stats.beta(1 + r.events, 1 + r.trials - r.events) for r in (base, yes, no))
    grid = (np.arange(90) + 0.5) / 90
    x, y, z = np.meshgrid(h.ppf(grid), t.ppf(grid), f.ppf(grid))
    posterior = y * x / (y * x + z * (1 - x))
    error = posterior.std() / DRAWS**0.5
    assert answer.value == pytest.approx(posterior.mean(), abs=4.4 * error + 2e-4)
    assert (posterior < answer.low).mean() == pytest.approx(0.025, abs=QUANTILE)


def test_evidence_against_lowers_the_odds_and_worthless_evidence_does_not_tell() -> None:
    def weighed(yes: RoundedRate, no: RoundedRate) -> str:
        return (
            prosecutor_from_rates(RoundedRate(0.1), yes, no, hypothesis="guilty", evidence="late")
            .findings[2]
            .text
        )

    assert "lowers the odds" in weighed(RoundedRate(0.1, 0.01), RoundedRate(0.4, 0.01))
    assert "do not tell" in weighed(RoundedRate(0.3, 0.1), RoundedRate(0.3, 0.1))


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: profile({}, hypothesis="x"), DataError, "at least one group"),
        (lambda: prosecutor(counts(a=(0, 0))), DataError, "no people"),
        (
            lambda: prosecutor(Counts.of({"a": {"events": 5, "hits": 2}})),
            UnknownName,
            "trials",
        ),
        (
            lambda: prosecutor_from_rates(
                *[RoundedRate(0.5), RoundedRate(1), RoundedRate(0)], hypothesis="h", evidence="e"
            ),
            DataError,
            "state its rounding",
        ),
    ],
)
def test_bad_input_is_named(make: Callable[[], object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()


def test_without_events_nobody_is_asked_whose_they_are() -> None:
    analysis = prosecutor(counts(a=(10, 0), b=(20, 0)))
    assert any(f.text.startswith("There are no ") for f in analysis.findings)
    assert not any(e.quantity == "group_given_event" for e in analysis.estimates)


def test_a_small_group_without_an_event_is_not_singled_out() -> None:
    analysis = prosecutor(counts(few=(10, 0), many=(100_000, 192), more=(200_000, 300)))
    assert analysis.details["singled_out"] == "many"


def test_one_group_and_no_events_are_told_without_a_comparison() -> None:
    analysis = prosecutor(counts(a=(50, 0), b=(0, 0)))
    assert len(analysis.findings) == 2
    assert any("Nothing is said about b" in text for text in analysis.assumptions)
    assert analysis.estimates[0].value == pytest.approx(1 / 52)


def test_a_published_rate_of_few_is_not_singled_out_by_its_prior() -> None:
    rates = {"few": CountedRate(0, 3), "many": CountedRate(1920, 1_000_000)}
    analysis = profile(rates, hypothesis="users")
    assert analysis.details["singled_out"] == "many"
    assert "do not tell" in analysis.findings[1].text
