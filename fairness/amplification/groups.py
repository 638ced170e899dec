"""A group and all others in data and in predictions: shares, rates and how they move (G3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import DRAWS, Cases, Estimate, estimate
from plausible.fairness.estimation.multiplicity import together
from plausible.fairness.estimation.posteriors import Rates

__all__ = ["Case", "Moves"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """A group in a stratum: its counts in the data and in the predictions.

    Attributes:
        group: its name.
        others: what all others are called.
        where: the stratum; empty without strata.
        cells: counts of each kind, of the group and of all others, shape (2, kinds).
        data: 1 for the kinds that belong to the data, else 0, shape (kinds,).
        predicted: the same for the predictions.
        rest: of the group and of all others, what makes the data a whole, and what makes the
            predictions one; people without the outcome and without the decision, or the data of
            all other strata; shape (2, 1 or 2). None where that is not known, or where `cells` are
            all people.
    """

    group: str
    others: str
    where: str
    cells: NDArray[np.int64]
    data: Array
    predicted: Array
    rest: NDArray[np.int64] | None = None

    @property
    def label(self) -> str:
        return f"{self.group}, {self.where}" if self.where else self.group

    @property
    def people(self) -> bool:
        """Whether the cells are all people: decisions against outcomes."""
        return self.cells.shape[1] == 4

    @property
    def moved(self) -> float:
        """By about how many standard errors the share moved; -1 where one of them is 0/0."""
        n, m = self.cells.sum(0) @ self.data, self.cells.sum(0) @ self.predicted
        if n == 0 or m == 0:
            return -1.0
        change = self.cells[0] @ self.predicted / m - self.cells[0] @ self.data / n
        return float(abs(change) / np.sqrt(1 / n + 1 / m))

    def counted(self, kinds: Array) -> tuple[Cases]:
        """Cases of the group among all those of some kinds."""
        own, everyone = self.cells[0] @ kinds, self.cells.sum(0) @ kinds
        (cases,) = Rates([own], [everyone]).cases(0)
        return (cases,)

    def moves(self, prior: float, others: int, seed: Sequence[int], cases: int = 1) -> "Moves":
        """Draws of what the predictions move.

        Args:
            prior: α of every cell of every group.
            others: how many groups the second row lumps together.
            seed: of the draws.
            cases: how many are told together.
        """
        # Gamma draws divided by the sum of any of them are Dirichlet draws of those.
        random = np.random.default_rng(seed)
        lumped = prior * np.array([[1.0], [others]])
        gammas, rest = (
            None if x is None else random.standard_gamma(x + lumped, size=(DRAWS, *x.shape))
            for x in (self.cells, self.rest)
        )
        assert gammas is not None
        data, predicted = gammas @ self.data, gammas @ self.predicted
        if self.people:
            whole = [gammas.sum(axis=2)] * 2
        elif rest is None:
            whole = []
        else:
            parts = (data, predicted)[: rest.shape[2]]
            whole = [part + rest[..., i] for i, part in enumerate(parts)]
        return Moves(self, data, predicted, whole, cases)


@dataclass(frozen=True, eq=False)
class Moves:
    """Draws of a case, and its numbers.

    Attributes:
        case: whose they are.
        data: of how many of the group and of all others are in the data, shape (DRAWS, 2).
        predicted: the same in the predictions.
        whole: of what the data are a part of, and the predictions; the second, or both, are
            missing where they are not known.
        cases: how many are told together.
    """

    case: Case
    data: Array
    predicted: Array
    whole: Sequence[Array]
    cases: int = 1

    @cached_property
    def shares(self) -> tuple[Array, Array]:
        """The group's share in the data and in the predictions."""
        return _share(self.data), _share(self.predicted)

    @cached_property
    def before(self) -> Estimate:
        """The group's share in the data."""
        of = self.case.counted(self.case.data)
        return self._estimate("share_in_data", self.shares[0], "share in the data", counts=of)

    @cached_property
    def after(self) -> Estimate:
        """The group's share in the predictions."""
        of, words = self.case.counted(self.case.predicted), "share in the predictions"
        return self._estimate("share_in_predictions", self.shares[1], words, counts=of)

    @cached_property
    def change(self) -> Estimate:
        """How the share moves."""
        data, predicted = self.shares
        return self._estimate("change", predicted - data, "predictions − data", difference=True)

    @cached_property
    def gaps(self) -> tuple[Estimate, Estimate, Estimate] | None:
        """The rate of the group minus that of all others: in the data, in the predictions, and how
        it moves; None where not all people are known.
        """
        if len(self.whole) < 2:
            return None
        before, after = (
            part[:, 0] / whole[:, 0] - part[:, 1] / whole[:, 1]
            for part, whole in zip((self.data, self.predicted), self.whole, strict=True)
        )
        at: dict[str, Any] = {"difference": True, "reference": self.case.others}
        return (
            self._estimate("gap_in_data", before, "gap of rates in the data", **at),
            self._estimate("gap_in_predictions", after, "gap of rates in the predictions", **at),
            self._estimate("gap_change", after - before, "gap in predictions − data", **at),
        )

    @cached_property
    def from_own(self) -> tuple[Estimate, Estimate, Estimate] | None:
        """The group's share of all the data, and how far the two shares are from it; None where it
        is not known.
        """
        if len(self.whole) != 1:
            return None
        (data, predicted), own = self.shares, _share(self.whole[0])
        away = "share in the {} − share of all"
        return (
            self._estimate("share_of_all", own, "share of all the data"),
            self._estimate("data_from_own", data - own, away.format("data"), difference=True),
            self._estimate(
                "predictions_from_own",
                predicted - own,
                away.format("predictions"),
                difference=True,
            ),
        )

    @property
    def estimates(self) -> list[Estimate]:
        """The shares."""
        return [self.before, self.after, self.change]

    @property
    def further(self) -> Sequence[Estimate]:
        """What the verdict rests on besides."""
        return self.gaps or self.from_own or ()

    @property
    def verdict(self) -> str:
        """What the predictions make of the data, where both measures of it agree.

        By rates: whether the group and all others are further apart than in the data (the gap is
        twice the directional amplification of the two). Where not all people are known, by shares:
        whether the group's share is further from its share of all the data.
        """
        if self.gaps is not None:
            lead, after, move = (e.credible_direction for e in self.gaps)
            against = -lead
        elif self.from_own is not None:
            lead, after = (e.credible_direction for e in self.from_own[1:])
            move, against = self.change.credible_direction, 0
        else:
            return "alone" if self.change.credible_direction else "unclear"
        if not move:
            return "unclear"
        if not lead:
            return "no_lead"
        if move == lead:
            return "scale" if against and self.change.direction == against else "amplified"
        if after == -lead:
            return "turned"
        return "scale" if against and self.change.direction == lead else "lessened"

    def _estimate(
        self, quantity: str, draws: Array, words: str, *, difference: bool = False, **at: Any
    ) -> Estimate:
        at = {"group": self.case.group, "stratum": self.case.where, "words": words, **at}
        e = estimate(quantity, draws, "difference" if difference else "share", **at)
        return together([e], self.cases)[0] if difference else e


def _share(parts: Array) -> Array:
    """The first of two parts in both."""
    return np.asarray(parts[:, 0] / parts.sum(axis=1))
