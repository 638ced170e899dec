"""Counterfactuals: the twin network against a loop over all chances, couplings, bounds.

Seen failing: an intervention in the first world.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest
from random_graphs import random_tables

from plausible.fairness.causal.counterfactuals import (
    counterfactual,
    counterfactual_bounds,
    twin,
)
from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError, UnknownName

TREATED = Tables(Graph.of("X -> Y"), {"X": [0.5, 0.5], "Y": [[0.7, 0.3], [0.4, 0.6]]})
QUERY: Any = ({"Y": 0}, {"X": 1, "Y": 1}, {"X": 0})


def by_loop(tables: Tables, coupling: Any, query: Any, given: Any, do: Any) -> float:
    """The same by going through all values of all chances."""
    graph, worlds = tables.graph, twin(tables, coupling)
    chances = {v: np.asarray(worlds.tables[f"chance of {v}"]) for v in graph.order}
    answers = {v: np.asarray(worlds.tables[v]).argmax(-1) for v in graph.order}
    top = bottom = 0.0
    for us in product(*(range(len(chances[v])) for v in graph.order)):
        weight, first, second = 1.0, dict[str, int](), dict[str, int]()
        for v, u in zip(graph.order, us, strict=True):
            weight *= chances[v][u]
            first[v] = int(answers[v][(u, *(first[p] for p in graph.parents[v]))])
            free = int(answers[v][(u, *(second[p] for p in graph.parents[v]))])
            second[v] = do.get(v, free)
        if all(first[v] == x for v, x in given.items()):
            bottom += weight
            top += weight * all(second[v] == x for v, x in query.items())
    return top / bottom


@pytest.mark.parametrize("coupling", ["ordered", "independent"])
@pytest.mark.parametrize("seed", range(15))
def test_the_twin_network_equals_a_loop_over_all_chances(seed: int, coupling: Any) -> None:
    random = np.random.default_rng(seed)
    names = [f"V{i}" for i in range(int(random.integers(2, 5)))]
    graph = Graph({v: [w for w in names[:i] if random.random() < 0.6] for i, v in enumerate(names)})
    tables, (x, *_, y) = random_tables(graph, random), names
    question: Any = ({y: 1}, {x: 1, y: 1}, {x: 0})
    given = counterfactual(tables, *question, coupling)
    assert given == pytest.approx(by_loop(tables, coupling, *question), abs=1e-12)


@pytest.mark.parametrize("coupling", ["ordered", "independent"])
def test_where_what_is_set_is_what_was_both_worlds_agree(coupling: Any) -> None:
    assert counterfactual(TREATED, {"Y": 1}, {"X": 1, "Y": 1}, {"X": 1}, coupling) == 1


def test_tables_do_not_fix_what_would_have_been() -> None:
    assert counterfactual(TREATED, *QUERY, "ordered") == pytest.approx(0.5)
    assert counterfactual(TREATED, *QUERY, "independent") == pytest.approx(0.7)
    # Tian and Pearl (2000): from (.6 - .3) / .6 to min(1, .7 / .6)
    assert counterfactual_bounds(TREATED, *QUERY) == pytest.approx((0.5, 1.0))


@pytest.mark.parametrize("seed", range(8))
def test_couplings_lie_within_the_bounds(seed: int) -> None:
    graph = Graph.of("Z -> X -> Y; Z -> Y; W -> Y")
    tables = random_tables(graph, np.random.default_rng(seed))
    low, high = counterfactual_bounds(tables, *QUERY)
    for coupling in ("ordered", "independent"):
        value = counterfactual(tables, *QUERY, coupling)  # type: ignore[arg-type]
        assert low - 1e-12 <= value <= high + 1e-12


def test_draws_are_answered_each() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(2), size=(4, 2))
    tables = Tables(Graph.of("X -> Y"), {"X": [0.5, 0.5], "Y": rows})
    every = counterfactual(tables, *QUERY)
    assert every.shape == (4,)
    alone = [float(counterfactual(tables.at(i), *QUERY)) for i in range(4)]
    assert every.tolist() == pytest.approx(alone)
    assert counterfactual_bounds(tables, *QUERY)[0].shape == (4,)


def test_what_bounds_cannot_answer_is_refused() -> None:
    graph = Graph.of("X -> M -> Y; Y -> Z")
    tables = random_tables(graph, np.random.default_rng(0))
    with pytest.raises(DataError, match="'M' changes with what is set"):
        counterfactual_bounds(tables, *QUERY)
    with pytest.raises(DataError, match="need to know what was of Y, X"):
        counterfactual_bounds(TREATED, {"Y": 0}, {"X": 1}, {"X": 0})
    with pytest.raises(DataError, match="of one variable"):
        counterfactual_bounds(TREATED, {"Y": 0, "X": 1}, {"X": 1, "Y": 1}, {"X": 0})
    with pytest.raises(UnknownName, match="coupling"):
        counterfactual(TREATED, *QUERY, "gumbel")
    many = Graph({f"P{i}": () for i in range(5)} | {"Y": [f"P{i}" for i in range(5)]})
    with pytest.raises(DataError, match=r"2\^32 mechanisms with independent rows"):
        twin(random_tables(many, np.random.default_rng(0)), "independent")
