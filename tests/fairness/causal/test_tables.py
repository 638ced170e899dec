"""Tables: exact answers against plain loops, Pyro's own enumeration, and refusals.

Seen failing: an intervention that keeps the parents' arrows.
"""

import itertools
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from random_graphs import random_case

from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.programs import graph_of, joint
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError, UnknownName


def by_loop(tables: Tables, query: Any, given: Any, do: Any) -> float:
    """P(query | given, do), value by value."""
    graph, top, bottom = tables.graph, 0.0, 0.0
    for values in itertools.product(*(range(graph.size(v)) for v in graph.order)):
        at = dict(zip(graph.order, values, strict=True))
        if any(at[v] != x for v, x in do.items()):
            continue
        weight = 1.0
        for v in graph.order:
            if v not in do:
                row = np.asarray(tables.tables[v])[tuple(at[p] for p in graph.parents[v])]
                weight *= row[at[v]]
        if all(at[v] == x for v, x in given.items()):
            bottom += weight
            top += weight * all(at[v] == x for v, x in query.items())
    return top / bottom


@pytest.mark.parametrize("seed", range(20))
def test_answers_equal_a_loop_over_all_values(seed: int) -> None:
    case = random_case(seed)
    others = [v for v in case.graph.seen if v not in (case.cause, case.outcome)]
    for given in ({}, dict.fromkeys(others[:1], 1), dict.fromkeys(others, 0)):
        for do in ({}, {case.cause: 1}):
            answer = case.tables.prob({case.outcome: 1}, given, do)
            assert answer == pytest.approx(by_loop(case.tables, {case.outcome: 1}, given, do))


@pytest.mark.parametrize("seed", range(6))
def test_the_program_of_tables_says_the_same_in_pyro(seed: int) -> None:
    case = random_case(seed)
    program, of = case.tables.program(), [case.outcome, case.cause]
    np.testing.assert_allclose(joint(program, of), case.tables.joint(of), atol=1e-12)
    do = {case.cause: 1}
    given = joint(program, of[:1], do)
    np.testing.assert_allclose(given, case.tables.joint(of[:1], do), atol=1e-12)
    with pytest.raises(DataError, match="is set by do="):
        joint(program, of, do)
    read = graph_of(program).parents
    assert {v: set(ps) for v, ps in read.items()} == {
        v: set(ps) for v, ps in case.graph.parents.items()
    }


def test_a_users_program_is_conditioned_on_what_it_observes() -> None:
    def program(rate: torch.Tensor) -> None:
        burning = pyro.sample("burning", dist.Bernoulli(rate))
        pyro.sample("smoke", dist.Bernoulli(0.1 + 0.8 * burning), obs=torch.tensor(1.0))

    (answer,) = [joint(program, ["burning"], args=(torch.tensor(0.2),))]
    np.testing.assert_allclose(answer[1], 0.2 * 0.9 / (0.2 * 0.9 + 0.8 * 0.1), rtol=1e-6)
    with pytest.raises(UnknownName, match="burnin"):
        joint(program, ["burnin"], args=(torch.tensor(0.2),))
    with pytest.raises(DataError, match="Only discrete samples"):
        joint(lambda: pyro.sample("x", dist.Normal(0.0, 1.0)), ["x"])


def test_smoke_and_toast_setting_and_seeing_differ() -> None:
    # The toaster burns toast, which smokes; an open window clears the smoke and burns nothing less.
    graph = Graph.of("toaster -> burning -> smoke; window -> smoke")
    certain = np.eye(2)
    smoke = np.array([[certain[0], certain[0]], [certain[1], certain[0]]])  # burning, window
    tables = Tables(
        graph, {"toaster": [0.5, 0.5], "burning": certain, "window": [0.5, 0.5], "smoke": smoke}
    )
    assert tables.prob({"smoke": 1}, do={"toaster": 0}) == 0
    assert tables.prob({"burning": 1}, do={"window": 1, "toaster": 1}) == 1
    assert tables.prob({"burning": 1}, {"smoke": 0, "window": 0}) == 0
    assert tables.prob({"burning": 1}, do={"smoke": 0}) == tables.prob({"burning": 1}) == 0.5


def test_draws_are_answered_one_by_one() -> None:
    random = np.random.default_rng(0)
    graph = Graph.of("a -> b")
    tables = Tables(graph, {"a": [0.3, 0.7], "b": random.dirichlet(np.ones(2), size=(5, 2))})
    assert tables.draws == (5,)
    every = tables.prob({"a": 1}, {"b": 1})
    alone = [float(tables.at(i).prob({"a": 1}, {"b": 1})) for i in range(5)]
    assert every.tolist() == pytest.approx(alone)
    with pytest.raises(DataError, match=r"draws of shape \(5,\); take one first"):
        tables.program()


GRAPH = Graph.of("a -> b", values={"a": ("no", "yes")})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"a": [0.5, 0.5]}, "no table of 'b'"),
        ({"a": [0.5, 0.5], "b": [0.5, 0.5]}, r"needs \(\.\.\., 2, 2\): an axis each for a, b"),
        (
            {"a": [0.5, 0.5], "b": [[0.5, 0.5], [0.5, 0.6]]},
            r"table of 'b' at a = yes is \(0.5, 0.6\), which adds up to 1.1",
        ),
        ({"a": [1.5, -0.5], "b": [[0.5, 0.5]] * 2}, r"table of 'a' is \(1.5, -0.5\)"),
        ({"a": [0.5, np.nan], "b": [[0.5, 0.5]] * 2}, "table of 'a' is"),
        (
            {"a": np.full((3, 2), 0.5), "b": np.full((4, 2, 2), 0.5)},
            "different numbers of draws",
        ),
    ],
)
def test_tables_that_are_none_are_refused(tables: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Tables(GRAPH, tables)


def test_what_cannot_be_is_not_conditioned_on() -> None:
    tables = Tables(GRAPH, {"a": [1.0, 0.0], "b": [[0.5, 0.5]] * 2})
    with pytest.raises(DataError, match="a = yes, has the probability 0"):
        tables.prob({"b": 1}, {"a": "yes"})
    assert tables.prob({"b": 1}, do={"a": "yes"}) == 0.5
    assert tables.prob({"b": 1}, {"b": 0}) == 0.0
