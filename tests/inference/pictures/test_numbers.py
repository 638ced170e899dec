"""Numbers in words: one minus sign, one way to write a share, two digits of an error."""

import math

import pytest
import torch

from plausible.inference.pictures.numbers import mean_of, number, per_cent, plus_minus, share_of


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-1.24, ".2f", "−1.24"),
        (-1234.5, ",.1f", "−1,234.5"),
        (-0.001, ".2f", "0.00"),
        (2.0, ".0f", "2"),
        (-1e-5, ".3g", "−1e−05"),
        (-math.inf, ".2f", "−inf"),
        (math.nan, ".2f", "nan"),
    ],
)
def test_a_minus_is_a_minus_and_none_stands_before_zero(value: float, form: str, text: str) -> None:
    assert number(value, form) == text


def test_shares_are_written_with_a_space_before_the_sign() -> None:
    assert per_cent(0.7641) == "76.4 %"
    assert per_cent(0.5, 0) == "50 %"
    assert share_of(0.5, 10_000) == "50.00 ± 0.50 %"
    assert share_of(0.764, 1000, 1) == "76.4 ± 1.3 %"


def test_figures_keep_two_digits_of_their_error() -> None:
    assert plus_minus(1.23456, 0.0123) == "1.235 ± 0.012"
    assert plus_minus(-123.4, 12.3) == "−123 ± 12"
    assert plus_minus(1.5, 0.0) == "1.50 ± 0.00"
    assert plus_minus(-1.5, math.nan, 2) == "−1.50 ± nan"
    assert mean_of(torch.tensor([1.0, 2.0, 3.0])) == "2.00 ± 0.58"
