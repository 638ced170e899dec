"""Shares in predictions against shares in data (G3)."""

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.amplification.amplification import amplification
from plausible.fairness.amplification.published_gaps import PUBLISHED, gap
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.estimation.estimates import DRAWS
from plausible.inference.errors import DataError, UnknownName

COMPAS = {"Black": (990, 805, 532, 1_369), "White": (1_139, 349, 461, 505)}


def confusion(cells: dict[str, tuple[int, int, int, int]]) -> Counts:
    return Counts.of(
        {name: dict(zip(CONFUSION, row, strict=True)) for name, row in cells.items()}, group="race"
    )


def events(rows: dict[str, tuple[int, ...]], *strata: str) -> Counts:
    table = [
        {"group": name, "by": by, "events": n}
        for name, row in rows.items()
        for by, n in zip(strata, row, strict=True)
    ]
    return Counts(pd.DataFrame(table), group="gender", by="activity")


def test_metric_of_the_published_pairs() -> None:
    gaps = [gap(*pair) for pair in PUBLISHED.values()]
    assert gaps == pytest.approx([0.17, 0.10])


def test_shares_of_compas_are_those_of_its_counts() -> None:
    # Beta posteriors of data and of predictions: 1 of the prior in each of 8 cells.
    data, made, _ = amplification(confusion(COMPAS)).estimates
    assert data.value == pytest.approx((1_901 + 2) / (2_867 + 4), abs=5 * 0.0088 / DRAWS**0.5)
    assert made.value == pytest.approx((2_174 + 2) / (3_028 + 4), abs=5 * 0.0082 / DRAWS**0.5)


def test_joint_posterior_agrees_with_draws_of_all_cells() -> None:
    # Three groups, of which two are lumped: the same as a Dirichlet of all twelve cells. Seen
    # failing with the prior of the lumped groups not doubled.
    cells = {"A": (3, 2, 1, 8), "B": (5, 1, 2, 2), "C": (9, 4, 3, 1)}
    flat = np.array(list(cells.values())).ravel() + 1
    pi = np.random.default_rng(0).dirichlet(flat, size=400_000).reshape(-1, 3, 4)
    data, made = pi[..., 2] + pi[..., 3], pi[..., 1] + pi[..., 3]
    change = made / made.sum(1, keepdims=True) - data / data.sum(1, keepdims=True)
    analysis = amplification(confusion(cells))
    for i, name in enumerate(cells):
        e = analysis["change", name]
        assert e.value == pytest.approx(change[:, i].mean(), abs=5 * change[:, i].std() / 200)
        low, high = np.quantile(change[:, i], [0.025, 0.975])
        assert (e.low, e.high) == pytest.approx((low, high), abs=0.03 * (high - low))


def test_sentences_say_amplify_lessen_and_turn_round() -> None:
    data = events({"women": (700, 700, 700), "men": (300, 300, 300)}, "a", "b", "c")
    made = events({"women": (900, 550, 200), "men": (100, 450, 800)}, "a", "b", "c")
    texts = {f.text.split("(")[1][0]: f.text for f in amplification(data, made).findings}
    assert texts["a"].endswith("The predictions amplify what is in the data.")
    assert texts["b"].endswith("The predictions lessen what is in the data.")
    assert texts["c"].endswith("The predictions turn it round.")


def test_a_share_that_may_be_even_is_not_turned_round() -> None:
    data = events({"women": (700, 2), "men": (300, 1)}, "a", "b")
    made = events({"women": (49, 5), "men": (51, 9500)}, "a", "b")
    texts = {f.text.split("(")[1][0]: f.text for f in amplification(data, made).findings}
    assert texts["a"].endswith("lessen what is in the data.")
    assert "do not tell what would be amplified" in texts["b"]


def test_swapping_the_groups_swaps_the_names() -> None:
    swapped = {"Black": COMPAS["White"], "White": COMPAS["Black"]}
    one, other = (amplification(confusion(c)).findings[0].text for c in (COMPAS, swapped))
    assert one.startswith("Black:") and other.startswith("White:")


def test_shares_that_stay_do_not_tell() -> None:
    same = events({"women": (60,), "men": (40,)}, "cooking")
    assert "do not tell" in amplification(same, same).findings[0].text


def test_empty_strata_are_named() -> None:
    data = events({"women": (60, 0), "men": (40, 0)}, "cooking", "flying")
    texts = [f.text for f in amplification(data, data).findings]
    assert "Nothing is said about flying" in texts[-1]


def test_many_groups_show_those_that_moved_most() -> None:
    rows = {f"g{i}": (10 + i % 3,) for i in range(300)}
    moved = {**rows, "g7": (100,)}
    analysis = amplification(events(rows, "x"), events(moved, "x"))
    assert "Of 300 shares, 12 are shown" in analysis.findings[-1].text
    assert analysis.findings[0].text.startswith("g7 (x)")


def test_figure_draws_odd_names() -> None:
    odd = {"$a_<i>": (5, 3, 2, 9), "ß": (4, 2, 1, 3)}
    (picture,) = amplification(confusion(odd)).figures()
    picture.figure.canvas.draw()
    assert "%" in picture.alt


def test_wrong_counts_are_errors() -> None:
    with pytest.raises(DataError, match="only the race"):
        amplification(confusion({"A": (1, 1, 1, 1)}))
    with pytest.raises(DataError, match="no case"):
        amplification(confusion({"A": (1, 0, 0, 0), "B": (1, 0, 0, 0)}))
    with pytest.raises(UnknownName):
        amplification(events({"A": (1,), "B": (1,)}, "x"))
    with pytest.raises(DataError, match="same groups"):
        amplification(events({"A": (1,), "B": (1,)}, "x"), events({"A": (1,), "C": (1,)}, "x"))
