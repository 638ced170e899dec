"""The smallest and the largest rate of several groups, and what chance alone makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.comparison import Comparison
from plausible.fairness.estimation.estimates import Estimate, estimate
from plausible.fairness.estimation.posteriors import Rates
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.framing import worded

__all__ = ["Spread"]

Array = NDArray[np.float64]
_REPEATS = 10_000  # tables of groups that do not differ


@dataclass(frozen=True, eq=False)
class Spread:
    """How far the rates of several groups lie apart, next to groups that do not differ.

    The largest of several rates lies above the rate of its group more often than below, and the
    distance of the largest and the smallest is never below zero: an extreme of several is biased,
    and more so where groups are small. What is expected of it where all groups have the rate of all
    is simulated, with the same numbers of cases.

    Attributes:
        words: what the rate is called.
        distance: between the largest and the smallest rate; the larger one where there are two.
        rates: of the groups that have cases; of two kinds for the equalised odds.
        ends: the smallest and the largest rate; none where distances are of two kinds.
    """

    words: str
    distance: Estimate
    rates: Sequence[Rates]
    ends: Sequence[Estimate] = ()

    @classmethod
    def of(cls, quantity: str, c: Comparison, seed: int) -> "Spread | None":
        """Of one rate; None without two groups that have cases."""
        rates = _with_cases(c, seed)
        if len(rates.trials) < 2:
            return None
        kind, draws = c.counts.group, rates.draws
        ends = [
            estimate(f"{end}_{quantity}", drawn, words=f"{end} {c.words} of any {kind}")
            for end, drawn in (("smallest", draws.min(axis=1)), ("largest", draws.max(axis=1)))
        ]
        distance = _distance(f"range_of_{quantity}", f"largest − smallest {c.words}", [draws])
        return cls(c.words, distance, [rates], ends)

    @classmethod
    def equalised_odds(cls, one: Comparison, other: Comparison, seed: int) -> "Spread | None":
        """The larger of the distances of two rates; None without two groups that have both.

        Args:
            one: true-positive rates.
            other: true-negative rates, whose distances are those of false-positive rates.
            seed: of the draws.
        """
        rates = [_with_cases(c, seed + i) for i, c in enumerate((one, other))]
        if min(len(r.trials) for r in rates) < 2:
            return None
        words = "equalised-odds difference"
        distance = _distance("equalized_odds_difference", words, [r.draws for r in rates])
        return cls(words, distance, rates)

    @property
    def estimates(self) -> list[Estimate]:
        """The ends and the distance."""
        return [*self.ends, self.distance]

    def finding(self) -> Finding:
        """The distance next to what groups that do not differ show; no verdict rests on it."""
        random = np.random.default_rng([self.rates[0].seed, len(self.rates)])
        alike = np.max([_alike(r, random) for r in self.rates], axis=0)
        numbers = {
            "counted": max(float(np.ptp(r.events / r.trials)) for r in self.rates),
            "expected": float(alike.mean()),
            "most": float(np.quantile(alike, 0.95)),
        }
        texts = {name: f"{100 * x:.1f}" for name, x in numbers.items()}
        return worded("metrics.spread", self.distance, "text", words=self.words, **texts)


def _with_cases(c: Comparison, seed: int) -> Rates:
    known = np.flatnonzero(c.whole)
    return Rates(c.part[known], c.whole[known], c.of.prior, seed)


def _distance(quantity: str, words: str, draws: Sequence[Array]) -> Estimate:
    largest = np.max([np.ptp(x, axis=1) for x in draws], axis=0)
    # It is above zero by its definition, so that no probability of that is told.
    return replace(estimate(quantity, largest, "difference", words=words), above=None)


def _alike(rates: Rates, random: np.random.Generator) -> Array:
    """Counted distances of groups that all have the rate of all."""
    shared = rates.events.sum() / rates.trials.sum()
    n = np.maximum(np.round(rates.trials), 1).astype(int)
    return np.ptp(random.binomial(n, shared, size=(_REPEATS, len(n))) / n, axis=1)
