"""Stopped for X, arrested for Y: closed form, simulation, and posteriors of counts."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, special, stats

from plausible.fairness.burden.found_out import found_out
from plausible.fairness.burden.profiling import found_out_under_profile, stopped_share
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.inference.errors import DataError, UnknownName

X_RATES = {"A": RoundedRate(0.06), "B": RoundedRate(0.03)}


def counts(**cells: tuple[int, int, int]) -> Counts:
    keys = ("trials", "events", "hits")
    given = {name: dict(zip(keys, x, strict=True)) for name, x in cells.items()}
    return Counts.of(given, names={"trials": "residents", "events": "stops for theft"})


@pytest.mark.parametrize(("p", "q", "d", "t"), [(0.05, 0.05, 2, 0.2), (0.3, 0.1, 0.7, 0.6)])
def test_the_stopped_share_integrates_the_signal(p: float, q: float, d: float, t: float) -> None:
    def stopped(s: float) -> float:
        odds = q / (1 - q) * stats.norm.pdf(s - d) / stats.norm.pdf(s)
        density = p * stats.norm.pdf(s - d) + (1 - p) * stats.norm.pdf(s)
        return float(density) if odds / (1 + odds) > t else 0.0

    s = np.linspace(-9, 12, 40_001)
    by_hand = integrate.trapezoid([stopped(x) for x in s[::10]], s[::10])
    found = stopped_share(np.array(p), np.array(q), d, t)
    # One step of the integral is cut in two by the threshold: its size times its height.
    assert found == pytest.approx(by_hand, abs=0.0053 * 0.4)


def test_a_perfect_guess_stops_nobody_without_x() -> None:
    assert stopped_share(np.array(0.1), np.array(0.1), 30.0, 0.5) == pytest.approx(0.1)
    assert special.ndtr(-15) < 1e-50


def test_the_profile_widens_the_gap_in_another_offence() -> None:
    analysis = found_out_under_profile(
        X_RATES, target="car theft", other="possession", reference="B"
    )
    with_it, without = (
        analysis[f"found_out_{how}_group", "A", "B", "ratio"] for how in ("with", "without")
    )
    assert with_it.value > 1.3 * without.value > 1.3
    assert "is higher for A" in analysis.findings[0].text
    frame = analysis.tables[0].frame
    error = (frame["closed form"] * (1 - frame["closed form"]) / 1_000_000) ** 0.5
    assert ((frame["simulated"] - frame["closed form"]).abs() < 4.4 * error).all()


def test_the_simulation_sees_a_chance_below_one_that_a_stop_reveals() -> None:
    frame = found_out_under_profile(X_RATES, stop_reveals=0.25).tables[0].frame
    whole = found_out_under_profile(X_RATES).tables[0].frame
    assert np.allclose(frame["closed form"], whole["closed form"] / 4)
    error = (frame["closed form"] / 1_000_000) ** 0.5
    assert ((frame["simulated"] - frame["closed form"]).abs() < 4.4 * error).all()


def test_profile_sentences_reverse_and_admit_ignorance() -> None:
    swapped = {"A": X_RATES["B"], "B": X_RATES["A"]}
    lower = found_out_under_profile(swapped, reference="B").findings
    assert all("is lower for A" in f.text for f in lower)
    rough = {"A": RoundedRate(0.06, error=0.02), "B": RoundedRate(0.058, error=0.02)}
    assert all("do not tell" in f.text for f in found_out_under_profile(rough).findings)


def test_detection_among_offenders_divides_by_their_rate() -> None:
    given = counts(A=(10_000, 900, 90), B=(20_000, 800, 80))
    rates = {"A": CountedRate(140, 1000), "B": CountedRate(120, 1000)}
    analysis = found_out(given, rates, other="possession", reference="B")
    found = analysis["found_out_given_y", "A"]
    random = np.random.default_rng(1)
    peer = random.beta(91, 9911, 1_000_000) / random.beta(141, 861, 1_000_000)
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        # The end is a quantile of 40,000 draws: 4.4 standard errors, in probability.
        error = (share * (1 - share) / 40_000) ** 0.5
        assert (peer < end).mean() == pytest.approx(share, abs=4.4 * error)
    assert "among those who do it is higher for A" in analysis.findings[0].text
    assert "among residents is higher for A" in analysis.findings[1].text


def test_more_found_out_than_do_it_is_an_error_and_no_rate_above_one() -> None:
    given = counts(A=(1000, 500, 300), B=(1000, 500, 100))
    with pytest.raises(DataError, match="More people of 'A'"):
        found_out(given, {"A": RoundedRate(0.1, error=0.01), "B": RoundedRate(0.3)})
    near = found_out(given, {"A": RoundedRate(0.3, error=0.01), "B": RoundedRate(0.3)})
    assert max(e.high for e in near.estimates if e.measure == "share") <= 1


def test_counts_reverse_and_admit_ignorance() -> None:
    low = found_out(counts(A=(9000, 500, 20), B=(9000, 900, 90)), reference="B")
    same = found_out(counts(A=(9000, 500, 50), B=(9000, 500, 50)), reference="B")
    assert "is lower for A" in low.findings[0].text
    assert "do not tell" in same.findings[0].text


def test_one_group_and_empty_groups() -> None:
    analysis = found_out(counts(A=(900, 50, 5), B=(0, 0, 0)))
    (finding,) = analysis.findings
    assert "for A" in finding.text
    assert any("Nothing is said about B" in text for text in analysis.assumptions)


def test_pictures_can_be_drawn() -> None:
    given = counts(A=(10_000, 900, 90), B=(20_000, 800, 80))
    for analysis in (found_out(given, X_RATES), found_out_under_profile(X_RATES)):
        for picture in analysis.figures():
            picture.figure.canvas.draw()
            assert "A, " in picture.alt


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: found_out(counts(A=(9, 3, 1)), {"B": X_RATES["B"]}), DataError, "for 'A'"),
        (lambda: found_out(counts(A=(9, 3, 1)), {"A": RoundedRate(0)}), DataError, "is 0"),
        (lambda: found_out(counts(A=(0, 0, 0))), DataError, "no residents"),
        (lambda: found_out_under_profile({"A": X_RATES["A"]}), DataError, "two groups"),
        (lambda: found_out_under_profile(X_RATES, threshold=1.0), DataError, "threshold"),
        (lambda: found_out_under_profile(X_RATES, shares={"A": 1}), DataError, "Shares"),
        (lambda: found_out_under_profile(X_RATES, reference="C"), UnknownName, "'C'"),
        (
            lambda: found_out_under_profile({**X_RATES, "B": RoundedRate(1)}),
            DataError,
            "between 0 and 1",
        ),
    ],
)
def test_bad_input_is_named(make: Callable[[], object], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()
