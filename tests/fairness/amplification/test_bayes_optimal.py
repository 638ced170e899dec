"""The best possible classifier amplifies: closed form, integration, simulation (G3)."""

import numpy as np
import pytest
from scipy import integrate, stats

from plausible.fairness.amplification.bayes_optimal import bayes_optimal, optimal_amplification
from plausible.inference.errors import DataError


@pytest.mark.parametrize(
    ("D", "published"), [(0.25, 0.250), (0.5, 0.238), (1.0, 0.140), (2.0, 0.036), (4.0, 0.002)]
)
def test_published_values_for_a_share_of_three_quarters(D: float, published: float) -> None:
    assert float(optimal_amplification(D, 0.75)) == pytest.approx(published, abs=0.0005)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("D", [0.3, 1.0, 3.0])
def test_formula_agrees_with_integration_over_the_more_probable_class(D: float, p: float) -> None:
    # Seen failing with λ / D added in one term and subtracted in the other.
    def predicted(x: float) -> float:
        upper = p * stats.norm.pdf(x, D / 2)
        lower = (1 - p) * stats.norm.pdf(x, -D / 2)
        return (upper + lower) * (upper > lower)

    edge = -np.log(p / (1 - p)) / D
    area = sum(
        integrate.quad(predicted, a, b, epsabs=1e-10)[0]
        for a, b in ((min(-12, edge), edge), (edge, max(12, edge)))
    )
    assert float(optimal_amplification(D, p)) == pytest.approx(area - p, abs=1e-7)


def test_both_classes_mirror_each_other_and_equal_ones_stay_equal() -> None:
    D = np.array([0.2, 1.0, 3.0])
    np.testing.assert_allclose(
        optimal_amplification(D, 0.8), -optimal_amplification(D, 0.2), atol=1e-12
    )
    np.testing.assert_allclose(optimal_amplification(D, 0.5), 0, atol=1e-12)


def test_simulation_agrees_with_the_formula_within_its_error() -> None:
    analysis = bayes_optimal(people=50_000, seed=1)
    frame = analysis.tables[0].frame
    error = (frame["high"] - frame["low"]) / 3.92
    # Five rows at four standard errors: a chance failure in 1 of 3,000.
    assert ((frame["simulated"] - frame["closed form"]).abs() < 4 * error).all()


def test_sentences_follow_the_share() -> None:
    large = bayes_optimal([1.0], shown=0.75, people=20_000).findings[0].text
    small = bayes_optimal([1.0], shown=0.25, people=20_000).findings[0].text
    even = bayes_optimal([1.0], shown=0.5, people=20_000).findings[0].text
    assert "more often than it occurs" in large and "amplifies the majority" in large
    assert "less often than it occurs" in small and "amplifies the majority" in small
    assert "covers zero" in even


def test_figure_has_a_curve_for_each_share() -> None:
    (picture,) = bayes_optimal([1.0, 2.0], (0.6, 0.9), people=1_000).figures()
    assert len(picture.figure.axes[0].lines) == 3
    assert "14.0 points" in picture.alt


@pytest.mark.parametrize(("D", "p"), [(0.0, 0.5), (-1.0, 0.5), (1.0, 0.0), (1.0, 1.0)])
def test_wrong_separations_and_shares_are_errors(D: float, p: float) -> None:
    with pytest.raises(DataError):
        optimal_amplification(D, p)
