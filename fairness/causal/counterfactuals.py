"""What would have been: two worlds that share their chances, and what no table can tell of them."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError, UnknownName

__all__ = ["Coupling", "counterfactual", "counterfactual_bounds", "other", "twin"]

Array = NDArray[np.float64]
Coupling = Literal["ordered", "independent"]
_MOST_FUNCTIONS = 100_000
_NOISE = "chance of "


def other(name: str) -> str:
    """The name of a variable in the second world."""
    return f"{name}*"


def twin(tables: Tables, coupling: Coupling = "ordered") -> Tables:
    r"""Two worlds with the same chances: what happens, and what would have happened instead.

    Each table becomes a mechanism, :math:`v = f(\mathrm{parents}, u_v)` with a chance u that both
    worlds share. Tables do not say which mechanism gave them; the coupling is an assumption:

    - "ordered": one uniform u, compared with the cumulated probabilities of every row, so that who
      has a high value in one row has a high one in all;
    - "independent": a u of its own for every row.

    Args:
        tables: of all variables, without draws.
        coupling: of the rows of a table.

    Returns:
        Tables whose variables are those given, their doubles "v*", and the chances.

    Raises:
        DataError: for tables with draws, or too many functions.

    Source: Balke and Pearl, Probabilistic evaluation of counterfactual queries (1994).
    """
    if tables.draws:
        raise DataError(f"The tables have draws of shape {tables.draws}; take one first: .at(0).")
    if coupling not in _COUPLINGS:
        raise UnknownName("coupling", str(coupling), list(_COUPLINGS))
    graph = tables.graph
    parents: dict[str, tuple[str, ...]] = {}
    values: dict[str, tuple[Any, ...]] = {}
    mechanisms: dict[str, Array] = {}
    for v in graph.order:
        table = np.asarray(tables.tables[v])
        size = graph.size(v)
        weights, answers = _COUPLINGS[coupling](table.reshape(-1, size), v)
        chance = _NOISE + v
        parents[chance], values[chance] = (), tuple(range(len(weights)))
        mechanisms[chance] = weights
        certain = (answers[:, :, None] == np.arange(size)).astype(np.float64)
        certain = certain.reshape(len(weights), *table.shape)
        for name in (str, other):
            own = name(v)
            parents[own] = (chance, *(name(p) for p in graph.parents[v]))
            values[own], mechanisms[own] = graph.values_of(v), certain
    return Tables(Graph(parents, values), mechanisms)


def counterfactual(
    tables: Tables,
    query: Mapping[str, Any],
    given: Mapping[str, Any],
    do: Mapping[str, Any],
    coupling: Coupling = "ordered",
) -> Array:
    """P(query would have been, had `do` been, given what was), under a coupling.

    Args:
        tables: of all variables; with draws, every one is answered.
        query: what would have been.
        given: what was.
        do: what is set from outside in the other world.
        coupling: see `twin`.

    Raises:
        DataError: if what is given cannot be.
    """
    count = prod(tables.draws)
    answers = []
    for draw in range(count):
        worlds = twin(tables.at(draw) if tables.draws else tables, coupling)
        starred = ({other(v): x for v, x in part.items()} for part in (query, do))
        answers.append(worlds.prob(next(starred), given, next(starred)))
    return np.array(answers).reshape(tables.draws)


def counterfactual_bounds(
    tables: Tables, query: Mapping[str, Any], given: Mapping[str, Any], do: Mapping[str, Any]
) -> tuple[Array, Array]:
    r"""The least and the largest counterfactual probability that the tables allow.

    With a row of the outcome's table for the actual world and one for the other,

    .. math:: \max(0,\; a + b - 1) \leq P(Y = y, Y^* = y^*) \leq \min(a, b),

    for every value of the other parents, and both ends can be reached for all at once.

    Args:
        tables: of all variables; with draws, every one is answered.
        query: one variable and what it would have been.
        given: what was, this variable included.
        do: what is set from outside in the other world.

    Returns:
        Both ends, for every draw.

    Raises:
        DataError: if more than the asked variable depends on what is set, or it is not given.

    Source: Tian and Pearl, Probabilities of causation: bounds and identification (2000).
    """
    graph = tables.graph
    if len(query) != 1:
        raise DataError(f"Bounds are of one variable; got {list(query)}.")
    ((outcome, wanted),) = query.items()
    graph.check(outcome, *given, *do)
    moved = frozenset[str]().union(*(graph.descendants(v) for v in do)) - {*do}
    between = [v for v in moved if v in graph.parents[outcome]]
    if between:
        raise DataError(
            f"Bounds need every cause of {outcome!r} to be what is set or to stay as it was, but "
            f"{between[0]!r} changes with what is set."
        )
    if outcome not in given or any(v not in given for v in do):
        raise DataError(f"Bounds need to know what was of {', '.join((outcome, *do))}.")
    if later := [v for v in given if v in graph.descendants(outcome)]:
        raise DataError(f"Bounds cannot be given {later[0]!r}, which {outcome!r} acts on.")
    names = graph.parents[outcome]
    before = {v: x for v, x in given.items() if v != outcome}
    free = [p for p in names if p not in before]
    least = most = np.zeros(tables.draws)
    for index in np.ndindex(*(graph.size(p) for p in free)):
        at = {p: graph.values_of(p)[i] for p, i in zip(free, index, strict=True)}
        share = tables.prob(at, before) if free else np.ones(tables.draws)
        was = _row(tables, outcome, {**before, **at})[..., graph.index(outcome, given[outcome])]
        would = _row(tables, outcome, {**before, **at, **do})[..., graph.index(outcome, wanted)]
        least = least + share * np.maximum(0.0, was + would - 1)
        most = most + share * np.minimum(was, would)
    evidence = tables.prob({outcome: given[outcome]}, before)
    return least / evidence, most / evidence


def _row(tables: Tables, v: str, at: Mapping[str, Any]) -> Array:
    graph = tables.graph
    place: Any = (..., *(graph.index(p, at[p]) for p in graph.parents[v]), slice(None))
    row: Array = np.asarray(tables.tables[v])[place]
    return row


def _ordered(table: Array, name: str) -> tuple[Array, NDArray[np.intp]]:
    """Stretches of one uniform chance, and what every row answers on each."""
    ends = np.cumsum(table, axis=1)[:, :-1].clip(0, 1)
    cuts = np.unique(np.concatenate([[0.0, 1.0], ends.ravel()]))
    middles = (cuts[:-1] + cuts[1:]) / 2
    answers = (middles[:, None, None] > ends[None]).sum(-1)
    return np.diff(cuts), answers


def _independent(table: Array, name: str) -> tuple[Array, NDArray[np.intp]]:
    """Every function from rows to values, with the product of their probabilities."""
    rows, size = table.shape
    if size**rows > _MOST_FUNCTIONS:
        raise DataError(
            f"{name!r} has {size}^{rows} mechanisms with independent rows, and at most "
            f"{_MOST_FUNCTIONS:,} are counted: use coupling='ordered'."
        )
    answers = np.indices((size,) * rows).reshape(rows, -1).T
    return table[np.arange(rows), answers].prod(axis=1), answers


_COUPLINGS: dict[str, Callable[[Array, str], tuple[Array, NDArray[np.intp]]]] = {
    "ordered": _ordered,
    "independent": _independent,
}
