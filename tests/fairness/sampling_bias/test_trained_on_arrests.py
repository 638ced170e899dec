"""A classifier learns arrests when it is trained on arrests (G2)."""

import numpy as np
import pytest

from plausible.fairness.sampling_bias.trained_on_arrests import trained_on_arrests
from plausible.inference.errors import DataError

USE = {"A": 0.2, "B": 0.2}


def test_average_scores_tend_to_the_rate_of_what_was_trained_on() -> None:
    people = 20_000
    frame = trained_on_arrests(USE, {"A": 0.5, "B": 0.1}, people=people).tables[0].frame
    for truth, label in (("use", "trained on use"), ("arrests", "trained on arrests")):
        for true, mean in zip(frame[truth], frame[label], strict=True):
            # The share of labels in the training half, and the trait in the other half, vary:
            # four standard errors of a share of half of the people, twice.
            error = np.sqrt(2 * true * (1 - true) / (people / 2))
            assert mean == pytest.approx(true, abs=4 * error)


def test_the_group_that_is_detected_more_is_flagged_more() -> None:
    one = trained_on_arrests(USE, {"A": 0.5, "B": 0.1}, people=5_000)
    other = trained_on_arrests(USE, {"A": 0.1, "B": 0.5}, people=5_000)
    sentence = "The share of A among the flagged is {} when training on arrests"
    assert one.findings[0].text.startswith(sentence.format("larger"))
    assert other.findings[0].text.startswith(sentence.format("smaller"))


def test_equal_detection_does_not_tell() -> None:
    # Seen failing with the detection of B set to 0.25.
    analysis = trained_on_arrests(USE, {"A": 0.5, "B": 0.5}, people=5_000)
    gap = analysis.findings[0].estimate
    assert gap is not None and abs(gap.value) < 0.05


def test_intervals_cover_no_difference_where_there_is_none() -> None:
    # Seen failing with intervals of the held-out half alone, which cover it in 4 of 20.
    gaps = [
        trained_on_arrests(USE, {"A": 0.3, "B": 0.3}, people=1_000, seed=seed).estimates[2]
        for seed in range(20)
    ]
    assert sum(gap.low <= 0 <= gap.high for gap in gaps) >= 16


@pytest.mark.parametrize(
    ("use", "detected"),
    [({"A": 0.1}, {"A": 0.1}), (USE, {"A": 0.1}), (USE, {"A": 0.1, "B": 1.1})],
)
def test_wrong_rates_are_errors(use: dict[str, float], detected: dict[str, float]) -> None:
    with pytest.raises(DataError):
        trained_on_arrests(use, detected)
