"""How many comparisons stand on a page, so that a sentence about one of them allows for all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plausible.fairness.estimation.estimates import Estimate

__all__ = ["on_page", "together"]

_rates: ContextVar[int | None] = ContextVar("rates that a page compares", default=None)


@contextmanager
def on_page(rates: int) -> Iterator[None]:
    """A page that compares so many rates between groups; inside another page, a part of that one.

    Args:
        rates: how many, of all analyses on the page.
    """
    token = _rates.set(_rates.get() or rates)
    try:
        yield
    finally:
        _rates.reset(token)


def together(gaps: Sequence["Estimate"], pairs: int | None = None) -> list["Estimate"]:
    r"""Comparisons that are told together, and with those of other rates on the same page.

    With m of them in all, a direction is told where its doubt is at most α / (2 m) (Bonferroni):
    where no group differs, all of a page is free of a false one with a probability of 1 - α or
    more.

    Args:
        gaps: differences, ratios or correlations of one rate.
        pairs: how many comparisons of this rate there are, should not all be given.
    """
    m = max(len(gaps) if pairs is None else pairs, 1) * (_rates.get() or 1)
    return [replace(gap, comparisons=m) for gap in gaps]
