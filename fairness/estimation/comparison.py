"""A quantity of each group next to that of a reference: which groups, and every number of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.estimation.extremes import extremes, relevance
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import (
    PRIORS,
    Draws,
    Prior,
    Rates,
    inference_data,
    under_priors,
)
from plausible.inference.errors import DataError, UnknownName

__all__ = [
    "Comparison",
    "Contrasts",
    "compare",
    "index_of",
    "needs",
    "reference_of",
    "with_cases",
]


@dataclass(frozen=True, eq=False)
class Contrasts:
    """A quantity of several groups, and what it is against that of the reference.

    Attributes:
        quantity: what is compared.
        words: its name in sentences.
        of: its posterior in every group.
        shown: indices of the groups.
        ref: index of the reference; without it among `shown` nothing is compared.
    """

    quantity: str
    words: str
    of: Rates | Draws
    shown: Sequence[int]
    ref: int

    @classmethod
    def of_draws(
        cls, quantity: str, words: str, draws: Mapping[str, NDArray[np.float64]], reference: str
    ) -> "Contrasts":
        """Contrasts of groups whose quantity is known by draws, by the name of the group."""
        names = list(draws)
        of = Draws(dict(enumerate(draws.values())), names)
        ref = names.index(reference) if reference in draws else -1
        return cls(quantity, words, of, range(len(names)), ref)

    @cached_property
    def each(self) -> dict[int, Estimate]:
        """The quantity of every group, by its index."""
        return {i: self.of.estimate(self.quantity, i, self.words) for i in self.shown}

    @cached_property
    def gaps(self) -> dict[int, Estimate]:
        """Differences from the reference; none for itself."""
        return self._told(self.of.difference)

    @cached_property
    def ratios(self) -> dict[int, Estimate]:
        """Ratios to the reference; none for itself."""
        return self._told(self.of.ratio)

    @cached_property
    def order(self) -> list[int]:
        """The other groups, those first that a reader has to know of first; see `relevance`."""
        return sorted(self.gaps, key=lambda i: relevance(self.gaps[i], self.of.size(i)))

    @property
    def estimates(self) -> list[Estimate]:
        """All of them."""
        return [*self.each.values(), *self.gaps.values(), *self.ratios.values()]

    @property
    def clearest(self) -> int | None:
        """The first of `order`; None without another group."""
        return self.order[0] if self.gaps else None

    @property
    def pairs(self) -> int:
        """How many groups are compared with the reference, shown or not."""
        return max(self.of.known - 1, 1)

    @property
    def _others(self) -> list[int]:
        return [i for i in self.shown if i != self.ref and self.ref in self.shown]

    def _told(self, compared: Callable[[str, int, int, str], Estimate]) -> dict[int, Estimate]:
        each = [compared(self.quantity, i, self.ref, self.words) for i in self._others]
        return dict(zip(self._others, together(each, self.pairs), strict=True))


@dataclass(frozen=True, eq=False)
class Comparison(Contrasts):
    """The rate of a part in a whole of counts, for every group.

    Attributes:
        counts: of the groups.
        part: k, the cases that count, shape (groups,).
        whole: n, all cases, the same shape.
        sizes: cases by which a group is there at all, the same shape.
        cases: what these are, in words.
    """

    of: Rates
    counts: Counts
    part: NDArray[np.int64]
    whole: NDArray[np.int64]
    sizes: NDArray[np.int64]
    cases: str

    @property
    def reference(self) -> str:
        """The name of the reference."""
        return self.counts.groups[self.ref]

    @property
    def names(self) -> list[str]:
        """The names of the groups that are shown."""
        return [self.counts.groups[i] for i in self.shown]

    @property
    def details(self) -> dict[str, Any]:
        """Which group the others are compared with, and how many groups there are and are shown."""
        shown, groups = len(self.shown), len(self.counts.groups)
        return {"reference": self.reference, "groups": groups, "shown": shown}

    def under(self, prior: Prior) -> Rates:
        """The same rates with another prior."""
        return Rates(self.part, self.whole, prior, names=self.counts.groups)

    def sensitivity(self) -> dict[str, Estimate]:
        """The clearest difference under several priors; nothing without another group."""
        i = self.clearest
        if i is None:
            return {}
        return under_priors(
            lambda prior: self.under(prior).difference(self.quantity, i, self.ref, self.words)
        )

    def posterior(self, name: str) -> Any:
        """Draws of the groups that are shown, as ArviZ data."""
        draws = np.stack([self.of.draws_of(i) for i in self.shown], axis=1)
        return inference_data({name: draws}, group=self.names)

    def another(
        self, quantity: str, words: str, part: ArrayLike, whole: ArrayLike, prior: Prior
    ) -> "Comparison":
        """Another rate of the same groups; groups without its cases are not shown."""
        k, n = np.asarray(part), np.asarray(whole)
        return replace(
            self,
            quantity=quantity,
            words=words,
            of=Rates(k, n, prior, names=self.counts.groups),
            shown=[i for i in self.shown if n[i]],
            part=k,
            whole=n,
        )


def compare(
    counts: Counts,
    part: str | NDArray[np.int64],
    whole: str | NDArray[np.int64],
    *,
    quantity: str = "rate",
    words: str = "",
    sizes: NDArray[np.int64] | None = None,
    cases: str = "",
    reference: str | None = None,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> Comparison:
    r"""Compare the rate of a part in a whole between groups, exactly.

    .. math:: \theta_g \mid k_g, n_g \sim \mathrm{Beta}(a + k_g,\; b + n_g - k_g)

    Args:
        counts: of the groups.
        part: k, a measure of the counts or numbers for each group.
        whole: n, the same.
        quantity: what the rate is called in the address of an estimate.
        words: what it is called in sentences.
        sizes: cases by which a group is there at all, for each group; the whole by default.
        cases: what these are, in words; the name of the whole by default.
        reference: the group that others are compared with; the largest by default.
        prior: of the rate in every group.
        seed: of the draws.

    Returns:
        The comparison of the groups with cases; of more than `SHOWN` the reference and those that
        lie highest and lowest.

    Raises:
        UnknownName: for a measure or reference that is not there.
        DataError: if there are no cases at all, or none of the reference.
    """
    needs(counts, *(measure for measure in (whole, part) if isinstance(measure, str)))
    if isinstance(part, str) and isinstance(whole, str) and not words:
        words = f"rate of {counts.label_of(part)} among {counts.label_of(whole)}"
    if isinstance(whole, str) and not cases:
        cases = counts.label_of(whole)
    k, n = (counts[x] if isinstance(x, str) else x for x in (part, whole))
    sizes = n if sizes is None else sizes
    known = with_cases(counts, sizes, cases)
    ref = reference_of(counts, sizes, reference)
    rates = Rates(k, n, prior, seed, counts.groups)
    shown = extremes(rates, known, ref)
    return Comparison(quantity, words, rates, shown, ref, counts, k, n, sizes, cases)


def needs(counts: Counts, *measures: str) -> None:
    """Check that the measures are there.

    Raises:
        UnknownName: for a measure that these counts lack.
    """
    for measure in measures:
        if measure not in counts.measures:
            raise UnknownName("measure", measure, counts.measures)


def with_cases(counts: Counts, sizes: NDArray[np.int64], cases: str) -> list[int]:
    """The indices of the groups that have cases.

    Raises:
        DataError: if there are none in any group.
    """
    if not sizes.any():
        raise DataError(
            f"There are no {cases} in any {counts.group}, so there is no rate to estimate. Check "
            "which column was read."
        )
    return [int(i) for i in np.flatnonzero(sizes)]


def reference_of(counts: Counts, sizes: ArrayLike, reference: str | None) -> int:
    """The index of the group that others are compared with: the largest unless one is named.

    Raises:
        UnknownName: if the named group is not there.
        DataError: if it is empty.
    """
    size = np.asarray(sizes)
    if reference is None:
        return int(size.argmax())
    index = index_of(counts.group, reference, counts.groups)
    if not size[index]:
        raise DataError(
            f"The reference {counts.group} {reference!r} has no cases to compare with. "
            "Name another one."
        )
    return index


def index_of(kind: str, name: str, names: Iterable[str]) -> int:
    """The position of a name.

    Raises:
        UnknownName: if it is not there.
    """
    accepted = list(names)
    if name not in accepted:
        raise UnknownName(kind, name, accepted)
    return accepted.index(name)
