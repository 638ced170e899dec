"""Numbers in words: one way to write them in tables, captions and pictures."""

import math

from torch import Tensor

__all__ = ["mean_of", "number", "per_cent", "plus_minus", "share_of"]


def number(value: float, form: str = ".3f") -> str:
    """A number with a true minus sign, and none before zero.

    Args:
        value: the number.
        form: how Python formats it, such as ",.2f".
    """
    text = format(value, form)
    if text.startswith("-") and not any(digit in text for digit in "123456789in"):
        text = text[1:]
    return text.replace("-", "−")


def per_cent(share: float, digits: int = 1) -> str:
    """A share between 0 and 1 in per cent, such as 76.4 %."""
    return f"{number(100 * share, f'.{digits}f')} %"


def plus_minus(value: float, error: float, digits: int | None = None) -> str:
    """A value with its standard error, to two digits of the error unless `digits` are given."""
    if digits is None:
        digits = min(9, max(0, 1 - math.floor(math.log10(error)))) if error > 0 else 2
    form = f".{digits}f"
    return f"{number(value, form)} ± {number(error, form)}"


def mean_of(values: Tensor, digits: int | None = None) -> str:
    """The mean of one number for each datum, with its standard error."""
    error = float(values.std()) / len(values) ** 0.5
    return plus_minus(float(values.mean()), error, digits)


def share_of(share: float, count: int, digits: int | None = None) -> str:
    """A share of `count` data or draws in per cent, with its binomial standard error."""
    error = (share * (1 - share) / count) ** 0.5
    return f"{plus_minus(100 * share, 100 * error, digits)} %"
