"""Two groups compared within strata, and that over all strata: standardised, Mantel–Haenszel."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from plausible.fairness.estimation.estimates import DRAWS, TAILS, Estimate, estimate
from plausible.fairness.estimation.posteriors import PRIORS, Prior, Rates

__all__ = ["Pair", "Strata", "Verdict", "mantel_haenszel"]

Array = NDArray[np.float64]
Verdict = Literal[
    "apart", "reversed", "smaller", "larger", "same", "hidden", "gone", "open", "unclear"
]
_DRAWN = 12  # strata whose rates are drawn one by one; the sum of the others is normal
_MOVED = 0.5  # standard deviations by which a prior may move a standardised difference


@dataclass(frozen=True, eq=False)
class Pair:
    """A group against another one: over all strata together, and within those that have both.

    Attributes:
        raw: the difference of their rates over all strata together.
        within: the difference within strata, over all of them; None where none has both.
        odds: the odds ratio of Mantel and Haenszel; None where there is none.
        draws: of `within`, where it is standardised.
        strata: how many have cases of both.
        higher: in how many of these the first has the higher rate as it was counted.
        lower: in how many the lower one.
        lost: cases of the first and of the second in strata without the other.
    """

    raw: Estimate
    within: Estimate | None
    odds: Estimate | None
    draws: Array | None
    strata: int
    higher: int
    lower: int
    lost: tuple[int, int]

    def among(self, pairs: int) -> "Pair":
        """The same, told with as many comparisons of other groups allowed for.

        With strata this is what a page is about: other rates on it do not count here.
        """
        raw, within, odds = (
            None if e is None else replace(e, comparisons=pairs)
            for e in (self.raw, self.within, self.odds)
        )
        assert raw is not None
        return replace(self, raw=raw, within=within, odds=odds)

    @property
    def verdict(self) -> Verdict:
        """What the comparison within strata makes of the raw one."""
        if self.within is None:
            return "apart"
        raw, within = self.raw.credible_direction, self.within.credible_direction
        alike = self.within.low <= self.raw.value <= self.within.high
        if not within:
            return "unclear" if not raw else "open" if alike else "gone"
        if raw != within:
            return "reversed" if raw else "hidden"
        if alike:
            return "same"
        return "smaller" if abs(self.within.value) < abs(self.raw.value) else "larger"


@dataclass(frozen=True, eq=False)
class Strata:
    """Events among trials of groups in strata.

    Attributes:
        events: shape (strata, groups).
        trials: the same shape.
        names: of the groups.
        words: the rate in words.
        prior: of the rate in every cell.
        seed: of the draws.
    """

    events: NDArray[np.int64]
    trials: NDArray[np.int64]
    names: tuple[str, ...]
    words: str
    prior: Prior = PRIORS["uniform"]
    seed: int = 0

    def common(self, i: int, j: int) -> NDArray[np.int64]:
        """The strata with cases of both groups."""
        return np.flatnonzero((self.trials[:, i] > 0) & (self.trials[:, j] > 0))

    def gap(self, stratum: int, i: int, j: int) -> Estimate:
        """The difference of the two groups in one stratum, exactly."""
        rates = Rates(self.events[stratum], self.trials[stratum], self.prior, names=self.names)
        return rates.difference("rate", i, j, self.words)

    def clearest(self, i: int, j: int, most: int) -> list[int]:
        """The common strata; of more than `most` those with the clearest differences."""
        common = self.common(i, j)
        if len(common) <= most:
            return [int(s) for s in common]
        (one, spread), (other, more) = (self._moments(common, g) for g in (i, j))
        far = np.argsort(-np.abs(one - other) / np.sqrt(spread + more), kind="stable")[:most]
        return sorted(int(s) for s in common[far])

    def pair(self, i: int, j: int) -> Pair:
        r"""Group i against group j.

        .. math:: \sum_s w_s\, (\theta_{si} - \theta_{sj}), \quad w_s = \frac{n_s}{\sum_t n_t},
                  \quad \theta_{sg} \mid k_{sg}, n_{sg} \sim
                  \mathrm{Beta}(a + k_{sg},\; b + n_{sg} - k_{sg})

        The sums go over the strata with cases of both, and n counts the cases of all groups there.
        Where strata are so small that a uniform prior moves this by more than half of its standard
        deviation, the difference is the one of Mantel and Haenszel.
        """
        k, n, common = self.events, self.trials, self.common(i, j)
        totals = Rates(k.sum(axis=0), n.sum(axis=0), self.prior, names=self.names)
        raw = totals.difference("rate", i, j, self.words)
        every = n[:, [i, j]].sum(axis=0)
        a, b = (int(x) for x in every - n[common][:, [i, j]].sum(axis=0))
        if not len(common):
            return Pair(raw, None, None, None, 0, 0, 0, (a, b))
        counted = k[common][:, [i, j]] / n[common][:, [i, j]]
        sides = np.sign(counted[:, 0] - counted[:, 1])
        within, odds, draws = self._within(common, i, j, counted[:, 0] - counted[:, 1])
        higher, lower = int((sides > 0).sum()), int((sides < 0).sum())
        return Pair(raw, within, odds, draws, len(common), higher, lower, (a, b))

    def _within(
        self, common: NDArray[np.int64], i: int, j: int, counted: Array
    ) -> tuple[Estimate, Estimate | None, Array | None]:
        n = self.trials[common]
        weights = n.sum(axis=1) / n.sum()
        at: dict[str, Any] = {"group": self.names[i], "reference": self.names[j]}
        plain = float(weights @ counted)
        tables = self.events[common][:, [i, j]], n[:, [i, j]]
        difference, odds = mantel_haenszel(*tables, words=self.words, **at)
        if difference is not None and self._moved_by_uniform(common, i, j, weights, plain):
            return difference, odds, None
        draws = self._drawn(common, weights, i) - self._drawn(common, weights, j)
        words = f"{self.words}, standardised"
        within = estimate("standardised", draws, "difference", words=words, counted=plain, **at)
        mean = weights @ (self._moments(common, i)[0] - self._moments(common, j)[0])
        return replace(within, value=float(mean)), odds, draws

    def _moved_by_uniform(
        self, common: NDArray[np.int64], i: int, j: int, weights: Array, plain: float
    ) -> bool:
        """Whether strata are too small for a prior of their own, whatever the prior here is."""
        uniform = replace(self, prior=PRIORS["uniform"])
        (one, spread), (other, more) = (uniform._moments(common, g) for g in (i, j))
        deviation = np.sqrt(weights**2 @ (spread + more))
        return bool(abs(weights @ (one - other) - plain) > _MOVED * deviation)

    def _drawn(self, common: NDArray[np.int64], weights: Array, g: int) -> Array:
        """Draws of the standardised rate of a group, shape (DRAWS,)."""
        random = np.random.default_rng([self.seed, g])
        mean, spread = self._moments(common, g)
        order = np.argsort(-(weights**2) * spread, kind="stable")
        drawn, rest = order[:_DRAWN], order[_DRAWN:]
        k, n = self.events[common[drawn], g], self.trials[common[drawn], g]
        a, b = self.prior.events + k, self.prior.others + n - k
        rates = random.beta(a, b, size=(DRAWS, len(drawn))) @ weights[drawn]
        deviation = np.sqrt(weights[rest] ** 2 @ spread[rest])
        return np.asarray(
            rates + weights[rest] @ mean[rest] + deviation * random.standard_normal(DRAWS)
        )

    def _moments(self, common: NDArray[np.int64], g: int) -> tuple[Array, Array]:
        """Mean and variance of the rate of a group in each of the strata."""
        k, n = self.events[common, g], self.trials[common, g]
        total = self.prior.events + self.prior.others + n
        mean = (self.prior.events + k) / total
        return mean, mean * (1 - mean) / (total + 1)


def mantel_haenszel(
    events: NDArray[np.int64], trials: NDArray[np.int64], **address: Any
) -> tuple[Estimate | None, Estimate | None]:
    r"""The difference and the odds ratio of two groups that strata have in common.

    With a of n events in the first group, c of m in the second, and N = n + m,

    .. math:: \frac{\sum (a m - c n) / N}{\sum n m / N}, \quad
              \frac{\sum a (m - c) / N}{\sum c (n - a) / N}

    Their errors hold both for few large strata and for many small ones.

    Args:
        events: of the two groups in every stratum, shape (strata, 2).
        trials: the same, all above 0.
        address: group, reference and words of the estimates.

    Returns:
        The difference and the odds ratio; None for one whose error the counts do not give.

    Source: Mantel and Haenszel (1959); errors of Sato (1989) and of Robins, Breslow and Greenland
    (1986).
    """
    (a, c), (n, m) = events.astype(float).T, trials.astype(float).T
    N = n + m
    size = float((n * m / N).sum())
    gap = float(((a * m - c * n) / N).sum() / size)
    tilt = (c * n**2 - a * m**2 + n * m * (m - n) / 2) / N**2
    variance = gap * tilt.sum() + ((a * (m - c) + c * (n - a)) / N).sum() / 2
    words = address.pop("words")
    difference = odds = None
    if variance > 0:
        error = np.sqrt(variance) / size
        low, high = (float(np.clip(gap + z * error, -1, 1)) for z in _normal_ends())
        of = {**_sides(gap / error), "counted": gap, **address}
        name = f"{words}, Mantel–Haenszel"
        difference = Estimate("mantel_haenszel", gap, low, high, "difference", words=name, **of)
    r, s = a * (m - c) / N, c * (n - a) / N
    R, S = float(r.sum()), float(s.sum())
    if R > 0 and S > 0:
        p, q = (a + m - c) / N, (c + n - a) / N
        spread = (p @ r) / (2 * R**2) + (p @ s + q @ r) / (2 * R * S) + (q @ s) / (2 * S**2)
        log, error = np.log(R / S), np.sqrt(spread)
        low, high = (float(np.exp(log + z * error)) for z in _normal_ends())
        of = {**_sides(log / error), **address}
        name = f"odds ratio of the {words}, Mantel–Haenszel"
        odds = Estimate("mantel_haenszel", R / S, low, high, "ratio", words=name, **of)
    return difference, odds


def _sides(z: float) -> dict[str, float]:
    """The probability above no effect, and that of the lesser side."""
    return {"above": float(special.ndtr(z)), "doubt": float(special.ndtr(-abs(z)))}


def _normal_ends() -> tuple[float, float]:
    low, _, high = special.ndtri(np.array(TAILS))
    return float(low), float(high)
