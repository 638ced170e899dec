"""Numbers with their uncertainty, and how a sentence says them."""

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from plausible.fairness.counts.counts import line
from plausible.inference.errors import DataError

__all__ = [
    "DRAWS",
    "LEVEL",
    "TAILS",
    "Cases",
    "Estimate",
    "Measure",
    "centre",
    "digits",
    "estimate",
]

LEVEL = 0.95
DRAWS = 40_000
_FEW = 50  # draws, below which their share says little
# Probabilities of the lower end, the middle and the upper end of an interval.
TAILS = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)

Measure = Literal[
    "share", "difference", "ratio", "correlation", "count", "nats", "mean", "mean difference"
]
# The value that means "no effect" of each measure that has one.
_NULL = {"difference": 0.0, "ratio": 1.0, "correlation": 0.0, "mean difference": 0.0}
_NULLS = {"difference": "zero", "ratio": "1", "correlation": "zero", "mean difference": "zero"}


class Cases(NamedTuple):
    """Counts that a number rests on: how many of how many; fractions where rows have weights."""

    events: float
    trials: float


@dataclass(frozen=True, repr=False)
class Estimate:
    """A number with its central credible interval, and what it is a number of.

    Attributes:
        quantity: what is estimated, such as "false_positive_rate".
        value: posterior mean; the median for a ratio, whose mean is drawn up by its long tail, and
            wherever the mean would lie outside the interval.
        low: lower end of the interval.
        high: upper end.
        measure: "share" from 0 to 1, "difference" of shares, "ratio", "correlation", "count",
            "nats", "mean" of an amount in its own unit, "mean difference" of two of these.
        level: probability of the interval.
        above: probability that the number is above no effect (0 for differences and correlations,
            1 for a ratio); None for other measures.
        group: whose quantity it is; empty for a quantity of all.
        reference: the group that it is compared with; empty where it is not compared.
        stratum: where it holds; empty for a quantity of all strata.
        words: the quantity as a sentence names it; by default its name without underscores.
        counted: a difference as it was counted, without a prior; None where nothing was counted.
        counts: events and trials of the group, then those of the reference; empty for a number
            that does not rest on counts of one kind.
        doubt: probability of the other side of no effect, or of none, by the prior that speaks most
            against the side on which the value lies; None where there are no sides.
        comparisons: with how many comparisons, itself included, a sentence tells it together.
    """

    quantity: str
    value: float
    low: float
    high: float
    measure: Measure = "share"
    level: float = LEVEL
    above: float | None = None
    group: str = ""
    reference: str = ""
    stratum: str = ""
    words: str = ""
    counted: float | None = None
    counts: tuple[Cases, ...] = ()
    doubt: float | None = None
    comparisons: int = 1

    @property
    def who(self) -> str:
        """The groups, such as "Black" or "Black − White"."""
        sign = " / " if self.measure == "ratio" else " − "
        return sign.join(name for name in (self.group, self.reference) if name)

    @property
    def label(self) -> str:
        """What it is in words, such as "false-positive rate, Black − White"."""
        words = self.words or self.quantity.replace("_", " ")
        return ", ".join(part for part in (words, self.who, self.stratum) if part)

    @property
    def direction(self) -> int:
        """1 where the whole interval is above no effect, -1 below, 0 where it covers it."""
        null = _NULL.get(self.measure)
        if null is None:
            raise DataError(f"A {self.measure} has no direction; compare two of them first.")
        return int(self.low > null) - int(self.high < null)

    @property
    def credible_direction(self) -> int:
        r"""The direction that a sentence tells: 1, -1, or 0 where these data do not tell it.

        The interval, which holds 95 % for this comparison alone, has to lie on one side; and so do
        the counts, whatever the prior, with all comparisons allowed for:

        .. math:: \text{doubt} \le \frac{1 - \text{level}}{2\, \text{comparisons}}
        """
        return 0 if self._why_not else self.direction

    @property
    def undecided(self) -> str:
        """Why the direction is not credible, as the end of a sentence about the interval."""
        return self._why_not.format(null=_NULLS[self.measure])

    @property
    def _why_not(self) -> str:
        counted = self.direction if self.counted is None else self.counted
        if not self.direction:
            return "covers {null}"
        most, doubt = (1 - self.level) / 2, self.doubt or 0.0
        if counted * self.direction <= 0 or doubt > most:
            return "keeps off {null} by the prior alone"
        if doubt > most / self.comparisons:
            return (
                f"keeps off {{null}}, but not with all {self.comparisons:,} comparisons allowed for"
            )
        return ""

    @property
    def clearance(self) -> float:
        """How far the whole interval lies from no effect; negative where it covers it."""
        return max(self.low - _NULL[self.measure], _NULL[self.measure] - self.high)

    def __repr__(self) -> str:
        return line(f"<Estimate {self.label}: {self}>")

    def __str__(self) -> str:
        """The number and its interval as a sentence says them, such as "12.1 % (11.0-13.2 %)"."""
        if self.measure in ("share", "difference", "correlation"):
            factor = 1.0 if self.measure == "correlation" else 100.0
            numbers = [factor * x for x in (self.low, self.value, self.high)]
            least = 2 if self.measure == "correlation" else 1
            low, value, high = _apart(numbers, least, signed=self.measure != "share")
            if self.measure == "share":
                return f"{value} % ({low}–{high} %)"
            return f"{value}{' points' if self.measure == 'difference' else ''} ({low} to {high})"
        numbers = [self.low, self.value, self.high]
        several = len(set(numbers))
        apart = (d for d in (3, 4, 5) if len({digits(x, d) for x in numbers}) == several)
        enough = next(apart, 6)
        low, value, high = (digits(x, enough) for x in numbers)
        if self.measure == "ratio":
            bare = self.level == 1 and several == 1  # a figure as it was published
            return f"{value} ×" + f" ({low}–{high})" * (not bare)
        if self.measure == "mean difference":
            texts = zip(numbers, (low, value, high), strict=True)
            low, value, high = (f"+{text}" if x > 0 else text for x, text in texts)
            return f"{value} ({low} to {high})"
        between = " to " if self.low < 0 else "–"
        return f"{value} ({low}{between}{high})" + (" nats" if self.measure == "nats" else "")

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        return {
            "quantity": self.label,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "measure": self.measure,
        }


