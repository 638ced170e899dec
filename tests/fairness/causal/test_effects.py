"""Effects: Berkeley's published decomposition, identities, nested counterfactuals by enumeration.

Seen failing: levels turned round, the direct arrow counted among the others.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from random_graphs import random_tables

from plausible.fairness.causal.effects import effects, path_effect
from plausible.fairness.causal.fitting import fitted
from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.tables import Tables
from plausible.inference.errors import DataError, UnknownName

# Applied and admitted, men and women, departments A to F (Bickel, Hammel and O'Connell 1975).
BERKELEY = (
    ((825, 512), (108, 89)),
    ((560, 353), (25, 17)),
    ((325, 120), (593, 202)),
    ((417, 138), (375, 131)),
    ((191, 53), (393, 94)),
    ((373, 22), (341, 24)),
)
DRAWS = 40_000
ADMISSIONS = Graph.of(
    "sex -> department -> admitted; sex -> admitted",
    values={"sex": ("men", "women"), "department": tuple("ABCDEF"), "admitted": ("no", "yes")},
)


def cells() -> pd.DataFrame:
    rows = []
    for department, counts in zip("ABCDEF", BERKELEY, strict=True):
        for sex, (applied, admitted) in zip(("men", "women"), counts, strict=True):
            for answer, count in (("yes", admitted), ("no", applied - admitted)):
                rows.append((sex, department, answer, count))
    return pd.DataFrame(rows, columns=["sex", "department", "admitted", "count"])


@pytest.fixture(scope="module")
def berkeley() -> Tables:
    return fitted(ADMISSIONS, cells(), draws=DRAWS)


def assert_interval(draws: np.ndarray, value: float, low: float, high: float) -> None:
    """To the last published digit, and the Monte-Carlo error of a quantile of 40,000 draws."""
    summary = (draws.mean(), *np.quantile(draws, (0.025, 0.975)))
    assert summary == pytest.approx((value, low, high), abs=0.0012)


def test_berkeley_has_the_published_effects(berkeley: Tables) -> None:
    e = effects(berkeley, "sex", "admitted", ("men", "women"))
    assert_interval(e.total, -0.141, -0.169, -0.113)
    assert_interval(e.direct, 0.066, 0.018, 0.112)
    assert_interval(e.indirect, -0.142, -0.162, -0.121)
    assert e.reverse.mean() == pytest.approx(-0.207, abs=0.0012)
    np.testing.assert_allclose(e.total, e.direct + e.reverse, atol=1e-12)
    np.testing.assert_allclose(e.spurious, 0, atol=1e-12)  # nothing acts on sex


def test_department_a_admits_more_women(berkeley: Tables) -> None:
    rates = [
        berkeley.prob({"admitted": "yes"}, {"sex": sex, "department": "A"})
        for sex in ("women", "men")
    ]
    assert_interval(rates[0] - rates[1], 0.198, 0.115, 0.272)


def test_allowed_paths_alone_are_the_indirect_effect(berkeley: Tables) -> None:
    levels, path = ("men", "women"), ("sex", "department", "admitted")
    alone = path_effect(berkeley, "sex", "admitted", levels, [path])
    whole = effects(berkeley, "sex", "admitted", levels)
    np.testing.assert_allclose(alone, whole.indirect, atol=1e-12)
    both = path_effect(berkeley, "sex", "admitted", levels, [path, ("sex", "admitted")])
    np.testing.assert_allclose(both, whole.total, atol=1e-12)
    nothing = path_effect(berkeley, "sex", "admitted", levels, [])
    np.testing.assert_allclose(nothing, 0, atol=1e-12)


def test_effects_are_nested_counterfactuals() -> None:
    # z -> x, z -> y; x -> m -> y; x -> n -> y; x -> y
    graph = Graph.of("z -> x -> y; z -> y; x -> m -> y; x -> n -> y")
    tables = random_tables(graph, np.random.default_rng(0))
    t = {v: np.asarray(table) for v, table in tables.tables.items()}

    def nested(direct: int, by_m: int, by_n: int) -> float:
        total = 0.0
        for z, m, n in product((0, 1), repeat=3):
            at = {"z": z, "x": direct, "m": m, "n": n}
            y = t["y"][tuple(at[p] for p in graph.parents["y"])][1]
            total += t["z"][z] * t["m"][by_m, m] * t["n"][by_n, n] * y
        return total

    e = effects(tables, "x", "y", (0, 1))
    assert e.direct == pytest.approx(nested(1, 0, 0) - nested(0, 0, 0))
    assert e.indirect == pytest.approx(nested(0, 1, 1) - nested(0, 0, 0))
    assert e.reverse == pytest.approx(nested(1, 1, 1) - nested(1, 0, 0))
    only_m = path_effect(tables, "x", "y", (0, 1), [("x", "m", "y")])
    assert only_m == pytest.approx(nested(0, 1, 0) - nested(0, 0, 0))
    seen = tables.prob({"y": 1}, {"x": 1}) - tables.prob({"y": 1}, {"x": 0})
    assert e.seen == pytest.approx(seen) and e.spurious == pytest.approx(seen - e.total)
    assert abs(e.spurious) > 1e-3


def test_paths_that_part_after_a_common_arrow_are_refused() -> None:
    graph = Graph.of("x -> w -> a -> y; w -> b -> y")
    tables = random_tables(graph, np.random.default_rng(0))
    with pytest.raises(DataError, match="x → w begins paths that are chosen and x → w → b → y"):
        path_effect(tables, "x", "y", (0, 1), [("x", "w", "a", "y")])
    with pytest.raises(DataError, match=r"x → y is not a path.*x → w → a → y; x → w → b → y"):
        path_effect(tables, "x", "y", (0, 1), [("x", "y")])
    with pytest.raises(DataError, match="No arrow leads from 'y' to 'x'"):
        effects(tables, "y", "x", (0, 1))


def test_tables_are_the_exact_posterior_of_counts() -> None:
    graph = Graph.of("a -> b")
    frame = pd.DataFrame({"a": [0, 0, 1], "b": [0, 1, 1], "count": [7, 3, 5]})
    tables = fitted(graph, frame, prior=0.5, draws=DRAWS, seed=1)
    # Beta(.5 + 3, .5 + 7) and Beta(.5 + 5, .5): means within four standard errors
    for value, (k, n) in ((0, (3.5, 11.0)), (1, (5.5, 6.0))):
        draws = tables.prob({"b": 1}, {"a": value})
        mean, variance = k / n, k * (n - k) / (n**2 * (n + 1))
        assert draws.mean() == pytest.approx(mean, abs=4 * (variance / DRAWS) ** 0.5)
        assert draws.var() == pytest.approx(variance, rel=0.05)
    again = fitted(graph, frame.sample(frac=1, random_state=0), prior=0.5, draws=DRAWS, seed=1)
    np.testing.assert_array_equal(again.prob({"b": 1}), tables.prob({"b": 1}))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"count": [1.5, 1, 1]}, DataError),
        ({"count": [-1, 1, 1]}, DataError),
        ({"a": [0, 0, 2]}, UnknownName),
    ],
)
def test_cells_that_are_none_are_refused(change: object, error: type[Exception]) -> None:
    frame = pd.DataFrame({"a": [0, 0, 1], "b": [0, 1, 1], "count": [7, 3, 5]} | change)  # type: ignore[operator]
    with pytest.raises(error):
        fitted(Graph.of("a -> b"), frame)


def test_graphs_with_unseen_variables_are_not_fitted_from_counts_alone() -> None:
    frame = pd.DataFrame({"a": [0], "b": [0], "count": [7]})
    with pytest.raises(DataError, match="'u' is unseen"):
        fitted(Graph.of("a -> u -> b", unseen=["u"]), frame)
    with pytest.raises(UnknownName, match="count"):
        fitted(Graph.of("a -> b"), frame.drop(columns="count"))
    with pytest.raises(DataError, match="prior is a number above 0"):
        fitted(Graph.of("a -> b"), frame, prior=0)
