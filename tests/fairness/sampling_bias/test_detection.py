"""Arrests alone leave use at its prior; a survey settles it (G2)."""

import numpy as np
import pytest
from scipy import stats

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.estimation.posteriors import Prior
from plausible.fairness.estimation.rounded import CountedRate, RoundedRate
from plausible.fairness.sampling_bias.detection import detection
from plausible.fairness.sampling_bias.measurement import LogUniform, Measurement, contraction
from plausible.inference.errors import DataError, UnknownName

UNIFORM = Prior(1, 1)
ARRESTS = {"Black": RoundedRate(0.00716, 1e-5), "White": RoundedRate(0.00192, 1e-5)}
USE = {"Black": RoundedRate(0.14, 0.01, 0.004), "White": RoundedRate(0.12, 0.01, 0.002)}


def people(*rows: tuple[str, int, int]) -> Counts:
    cells = {name: {"trials": n, "events": k} for name, n, k in rows}
    return Counts.of(cells, group="district", names={"trials": "people", "events": "arrests"})


def asked(*rows: tuple[str, int, int]) -> Counts:
    cells = {name: {"trials": n, "events": k} for name, n, k in rows}
    return Counts.of(cells, group="district", names={"trials": "asked", "events": "use"})


def test_a_rate_that_is_known_exactly_leaves_detection_alone_to_learn() -> None:
    # Seen failing with a division by the variance of use, which is 0.
    rates = {"A": RoundedRate(0.5), "B": RoundedRate(0.25)}
    arrests = Counts.of({g: {"trials": 1_000, "events": 50} for g in rates})
    analysis = detection(arrests, rates)
    for name, use in rates.items():
        share = analysis["detection", name]
        assert share.value == pytest.approx(0.05 / use.value, rel=0.05) and share.low < share.high


def test_arrests_alone_leave_use_at_its_prior_cut_off_at_the_rate_of_arrests() -> None:
    # Seen failing without the 1 / u of the change of variables. The draws are evenly spread over
    # the posterior, so that only the width of a cell of the grid, 0.9 % in log-odds, is left.
    rate = 0.2
    measured = Measurement(RoundedRate(rate), None, UNIFORM, LogUniform())
    use, _ = measured.draws(seed=0, index=0)
    q = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    np.testing.assert_allclose(np.quantile(use, q), rate + (1 - rate) * q, atol=0.004)


def test_with_a_uniform_detection_use_is_uniform_in_its_logarithm() -> None:
    # p(u) ∝ 1/u on (p, 1), so that the quantile at q is p^(1 - q).
    rate = 0.00716
    measured = Measurement(RoundedRate(rate), None, UNIFORM, Prior(1, 1))
    use, detected = measured.draws(seed=0, index=0)
    q = np.array([0.05, 0.5, 0.95])
    np.testing.assert_allclose(np.quantile(use, q), rate ** (1 - q), rtol=0.02)
    np.testing.assert_allclose(use * detected, rate, rtol=1e-6)


def test_posterior_with_a_survey_agrees_with_independent_draws() -> None:
    # With detection uniform in its logarithm, use ~ Beta(s + 1, m - s + 1) and arrests ~
    # Beta(k, n - k + 1) are independent, cut off where arrests exceed use.
    k, n, s, m = 40, 2_000, 30, 300
    random = np.random.default_rng(1)
    u = random.beta(s + 1, m - s + 1, size=10**6)
    p = random.beta(k, n - k + 1, size=10**6)
    u, d = u[p < u], (p / u)[p < u]
    measured = Measurement(CountedRate(k, n), CountedRate(s, m), UNIFORM, LogUniform())
    use, detected = measured.draws(seed=3, index=0)
    for ours, theirs in ((use, u), (detected, d)):
        # Five standard errors of a mean of DRAWS independent draws.
        assert ours.mean() == pytest.approx(theirs.mean(), abs=5 * theirs.std() / DRAWS**0.5)
        width = np.ptp(np.quantile(theirs, [0.025, 0.975]))
        for q in (0.025, 0.5, 0.975):
            assert np.quantile(ours, q) == pytest.approx(np.quantile(theirs, q), abs=0.02 * width)