def estimate(
    quantity: str, draws: ArrayLike, measure: Measure = "share", **address: Any
) -> Estimate:
    """Summarise draws: mean (median for a ratio) and central interval.

    Args:
        quantity: what the number is.
        draws: any shape; infinite ratios are allowed, nan is not.
        measure: see `Estimate`.
        address: group, reference, stratum, words and counted of the `Estimate`.

    Raises:
        DataError: for draws that are not numbers.
    """
    values: NDArray[np.float64] = np.asarray(draws, dtype=np.float64).ravel()
    if not len(values) or np.isnan(values).any():
        raise DataError(f"The draws of {quantity!r} are empty or not numbers.")
    # Between a number and infinity there is nothing to interpolate.
    finite = np.isfinite(values).all()
    method: Literal["linear", "inverted_cdf"] = "linear" if finite else "inverted_cdf"
    low, middle, high = np.quantile(values, TAILS, method=method).tolist()
    value = middle if measure == "ratio" else centre(float(values.mean()), low, middle, high)
    if (null := _NULL.get(measure)) is None:
        return Estimate(quantity, value, low, high, measure, LEVEL, **address)
    above = float((values > null).mean())
    address.setdefault("doubt", _doubt(values, null, measure))
    return Estimate(quantity, value, low, high, measure, LEVEL, above, **address)


def _doubt(values: NDArray[np.float64], null: float, measure: Measure) -> float:
    """The share of draws on the lesser side; that of a normal distribution where they are few."""
    few = _FEW / len(values)
    counted = float(min((values >= null).mean(), (values <= null).mean()))
    with np.errstate(divide="ignore"):
        away = np.log(values) if measure == "ratio" else values - null
    if counted > few or not np.isfinite(away).all() or not (spread := float(away.std())):
        return counted
    return max(counted, min(float(special.ndtr(-abs(away.mean()) / spread)), few))


def centre(mean: float, low: float, middle: float, high: float) -> float:
    """The mean, or the median where few values far out draw the mean out of its own interval."""
    return mean if low <= mean <= high else middle


def _apart(numbers: list[float], least: int, signed: bool) -> list[str]:
    """Numbers with the fewest decimals that tell the ends from each other and from 0, at most 4."""
    low, _, high = numbers
    width = high - low
    needed = 1 - math.floor(round(math.log10(width), 6)) if width > 0 else least
    decimals = min(max(least, needed), 4)
    while signed and decimals < 4 and any(x and not round(x, decimals) for x in (low, high)):
        decimals += 1
    form = f"{{:{'+' if signed else ''}.{decimals}f}}"
    texts = [form.format(x).replace("-", "−") for x in numbers]
    if signed:
        return [*map(_off_zero, numbers, texts)]
    return texts if decimals < 4 else [*map(_within, numbers, texts)]


def _off_zero(x: float, text: str) -> str:
    """A difference that the digits make zero has no sign; one that is not zero is just off it."""
    if any(digit in text for digit in "123456789"):
        return text
    return text[1:] if x == 0 else f"{'<' if x < 0 else '>'}0"


def _within(percent: float, text: str) -> str:
    """Nothing short of 0 or 100 % is said to be it where the digits end."""
    if 0 < percent < 100 and float(text) in (0.0, 100.0):
        return "<0.0001" if percent < 50 else ">99.9999"
    return text


def digits(x: float, digits: int = 3) -> str:
    """A number with a few significant digits; from 100 up whole, with thousands set apart."""
    if not np.isfinite(x):
        return "∞" if x > 0 else "−∞"
    if abs(x) >= 100:
        return f"{x:,.0f}".replace("-", "−")
    text = np.format_float_positional(x, digits, unique=False, fractional=False, trim="-")
    return text.replace("-", "−")
