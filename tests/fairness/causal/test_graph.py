"""Graphs: what text says, what is separated, what an unseen variable leaves, steps of time.

Seen failing: arrows read backwards, projections that forget pairs, carried arrows within a step.
"""

import pytest

from plausible.fairness.causal.graph import Graph
from plausible.inference.errors import DataError, UnknownName


def test_arrows_are_read_in_both_directions_and_a_pair_has_an_unseen_cause() -> None:
    graph = Graph.of("a -> b <- c; c → d\nb <-> d")
    assert graph.parents["b"] == ("a", "c", "cause of b and d")
    assert graph.parents["d"] == ("c", "cause of b and d")
    assert graph.seen == ("a", "c", "b", "d")


def test_one_arrow_written_twice_is_one() -> None:
    assert Graph.of("a -> b -> c; a -> b").parents == {"a": (), "b": ("a",), "c": ("b",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smoke -> toast -> smoke", r"smoke → toast → smoke is a loop.*carry=\{'toast': \['smoke'"),
        ("a -> a", "a → a is a loop"),
        ("a -> ", "A name is missing"),
        (" ; ", "no variable"),
    ],
)
def test_what_is_no_graph_is_a_sentence(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Graph.of(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Graph({"a": ["b"]}),
        lambda: Graph({"a": []}, unseen=["b"]),
        lambda: Graph({"a": []}, values={"b": (0, 1)}),
        lambda: Graph.of("a -> b").separated("a", "c"),
        lambda: Graph.of("a -> b").unrolled(2, carry={"c": ["a"]}),
        lambda: Graph.of("a -> b").index("a", "yes"),
    ],
)
def test_names_that_are_not_there_are_refused(make: object) -> None:
    with pytest.raises(UnknownName):
        make()  # type: ignore[operator]


def test_chains_forks_and_colliders_separate_as_the_textbook_has_it() -> None:
    chain, fork, collider = (Graph.of(t) for t in ("a->b->c", "a<-b->c", "a->b<-c; b->d"))
    assert not chain.separated("a", "c") and chain.separated("a", "c", ["b"])
    assert not fork.separated("a", "c") and fork.separated("a", "c", ["b"])
    assert collider.separated("a", "c")
    assert not collider.separated("a", "c", ["b"]) and not collider.separated("a", "c", ["d"])


def test_a_projection_keeps_arrows_through_the_unseen_and_pairs_they_confound() -> None:
    projection = Graph.of("a -> u -> b; u -> c; v -> u; v -> d", unseen=["u", "v"]).projected()
    assert projection.directed == {("a", "b"), ("a", "c")}
    pairs = {("b", "c"), ("b", "d"), ("c", "d")}
    assert projection.confounded == {frozenset(pair) for pair in pairs}


def test_steps_of_time_repeat_the_graph_and_carry_arrows_to_the_next() -> None:
    graph = Graph.of("race -> poverty -> use", unseen=["poverty"], values={"use": ("no", "yes")})
    rolled = graph.unrolled(3, carry={"poverty": ["poverty"]}, fixed=["race"])
    assert rolled.parents == {
        "race": (),
        "poverty 1": ("race",),
        "poverty 2": ("race", "poverty 1"),
        "poverty 3": ("race", "poverty 2"),
        "use 1": ("poverty 1",),
        "use 2": ("poverty 2",),
        "use 3": ("poverty 3",),
    }
    assert rolled.seen == ("race", "use 1", "use 2", "use 3")
    assert rolled.values_of("use 3") == ("no", "yes")
    with pytest.raises(DataError, match="cannot be fixed while 'race' acts on it"):
        graph.unrolled(2, carry={}, fixed=["poverty"])
    with pytest.raises(DataError, match="at least one step"):
        graph.unrolled(0, carry={})


def test_arrows_are_told_in_words() -> None:
    words = Graph.of("race -> poverty -> use; race -> use", unseen=["poverty"]).in_words()
    assert words == [
        "race acts on poverty and use.",
        "poverty, which no table holds, acts on use.",
    ]