@pytest.mark.slow
@pytest.mark.parametrize("with_survey", [False, True])
def test_ranks_of_the_true_use_are_uniform(with_survey: bool) -> None:
    # Use and detection come from the priors, so the posterior probability below the true use is
    # uniform. A chance failure: 1 in 1,000. Seen failing with the survey counted twice.
    random = np.random.default_rng(5)
    ranks = []
    for i in range(200):
        u, d = random.beta(1, 1), random.beta(2, 2)
        arrests = CountedRate(int(random.binomial(200, u * d)), 200)
        survey = CountedRate(int(random.binomial(50, u)), 50) if with_survey else None
        measured = Measurement(arrests, survey, UNIFORM, Prior(2, 2))
        ranks.append((measured.draws(seed=0, index=i)[0] < u).mean())
    counts = np.histogram(ranks, bins=10, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_report_says_that_use_is_not_identifiable_from_arrests_alone() -> None:
    analysis = detection(ARRESTS, group="race", use_called="marijuana use")
    first = analysis.findings[0]
    assert first.text.startswith("Marijuana use is not identifiable from arrests alone.")
    assert first.estimate is not None and first.estimate.high - first.estimate.low > 0.9
    assert "do not tell which is higher" in analysis.findings[1].text
    table = analysis.tables[0].frame
    assert (table["contraction, arrests alone"].abs() < 0.01).all()
    assert (table["tie, arrests alone"] < -0.999).all()


def test_survey_narrows_use_and_gives_the_ratio_of_detection() -> None:
    analysis = detection(ARRESTS, USE, group="race")
    alone = analysis["use_from_arrests", "White"]
    surveyed = analysis["use", "White"]
    assert surveyed.high - surveyed.low < 0.02 < alone.high - alone.low
    ratio = analysis["detection", "Black", "White"]
    assert ratio.value == pytest.approx((716 / 192) / (14 / 12), rel=0.005)
    assert ratio.direction == 1
    assert (analysis.tables[0].frame["contraction, with the survey"] > 0.99).all()


def test_more_arrests_do_not_identify_use() -> None:
    few, many = (
        Measurement(CountedRate(k, 10 * k), None, UNIFORM, LogUniform()) for k in (100, 10**6)
    )
    assert many.moments()[1] == pytest.approx(few.moments()[1], rel=0.02)


def test_a_prior_that_knows_detection_is_named_as_what_narrows_use() -> None:
    analysis = detection(people(("A", 10_000, 500)), detection_prior=Prior(500, 500))
    assert "by the prior of detection, not by arrests" in analysis.findings[0].text
    assert analysis.findings[0].estimate is not None
    assert analysis.findings[0].estimate.value == pytest.approx(0.1, abs=0.01)


def test_swapping_the_groups_reverses_the_sentences() -> None:
    arrests = (("A", 10_000, 300), ("B", 10_000, 100))
    survey = (("A", 2_000, 300), ("B", 2_000, 300))
    one = detection(people(*arrests), asked(*survey), reference="B")
    swapped = (("A", 10_000, 100), ("B", 10_000, 300))
    other = detection(people(*swapped), asked(*survey), reference="B")
    sentence = "The chance that a case of use leads to arrests is {} for A than for B"
    assert any(sentence.format("higher") in f.text for f in one.findings)
    assert any(sentence.format("lower") in f.text for f in other.findings)


def test_equal_groups_do_not_tell() -> None:
    analysis = detection(
        people(("A", 10_000, 200), ("B", 10_000, 200)), asked(("A", 500, 90), ("B", 500, 90))
    )
    told = [f.text for f in analysis.findings if " for B" in f.text]
    assert len(told) == 3 and all("data do not tell" in text for text in told)


def test_one_group_and_a_group_without_a_survey_are_described() -> None:
    one = detection(people(("only", 100, 3)))
    assert "not identifiable" in one.findings[0].text
    two = detection(people(("A", 100, 3), ("B", 100, 3)), asked(("A", 50, 10)))
    assert any("There is no survey of B" in text for text in two.assumptions)


def test_groups_without_people_are_named() -> None:
    analysis = detection(people(("A", 100, 3), ("nobody", 0, 0)))
    assert any("Nothing is said about nobody" in text for text in analysis.assumptions)


def test_no_arrests_at_all_leave_a_posterior() -> None:
    analysis = detection(people(("A", 1_000, 0), ("B", 1_000, 0)), asked(("A", 100, 0)))
    assert all(np.isfinite([e.value, e.low, e.high]).all() for e in analysis.estimates)


def test_survey_that_contradicts_the_arrests_is_an_error() -> None:
    with pytest.raises(DataError, match="contradict each other"):
        detection(people(("A", 1_000, 500)), asked(("A", 1_000, 10)))


def test_wrong_names_and_empty_input_are_errors() -> None:
    with pytest.raises(UnknownName):
        detection(people(("A", 100, 3)), reference="B")
    with pytest.raises(UnknownName):
        detection(people(("A", 100, 3)), asked(("B", 50, 10)))
    with pytest.raises(DataError):
        detection({})
    with pytest.raises(DataError):
        LogUniform(1.5)


def test_a_thousand_groups_show_the_extremes() -> None:
    analysis = detection(people(*((f"g{i}", 1_000, i % 100) for i in range(1_000))))
    assert any("Of 1,000 groups, 12 are shown" in text for text in analysis.assumptions)
    assert len(analysis.tables[0].frame) == 12


def test_figure_survives_odd_names_and_says_its_numbers() -> None:
    odd = people(("$\\alpha_<b>", 1_000, 30), ("日本", 1_000, 10))
    (picture,) = detection(odd, asked(("日本", 100, 10))).figures()
    assert "日本" in picture.alt and "%" in picture.alt
    picture.figure.canvas.draw()


def test_contraction_is_the_variance_that_is_gone() -> None:
    assert contraction(1.0, 4.0) == 0.75
