"""Effects along the paths of a graph: total, direct, indirect, through named paths, spurious."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError

__all__ = ["Effects", "effects", "path_effect"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    r"""How much more often an outcome comes about at one level of a cause than at another.

    Every one is a difference of probabilities, with an entry for each draw of the tables. With
    :math:`Y_{x, M_{x'}}` the outcome where the cause is x on the direct path and x' on all others:

    .. math:: \mathrm{total} = Y_{1, M_1} - Y_{0, M_0}, \quad
              \mathrm{direct} = Y_{1, M_0} - Y_{0, M_0}, \quad
              \mathrm{indirect} = Y_{0, M_1} - Y_{0, M_0}, \quad
              \mathrm{reverse} = Y_{1, M_1} - Y_{1, M_0}

    Attributes:
        seen: the difference that is seen: of people at one level and people at the other.
        total: what setting the cause does.
        direct: along the arrow from cause to outcome alone.
        indirect: along all other paths alone.
        reverse: along all other paths where the arrow has its effect; direct and reverse add up to
            the total.
        spurious: what is seen and no effect: the difference of seen and total.

    Source: Pearl, Direct and indirect effects (2001).
    """

    seen: Array
    total: Array
    direct: Array
    indirect: Array
    reverse: Array
    spurious: Array


def effects(
    tables: Tables, cause: str, outcome: str, levels: tuple[Any, Any], value: Any = None
) -> Effects:
    """The effect of a cause on an outcome, by its parts.

    Args:
        tables: of all variables of the graph, unseen ones included.
        cause: what differs.
        outcome: what may come about.
        levels: of the cause: from which, to which.
        value: of the outcome, whose probability is compared; its last value by default.

    Raises:
        UnknownName: for a variable or value that is not in the graph.
        DataError: if the cause does not act on the outcome.
    """
    graph = tables.graph
    paths = _paths(graph, cause, outcome)
    direct = [path for path in paths if len(path) == 2]
    others = [path for path in paths if len(path) > 2]
    probability = _Probability(tables, cause, outcome, levels, _last(graph, outcome, value))
    before, after = (probability.given_first_steps(s) for s in ((), _steps(paths)))
    only_direct, only_others = (probability.given_first_steps(_steps(p)) for p in (direct, others))
    low, high = ({cause: level} for level in levels)
    query = {outcome: _last(graph, outcome, value)}
    seen = tables.prob(query, high) - tables.prob(query, low)
    total = after - before
    return Effects(
        seen=seen,
        total=total,
        direct=only_direct - before,
        indirect=only_others - before,
        reverse=after - only_direct,
        spurious=seen - total,
    )


def path_effect(
    tables: Tables,
    cause: str,
    outcome: str,
    levels: tuple[Any, Any],
    paths: Iterable[Sequence[str]],
    value: Any = None,
) -> Array:
    """The effect along some paths alone, such as those that a law or a court allows.

    Args:
        tables: of all variables of the graph.
        cause: what differs.
        outcome: what may come about.
        levels: of the cause: from which, to which.
        paths: each a chain of variables from the cause to the outcome.
        value: of the outcome; its last value by default.

    Returns:
        A difference of probabilities for every draw.

    Raises:
        DataError: for a path that is not in the graph, or where paths part only after a common
            first arrow: then tables do not determine the effect.

    Source: Avin, Shpitser and Pearl, Identifiability of path-specific effects (2005).
    """
    graph = tables.graph
    every = _paths(graph, cause, outcome)
    chosen = [tuple(path) for path in paths]
    for path in chosen:
        if path not in every:
            known = "; ".join(" → ".join(p) for p in every)
            raise DataError(f"{' → '.join(path)} is not a path of the graph. Its paths: {known}.")
    first = _steps(chosen)
    for path in every:
        if path[1] in first and path not in chosen:
            raise DataError(
                f"{cause} → {path[1]} begins paths that are chosen and {' → '.join(path)}, which "
                f"is not: which part of what {path[1]} does comes from {cause} no table tells."
            )
    probability = _Probability(tables, cause, outcome, levels, _last(graph, outcome, value))
    return probability.given_first_steps(first) - probability.given_first_steps(())


@dataclass(frozen=True)
class _Probability:
    """P(outcome = value) where the cause has its second level for some that it acts on."""

    tables: Tables
    cause: str
    outcome: str
    levels: tuple[Any, Any]
    value: Any

    def given_first_steps(self, changed: Iterable[str]) -> Array:
        graph, names = self.tables.graph, set(changed)
        low, high = (graph.index(self.cause, level) for level in self.levels)
        tables: dict[str, Any] = dict(self.tables.tables)
        parents = dict(graph.parents)
        for v in graph.order:
            if self.cause in parents[v]:
                axis = parents[v].index(self.cause) - len(parents[v]) - 1
                level = high if v in names else low
                tables[v] = np.take(np.asarray(tables[v]), level, axis=axis)
                parents[v] = tuple(p for p in parents[v] if p != self.cause)
        cut = replace(graph, parents=parents)
        return Tables(cut, tables).prob({self.outcome: self.value})


def _paths(graph: Graph, cause: str, outcome: str) -> list[tuple[str, ...]]:
    graph.check(cause, outcome)
    paths = [tuple(path) for path in nx.all_simple_paths(graph.network, cause, outcome)]
    if not paths:
        raise DataError(f"No arrow leads from {cause!r} to {outcome!r}: there is no effect.")
    return paths


def _steps(paths: Iterable[Sequence[str]]) -> set[str]:
    """The variables to which paths lead first."""
    return {path[1] for path in paths}


def _last(graph: Graph, outcome: str, value: Any) -> Any:
    return graph.values_of(outcome)[-1] if value is None else value
