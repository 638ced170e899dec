"""Bounds: published ones, closed forms, and that random mechanisms lie inside and reach the ends.

Seen failing: a constraint left out, the least and the largest turned round.
"""

import numpy as np
import pytest
from random_graphs import Case, random_tables

from plausible.fairness.causal.bounds import bounds
from plausible.fairness.causal.graph import Graph
from plausible.inference.errors import DataError

BOW = Graph.of("x -> y; x <-> y")
INSTRUMENT = Graph.of("z -> x -> y; x <-> y")


def test_the_lipid_trial_has_the_published_bounds() -> None:
    # P(x, y | z), Balke and Pearl (1997), section 5: the bounds are .392 and .780.
    given = np.array([[[0.919, 0.081], [0.0, 0.0]], [[0.315, 0.073], [0.139, 0.473]]])
    low, high = bounds(INSTRUMENT, "x", "y", 0.5 * given)
    assert (low, high) == pytest.approx((0.392, 0.780), abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_bow_has_manskis_bounds(seed: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.ones(4)).reshape(2, 2)
    least = p[1, 1] - (p[0, 1] + p[1].sum())
    most = (p[1, 1] + p[0].sum()) - p[0, 1]
    assert bounds(BOW, "x", "y", p) == pytest.approx((least, most))


@pytest.mark.parametrize(
    "text",
    [
        "x -> y; x <-> y",
        "z -> x -> y; x <-> y",
        "x -> m -> y; x <-> m",
        "x -> m -> y; x <-> m; x -> y",
        "w -> x -> y; w -> y; x <-> y",
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_true_effect_lies_inside(text: str, seed: int) -> None:
    graph = Graph.of(text)
    wide = {v: tuple(range(6)) for v in graph.unseen}  # unseen causes may have many values
    graph = Graph(graph.parents, wide, graph.unseen)
    case = Case(graph, random_tables(graph, np.random.default_rng(seed)), "x", "y")
    low, high = bounds(graph, "x", "y", case.seen())
    truth = case.truth()
    assert low - 1e-9 <= truth[1, 1] - truth[0, 1] <= high + 1e-9
    assert high - low < 1.5


def test_weights_choose_what_is_bounded() -> None:
    p = np.random.default_rng(1).dirichlet(np.ones(4)).reshape(2, 2)
    weights = np.array([[0.0, 0.0], [0.0, 1.0]])
    assert bounds(BOW, "x", "y", p, weights) == pytest.approx((p[1, 1], p[1, 1] + p[0].sum()))


def test_data_that_contradict_the_graph_are_refused() -> None:
    # An instrument that moves y although x never changes breaks the instrumental inequality.
    given = np.array([[[0.9, 0.1], [0.0, 0.0]], [[0.1, 0.9], [0.0, 0.0]]])
    with pytest.raises(DataError, match="No mechanism of this graph gives these data"):
        bounds(INSTRUMENT, "x", "y", 0.5 * given)
