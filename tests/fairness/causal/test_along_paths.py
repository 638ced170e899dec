"""A difference along the arrows: Berkeley as published, sentences that follow, pictures of graphs.

Seen failing: groups turned round.
"""

import pytest

from plausible.fairness.cases.causes.admissions import ADMISSIONS
from plausible.fairness.causal.along_paths import along_paths
from plausible.fairness.causal.graph import Graph
from plausible.fairness.causal.graph_picture import graph_picture
from plausible.inference.errors import DataError, UnknownName


def test_berkeleys_difference_splits_as_published() -> None:
    analysis = along_paths(ADMISSIONS, "men", "women")
    for part, *numbers in (
        ("total", -0.141, -0.169, -0.113),
        ("direct", 0.066, 0.018, 0.112),
        ("indirect", -0.142, -0.162, -0.121),
    ):
        e = analysis[f"{part}_effect", "women", "men"]
        assert (e.value, e.low, e.high) == pytest.approx(numbers, abs=0.0015)
    reverse = analysis["reverse_effect", "women", "men"]
    assert reverse.value == pytest.approx(-0.207, abs=0.0015)
    texts = [f.text for f in analysis.findings]
    assert texts[0].startswith("In all, the share of admissions is lower for women than for men")
    assert "their share of admissions would be higher than that of men" in texts[1]
    assert "spread over each department as people of group women are" in texts[2]


def test_the_other_way_round_the_signs_turn() -> None:
    one, other = along_paths(ADMISSIONS, "men", "women"), along_paths(ADMISSIONS, "women", "men")
    e = other["total_effect", "men", "women"]
    assert e.value == pytest.approx(-one["total_effect", "women", "men"].value, abs=0.001)
    assert other.findings[0].text.startswith("In all, the share of admissions is higher for men")


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(DataError, match="need strata"):
        along_paths(ADMISSIONS.total(), "men", "women")
    with pytest.raises(DataError, match="Both groups are 'men'"):
        along_paths(ADMISSIONS, "men", "men")
    with pytest.raises(UnknownName, match="sex"):
        along_paths(ADMISSIONS, "men", "womn")


def test_a_picture_shows_every_variable_and_crosses_what_is_cut() -> None:
    graph = Graph.of("race -> poverty -> use; race -> use", unseen=["poverty"])
    picture = graph_picture("g", graph, "A graph.", do=["poverty"])
    (axes,) = picture.figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert sorted(texts) == ["poverty", "race", "use", "×"]
    assert "race acts on poverty and use." in picture.alt
    assert "Set from outside: poverty" in picture.alt
    boxes = {t.get_text(): t.get_bbox_patch() for t in axes.texts if t.get_text() != "×"}
    styles = {name: box.get_linestyle() for name, box in boxes.items() if box is not None}
    assert styles["poverty"] != styles["race"]
    assert len(axes.patches) == 3
