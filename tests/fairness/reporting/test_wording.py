"""Sentences that compare groups give the numbers that they are about."""

from plausible.fairness.estimation.comparison import Contrasts
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.wording import comparisons

NAMES = ("a", "b", "c")


def contrasts(events: list[int]) -> Contrasts:
    return Contrasts("rate", "rate", Rates(events, [1000] * 3, names=NAMES), range(3), 2)


def test_a_clear_difference_is_told_with_its_ratio_and_the_clearest_first() -> None:
    # Seen failing with the ratio left out by default.
    c = contrasts([300, 500, 200])
    first, second = comparisons("The rate", c)
    for finding, name, i in ((first, "b", 1), (second, "a", 0)):
        assert f"higher for {name}" in finding.text
        assert f"a difference of {c.gaps[i]}, or {c.ratios[i]}." in finding.text
        assert finding.estimate is c.gaps[i]


def test_without_ratios_the_difference_stands_alone() -> None:
    c = contrasts([300, 500, 200])
    for finding in comparisons("The rate", c, ratios=False):
        assert finding.text.endswith(f"a difference of {finding.estimate}.")


def test_what_the_interval_leaves_open_is_told_as_open() -> None:
    (both,) = comparisons("The rate", contrasts([205, 195, 200]))
    assert "higher or lower for a and b, these data do not tell" in both.text
    first, second = comparisons("The rate", contrasts([205, 300, 200]))
    assert "is higher for b" in first.text
    assert "these data do not tell which is higher" in second.text
