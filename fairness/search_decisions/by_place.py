"""The benchmark test and the outcome test in every place, and where they contradict each other."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.comparison import index_of, needs
from plausible.fairness.estimation.posteriors import PRIORS, Prior
from plausible.inference.errors import DataError

__all__ = ["TestsByPlace", "tests_by_place"]

Array = NDArray[np.float64]
_DRAWS = 8000
_CLEAR = 0.95


@dataclass(frozen=True, eq=False)
class TestsByPlace:
    """Two groups in many places: who is searched more, and whose searches find less.

    Attributes:
        group: whose searches are tested.
        reference: the group that it is compared with.
        places: with searches of both groups.
        left_out: places in which one of the two has none, so that there is no hit rate.
        searches: draws of the difference of searches per stop, shape (draws, places).
        hits: draws of the difference of hits per search, the same shape.
        raw: the same differences as they were counted, shape (2, places).
        stops: of both groups, shape (places,).
    """

    __test__ = False  # not one of pytest's classes

    group: str
    reference: str
    places: tuple[str, ...]
    left_out: int
    searches: Array
    hits: Array
    raw: Array
    stops: NDArray[np.int64]

    @cached_property
    def agree(self) -> Array:
        """Draws of the number of places where the group is searched more and found less."""
        return ((self.searches > 0) & (self.hits < 0)).sum(1)

    @property
    def counted(self) -> tuple[int, int, int]:
        """Places searched more, places with fewer hits, and both, as counted."""
        more, fewer = self.raw[0] > 0, self.raw[1] < 0
        return int(more.sum()), int(fewer.sum()), int((more & fewer).sum())

    @cached_property
    def contradiction(self) -> dict[str, float]:
        """By place, the probability that the group is searched more *and* found more.

        The benchmark test then says that it is searched too much, the outcome test that it is
        searched too little. The most probable come first, and of equal ones the largest.
        """
        chance = ((self.searches > 0) & (self.hits > 0)).mean(0)
        order = np.lexsort((-self.stops, -chance.round(2)))
        return {self.places[i]: float(chance[i]) for i in order}

    @property
    def contradicted(self) -> list[str]:
        """The places where that is more probable than 95 %."""
        return [place for place, chance in self.contradiction.items() if chance > _CLEAR]


def tests_by_place(
    counts: Counts,
    group: str,
    reference: str,
    *,
    prior: Prior = PRIORS["uniform"],
    seed: int = 0,
) -> TestsByPlace:
    r"""Searches per stop and hits per search of two groups in every place, exactly.

    .. math:: \theta_{gp} \mid k, n \sim \mathrm{Beta}(a + k_{gp},\; b + n_{gp} - k_{gp})

    Args:
        counts: stops as trials, searches as events, hits, by place.
        group: whose searches are tested.
        reference: the group that it is compared with.
        prior: of every rate.
        seed: of the draws.

    Raises:
        UnknownName: for a measure or group that is not there.
        DataError: without places, or where no place has searches of both groups.
    """
    needs(counts, "trials", "events", "hits")
    if counts.by is None:
        raise DataError("Tests by place need places: give counts with a column `by`.")
    i, j = (index_of(counts.group, name, counts.groups) for name in (group, reference))
    n, k, h = (counts.cells(measure)[:, [i, j]] for measure in ("trials", "events", "hits"))
    both = (k > 0).all(1)
    if not both.any():
        raise DataError(f"No {counts.by} has searches of both {group} and {reference}.")
    n, k, h = n[both], k[both], h[both]
    random = np.random.default_rng(seed)

    def difference(part: NDArray[np.int64], whole: NDArray[np.int64]) -> Array:
        a, b = prior.events + part, prior.others + whole - part
        rates = random.beta(a, b, size=(_DRAWS, *part.shape))
        return np.asarray(rates[..., 0] - rates[..., 1])

    raw = [np.subtract(*(part / whole).T) for part, whole in ((k, n), (h, k))]
    return TestsByPlace(
        group,
        reference,
        tuple(np.array(counts.strata)[both].tolist()),
        int((~both).sum()),
        difference(k, n),
        difference(h, k),
        np.array(raw),
        n.sum(1),
    )
