"""What seen data leave open where an effect is not identified: bounds, by linear programming."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from plausible.fairness.causal.formulas import Seen, summed, value
from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.identification import (
    Hedge,
    ancestors,
    district_factor,
    districts,
    narrowed,
)
from plausible.inference.errors import DataError

__all__ = ["bounds"]

Array = NDArray[np.float64]
_MOST_TYPES = 100_000


@dataclass(frozen=True)
class _District:
    """Variables that share unseen causes: each answers its parents by one of several functions.

    Attributes:
        graph: of all.
        members: the variables, causes before effects.
        parents: the seen parents of each.
    """

    graph: Graph
    members: tuple[str, ...]
    parents: dict[str, tuple[str, ...]]

    @cached_property
    def answers(self) -> dict[str, Array]:
        """For each member its functions, shape (functions, sizes of its parents)."""
        functions = {}
        for v in self.members:
            sizes = [self.graph.size(p) for p in self.parents[v]]
            every = product(range(self.graph.size(v)), repeat=prod(sizes))
            functions[v] = np.array(list(every)).reshape(-1, *sizes)
        return functions

    @property
    def outside(self) -> tuple[str, ...]:
        """Parents of members that are none themselves."""
        of = dict.fromkeys(p for v in self.members for p in self.parents[v])
        return tuple(p for p in of if p not in self.members)

    def count(self) -> int:
        """Number of types: of combinations of a function for each member."""
        sizes = {v: prod(self.graph.size(p) for p in self.parents[v]) for v in self.members}
        return prod(self.graph.size(v) ** sizes[v] for v in self.members)

    def consistent(self, at: dict[str, int], of: Sequence[str]) -> Array:
        """Which types give some members these values, where all their parents have theirs."""
        masks = []
        for v in self.members:
            answers = self.answers[v]
            if v in of:
                place: Any = (slice(None), *(at[p] for p in self.parents[v]))
                masks.append(answers[place] == at[v])
            else:
                masks.append(np.ones(len(answers), dtype=bool))
        every = np.ones(1, dtype=bool)
        for mask in masks:
            every = (every[:, None] & mask[None, :]).ravel()
        return every


def bounds(
    graph: Graph, cause: str, outcome: str, joint: Array, weights: Array | None = None
) -> tuple[float, float]:
    r"""The least and the largest effect that any mechanism allows which gives the seen data.

    .. math:: \min_q \text{ and } \max_q \sum_t q_t\, w_{x, y(t, x)} \quad \text{where} \quad
              \sum_{t: s(t, p) = s} q_t = Q(s \mid p), \quad q_t \geq 0

    A type t says how each variable that shares unseen causes answers its parents, and q is any
    distribution of types. The bounds hold for unseen causes with any number of values; they are the
    narrowest where these causes are common to the whole district.

    Args:
        graph: who acts on whom, and what is unseen.
        cause: the variable that is set from outside.
        outcome: the variable that is asked for.
        joint: the distribution of the seen variables, shape (size of each in the order of
            `graph.seen`).
        weights: w, shape (values of the cause, values of the outcome): what is bounded is the sum
            of w P(outcome | do(cause)). By default the last value of the outcome under the last
            value of the cause, less the same under the first.

    Raises:
        DataError: where more than one set of variables stands in the way, there are too many types,
            or no mechanism gives these data: the graph contradicts them.

    Source: Balke and Pearl, Bounds on treatment effects from studies with imperfect compliance
    (1997); Sachs, Jonzon, Sjölander and Gabriel, A general method for deriving tight symbolic
    bounds (2022).
    """
    seen = np.asarray(joint, dtype=np.float64)
    w = _contrast(graph, cause, outcome) if weights is None else np.asarray(weights)
    projection = graph.projected()
    order = projection.order
    every = frozenset(order)
    kept = ancestors({outcome}, every, projection)
    formula = summed(Seen(every), every - kept)
    inside = [v for v in order if v in kept]
    needed = ancestors({outcome}, kept - {cause}, projection)
    factors: list[Array] = []
    open_: list[tuple[frozenset[str], frozenset[str]]] = []
    for district in districts(needed, projection):
        around = next(whole for whole in districts(kept, projection) if district <= whole)
        start = district_factor(around, kept, formula, inside)
        try:
            known = narrowed(district, around, start, projection, inside)
            factors.append(value(known, seen, order))
        except Hedge:
            open_.append((district, around))
    if len(open_) != 1:
        raise DataError(
            f"Bounds need one set of variables that stands in the way; there are {len(open_)}."
        )
    district, around = open_[0]
    start = district_factor(around, kept, formula, inside)
    parents = {
        v: tuple(p for p in inside if (p, v) in projection.directed) for v in inside if v in around
    }
    tied = _District(graph, tuple(parents), parents)
    if tied.count() > _MOST_TYPES:
        raise DataError(
            f"{', '.join(tied.members)} have {tied.count():,} types of answers to their parents; "
            f"bounds take up to {_MOST_TYPES:,}. Join values, or leave out arrows."
        )
    given = value(start, seen, order)
    target = _target(graph, cause, outcome, w, tied, district, needed, factors)
    return _solved(target, *_constraints(graph, tied, given))


def _contrast(graph: Graph, cause: str, outcome: str) -> Array:
    w = np.zeros((graph.size(cause), graph.size(outcome)))
    w[-1, -1], w[0, -1] = 1.0, -1.0
    return w


def _constraints(graph: Graph, tied: _District, given: Array) -> tuple[Any, Array]:
    """What the types have to give: the district's values for every value of its outside parents."""
    names = (*tied.outside, *tied.members)
    rows, right = [], []
    for values in product(*(range(graph.size(v)) for v in names)):
        at = dict(zip(names, values, strict=True))
        share = _at(given, graph, at)
        if np.isfinite(share):  # of what never occurs nothing is known
            rows.append(tied.consistent(at, tied.members))
            right.append(share)
    return csr_array(np.array(rows, dtype=np.float64)), np.array(right)


