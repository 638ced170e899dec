"""What each action costs at each outcome, as ranges, since few costs are known (G5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.fairness.estimation.estimates import DRAWS
from plausible.fairness.reporting.analysis import Table
from plausible.inference.errors import DataError, UnknownName

__all__ = ["E_MAIL", "TRANSLATION", "Costs"]

Array = NDArray[np.float64]
Range = float | tuple[float, float]


@dataclass(frozen=True)
class Costs:
    """The cost of each action at each outcome.

    Attributes:
        cells: by action, then by outcome, a cost or its lowest and highest possible value.
        mixtures: further actions that do one of the others at random, with given shares.
        unit: what costs are counted in.
        note: where they come from; said in the report.

    Raises:
        DataError: for no action, fewer than two outcomes, an action that lacks an outcome, a range
            whose ends are not finite numbers in order, or shares that do not add up to 1.
        UnknownName: for a mixture of an action that is not there.
    """

    cells: Mapping[str, Mapping[str, Range]]
    mixtures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    unit: str = "units that whoever sets the costs chose"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.cells or len(self.outcomes) < 2:
            raise DataError("Costs need an action and two outcomes or more.")
        for action, row in self.cells.items():
            if list(row) != list(self.outcomes):
                raise DataError(
                    f"Every action needs a cost for {', '.join(self.outcomes)} in this order, but "
                    f"{action!r} has {', '.join(row) or 'none'}."
                )
            for outcome, cost in row.items():
                low, high = _ends(cost)
                if not -np.inf < low <= high < np.inf:
                    raise DataError(
                        f"The cost of {action!r} where the outcome is {outcome!r} is a number or "
                        f"a range (low, high), but got {cost!r}."
                    )
        for name, parts in self.mixtures.items():
            for action in parts:
                if action not in self.cells:
                    raise UnknownName("action", action, self.cells)
            if name in self.cells or min(parts.values()) < 0 or abs(sum(parts.values()) - 1) > 1e-9:
                raise DataError(
                    f"The mixture {name!r} needs a name of its own and shares that add up to 1, "
                    f"but got {dict(parts)}."
                )

    @property
    def actions(self) -> tuple[str, ...]:
        """Pure actions, then mixtures."""
        return (*self.cells, *self.mixtures)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """What can be the case."""
        return tuple(next(iter(self.cells.values())))

    @property
    def ends(self) -> tuple[Array, Array]:
        """Lowest and highest costs of the pure actions, each of shape (actions, outcomes)."""
        both = np.array([[_ends(c) for c in row.values()] for row in self.cells.values()], float)
        return both[..., 0], both[..., 1]

    @property
    def mean(self) -> Array:
        """The middle of every range, shape (actions, outcomes)."""
        low, high = self.ends
        return self._with_mixtures(((low + high) / 2)[None])[0]

    def draws(self, seed: Sequence[int]) -> Array:
        """Costs drawn from their ranges, shape (DRAWS, actions, outcomes)."""
        low, high = self.ends
        even = np.random.default_rng(seed).uniform(size=(DRAWS, *low.shape))
        return self._with_mixtures(low + (high - low) * even)

    def table(self) -> Table:
        """The ranges."""
        return Table(
            f"Cost of each action (row) at each outcome (column), in {self.unit}: lowest and "
            "highest",
            pd.DataFrame(
                [
                    {"action": action}
                    | {
                        f"{outcome}, {end}": _ends(cost)[i]
                        for outcome, cost in row.items()
                        for i, end in enumerate(("lowest", "highest"))
                    }
                    for action, row in self.cells.items()
                ]
            ),
        )

    def _with_mixtures(self, pure: Array) -> Array:
        names = list(self.cells)
        shares = np.zeros((len(self.mixtures), len(names)))
        for i, parts in enumerate(self.mixtures.values()):
            for action, share in parts.items():
                shares[i, names.index(action)] = share
        return np.concatenate([pure, np.einsum("ma,nao->nmo", shares, pure)], axis=1)


def _ends(cost: Range) -> tuple[float, float]:
    low, high = cost if isinstance(cost, tuple) else (cost, cost)
    return float(low), float(high)


E_MAIL = Costs(
    {
        "inbox": {"spam": 1.0, "ham": 0.0},
        "junk folder": {"spam": (0.02, 0.2), "ham": (0.5, 5.0)},
        "delete": {"spam": 0.0, "ham": (10.0, 200.0)},
    },
    {"junk folder, 5 % to the inbox at random": {"junk folder": 0.95, "inbox": 0.05}},
    unit="units of the cost of reading one spam message in the inbox",
    note="The costs are assumed for illustration; nobody measured them.",
)
_MALE, _FEMALE, _BOTH = "show the male form", "show the female form", "show both forms"
TRANSLATION = Costs(
    {
        _MALE: {"male": 0.0, "female": (1.0, 3.0)},
        _FEMALE: {"male": (1.0, 3.0), "female": 0.0},
        _BOTH: {"male": (0.05, 0.5), "female": (0.05, 0.5)},
    },
    {"draw one form by its probability": {_MALE: 0.7, _FEMALE: 0.3}},
    unit="units of the least harm that one wrong form does",
    note="The costs are assumed for illustration; nobody measured them.",
)
