"""A graph with its probabilities: exact answers, which are posteriors where tables have draws."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plausible.fairness.causal.graph import Graph
from plausible.inference.errors import DataError

__all__ = ["Tables"]

Array = NDArray[np.float64]
_OFF = 1e-9  # by how much probabilities may miss 1
_LETTERS = 52  # axes of a sum


@dataclass(frozen=True, eq=False)
class Tables:
    r"""The probabilities of each variable given its parents.

    .. math:: P(v_1, \dots, v_n) = \prod_i P(v_i \mid \mathrm{parents}(v_i))

    Attributes:
        graph: who acts on whom.
        tables: for every variable an array of shape (..., sizes of its parents, its size), whose
            leading axes are draws of a posterior, the same for all; none for one known table.

    Raises:
        DataError: for a table that is missing, has another shape, negative entries or rows that do
            not add up to 1, and for draws that differ in number.
    """

    graph: Graph
    tables: Mapping[str, ArrayLike]

    def __post_init__(self) -> None:
        tables = {}
        for v in self.graph.order:
            if v not in self.tables:
                raise DataError(f"There is no table of {v!r}.")
            tables[v] = self._checked(v, np.asarray(self.tables[v], dtype=np.float64))
        self.graph.check(*self.tables)
        object.__setattr__(self, "tables", tables)
        try:
            np.broadcast_shapes(*(self._draws(v, tables[v]) for v in tables))
        except ValueError:
            numbers = {v: self._draws(v, tables[v]) for v in tables}
            raise DataError(f"The tables have different numbers of draws: {numbers}.") from None

    @property
    def draws(self) -> tuple[int, ...]:
        """The shape of the draws; () for one table."""
        tables: Any = self.tables
        return np.broadcast_shapes(*(self._draws(v, tables[v]) for v in tables))

    def joint(self, of: Sequence[str], do: Mapping[str, Any] | None = None) -> Array:
        r"""P(of | do), exactly.

        .. math:: P(v \mid \mathrm{do}(x)) = \prod_{i: v_i \notin x} P(v_i \mid \mathrm{parents})

        Args:
            of: variables, in the order of the axes of the answer.
            do: values that variables are set to from outside.

        Returns:
            An array of shape (draws, sizes of the variables).

        Source: Pearl, Causality (2009), section 3.2.3 (truncated factorisation).
        """
        set_to = {v: self.graph.index(v, value) for v, value in (do or {}).items()}
        self.graph.check(*of)
        if len(set(of)) < len(of):
            raise DataError(f"A variable is named twice: {list(of)}.")
        needed = set(of)
        for v in reversed(self.graph.order):  # only causes of what is asked for
            if v in needed and v not in set_to:
                needed.update(self.graph.parents[v])
        axes = {v: i for i, v in enumerate(v for v in self.graph.order if v in needed)}
        if len(axes) > _LETTERS:
            raise DataError(f"A sum over {len(axes)} variables is too large (at most {_LETTERS}).")
        operands: list[Any] = []
        for v in axes:
            if v in set_to:
                certain = np.zeros(self.graph.size(v))
                certain[set_to[v]] = 1.0
                operands += [certain, [axes[v]]]
            else:
                own = [axes[name] for name in (*self.graph.parents[v], v)]
                operands += [self.tables[v], [..., *own]]
        return np.einsum(*operands, [..., *(axes[v] for v in of)], optimize="greedy")

    def prob(
        self,
        query: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        do: Mapping[str, Any] | None = None,
    ) -> Array:
        """P(query | given, do): first something is set from outside, then something is seen.

        Returns:
            A probability for every draw.

        Raises:
            DataError: if what is given cannot be.
        """
        seen = dict(given or {})
        clash = [v for v in query if v in seen and seen[v] != query[v]]
        names = [*dict.fromkeys([*query, *seen])]
        every = self.joint(names, do)
        top = every[self._place({v: {**seen, **query}[v] for v in names})]
        if clash:
            top = np.zeros_like(top)
        if not seen:
            return top
        part = self.joint(list(seen), do)[self._place(seen)]
        if not np.all(part > 0):
            words = ", ".join(f"{v} = {x}" for v, x in seen.items())
            raise DataError(f"What is given, {words}, has the probability 0.")
        return np.asarray(top / part)

    def at(self, draw: int) -> "Tables":
        """One draw of the tables."""
        whole = self.draws
        tables = {}
        for v, table in self.tables.items():
            array = np.asarray(table)
            own = array.shape[array.ndim - len(self._shape(v)) :]
            full = np.broadcast_to(array, (*whole, *own))
            tables[v] = full.reshape(math.prod(whole), *own)[draw]
        return Tables(self.graph, tables)

    def program(self) -> Callable[[], dict[str, Any]]:
        """The same as a Pyro program with one sample a variable; `pyro.poutine.do` sets values.

        Values are positions. Only tables without draws are a program.

        Raises:
            DataError: for tables with draws.
        """
        if self.draws:
            raise DataError(f"The tables have draws of shape {self.draws}; take one first: .at(0).")
        import pyro
        import pyro.distributions as dist
        import torch

        tables = {v: torch.as_tensor(np.asarray(t)) for v, t in self.tables.items()}

        def program() -> dict[str, Any]:
            at: dict[str, Any] = {}
            for v in self.graph.order:
                row = tables[v][tuple(at[p] for p in self.graph.parents[v])]
                at[v] = pyro.sample(v, dist.Categorical(row))
            return at

        return program

    def _place(self, at: Mapping[str, Any]) -> Any:
        """The index of these values in an array whose last axes are these variables."""
        return (..., *(self.graph.index(v, value) for v, value in at.items()))

    def _shape(self, v: str) -> tuple[int, ...]:
        return tuple(self.graph.size(name) for name in (*self.graph.parents[v], v))

    def _draws(self, v: str, table: Array) -> tuple[int, ...]:
        return table.shape[: table.ndim - len(self._shape(v))]

    def _checked(self, v: str, table: Array) -> Array:
        shape = self._shape(v)
        if table.shape[table.ndim - len(shape) :] != shape or table.ndim < len(shape):
            axes = ", ".join((*self.graph.parents[v], v))
            raise DataError(
                f"The table of {v!r} has the shape {table.shape}, but needs (..., "
                f"{', '.join(map(str, shape))}): an axis each for {axes}."
            )
        wrong = ~(np.abs(table.sum(-1) - 1) <= _OFF) | (table < 0).any(-1)
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            parents = self.graph.parents[v]
            row = place[len(place) - len(parents) :]
            pairs = zip(parents, row, strict=True)
            words = ", ".join(f"{p} = {self.graph.values_of(p)[i]}" for p, i in pairs)
            where = f" at {words}" if words else ""
            numbers = ", ".join(f"{x:.4g}" for x in table[place])
            raise DataError(
                f"The table of {v!r}{where} is ({numbers}), which adds up to "
                f"{table[place].sum():.6g}: probabilities are not negative and add up to 1."
            )
        return table