def _target(
    graph: Graph,
    cause: str,
    outcome: str,
    w: Array,
    tied: _District,
    district: frozenset[str],
    needed: frozenset[str],
    factors: list[Array],
) -> Array:
    """The coefficient of every type in the effect."""
    members = [v for v in tied.members if v in district]
    names = [cause, *(v for v in graph.seen if v in needed)]
    target = np.zeros(tied.count())
    for values in product(*(range(graph.size(v)) for v in names)):
        at = dict(zip(names, values, strict=True))
        weight = w[at[cause], at[outcome]] * prod(_at(f, graph, at) for f in factors)
        if not np.isfinite(weight):
            raise DataError(f"{_words(at)} never occurs, but the effect depends on it.")
        if weight:
            target += weight * tied.consistent(at, members)
    return target


def _at(values: Array, graph: Graph, at: dict[str, int]) -> float:
    """An entry of an array over all seen variables; axes of length 1 hold for all values."""
    full = values.reshape((1,) * (len(graph.seen) - values.ndim) + values.shape)
    return float(
        full[tuple(min(at.get(v, 0), n - 1) for v, n in zip(graph.seen, full.shape, strict=True))]
    )


def _words(at: dict[str, int]) -> str:
    return ", ".join(f"{v} = {i}" for v, i in at.items())


def _solved(target: Array, rows: Any, right: Array) -> tuple[float, float]:
    ends = []
    for sign in (1.0, -1.0):
        answer = linprog(sign * target, A_eq=rows, b_eq=right, bounds=(0, None), method="highs")
        if answer.status == 2:
            raise DataError(
                "No mechanism of this graph gives these data, so it is not theirs: it lacks an "
                "arrow or an unseen cause, or the shares of a small sample are off."
            )
        if not answer.success:
            raise DataError(f"The bounds could not be computed: {answer.message}")
        ends.append(sign * float(answer.fun))
    return ends[0], ends[1]
