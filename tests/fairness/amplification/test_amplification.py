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
    data, made, *_ = amplification(confusion(COMPAS)).estimates
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


def rates(**rows: tuple[int, int, int]) -> tuple[Counts, Counts]:
    """People, those with the outcome and those with the prediction."""
    return tuple(
        Counts.of({name: {"trials": row[0], "events": row[i]} for name, row in rows.items()})
        for i in (1, 2)
    )  # type: ignore[return-value]


def test_sentences_say_amplify_lessen_and_turn_round() -> None:
    # Of all data 60 % are women: 70 % is above that, in a to c.
    data = events({"women": (700, 700, 700, 300), "men": (300, 300, 300, 700)}, *"abcd")
    made = events({"women": (900, 620, 200, 300), "men": (100, 380, 800, 700)}, *"abcd")
    texts = {f.text.split("(")[1][0]: f.text for f in amplification(data, made).findings}
    assert texts["a"].endswith("The predictions amplify what is in the data.")
    assert texts["b"].endswith("The predictions lessen what is in the data.")
    assert texts["c"].endswith("The predictions turn it round.")
    assert "do not tell" in texts["d"]
    assert "of all the data, 60.0 %" in texts["a"]


@pytest.mark.parametrize("form", ["confusion", "counts"])
def test_a_gap_that_narrows_is_not_amplified_by_groups_of_different_sizes(form: str) -> None:
    # Base rates of 15 and 40 %, decisions for 20 and 35 %: the share of A, the larger group, moves
    # from 53 to 63 %, away from an even share. Seen failing before: "amplify".
    cells = {"A": (470, 40, 10, 80), "B": (118, 2, 12, 68)}
    if form == "confusion":
        analysis = amplification(confusion(cells))
    else:
        analysis = amplification(*rates(A=(6000, 900, 1200), B=(2000, 800, 700)))
    (text,) = (f.text for f in analysis.findings)
    assert "The predictions lessen what is in the data." in text
    before, after = (analysis[f"gap_in_{of}", "A", "B"].value for of in ("data", "predictions"))
    assert (before, after) == pytest.approx((-0.25, -0.15), abs=0.01)
    change = analysis["gap_change", "A", "B"]
    assert change.value == pytest.approx(0.1, abs=0.01) and change.direction == 1


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ((6000, 900, 600), (2000, 800, 1000), "amplify what is in the data"),
        ((6000, 900, 2400), (2000, 800, 300), "turn it round"),
        # Both rates double: the gap grows from 25 to 50 points and the shares stay as they are.
        ((60_000, 9000, 18_000), (20_000, 8000, 16_000), "amplify what is in the data"),
        # The gap grows by 10 points while 15 to 40 % becomes 50 to 85 %: the shares come closer.
        ((6000, 900, 3000), (2000, 800, 1700), "depends on how it is measured"),
        ((600, 90, 200), (200, 30, 20), "not what would be amplified"),
        ((600, 90, 90), (200, 80, 80), "do not tell whether the predictions move it"),
    ],
)
def test_the_verdict_follows_the_gap_of_rates_and_the_shares(
    a: tuple[int, int, int], b: tuple[int, int, int], said: str
) -> None:
    (finding,) = amplification(*rates(A=a, B=b)).findings
    assert said in finding.text


def test_directional_amplification_of_two_groups_is_half_of_what_their_gap_grows_by() -> None:
    # BiasAmp of Wang and Russakovsky, from attribute to task, by its definition.
    people, data, made = (np.array(x) for x in ((6000, 2000), (900, 800), (600, 1000)))
    p, q = data / people, made / people
    above = data / people.sum() > people / people.sum() * data.sum() / people.sum()
    biasamp = np.where(above, q - p, p - q).mean()
    e = amplification(*rates(A=(6000, 900, 600), B=(2000, 800, 1000)))["gap_change", "A", "B"]
    assert abs(e.value) == pytest.approx(2 * biasamp, abs=0.002)


def test_without_the_data_that_a_share_is_of_there_is_no_verdict() -> None:
    data, made = (
        events({"women": (700,), "men": (300,)}, "a"),
        events({"women": (900,), "men": (100,)}, "a"),
    )
    (finding,) = amplification(data, made).findings
    assert "is not known, and so not whether it amplifies" in finding.text


def test_a_share_that_may_be_that_of_all_data_is_not_turned_round() -> None:
    data = events({"women": (700, 2, 300), "men": (300, 1, 700)}, "a", "b", "c")
    made = events({"women": (49, 5, 30), "men": (51, 9500, 70)}, "a", "b", "c")
    texts = {f.text.split("(")[1][0]: f.text for f in amplification(data, made).findings}
    assert texts["a"].endswith("lessen what is in the data.")
    assert "not what would be amplified" in texts["b"]


def test_swapping_the_groups_swaps_the_names() -> None:
    swapped = {"Black": COMPAS["White"], "White": COMPAS["Black"]}
    one, other = (amplification(confusion(c)).findings[0].text for c in (COMPAS, swapped))
    assert one.startswith("The rate of Black minus") and other.startswith("The rate of White minus")
    assert "amplify" in one


def test_shares_that_stay_do_not_tell() -> None:
    same = events({"women": (60,), "men": (40,)}, "cooking")
    assert "do not tell" in amplification(same, same).findings[0].text


def test_empty_strata_are_named() -> None:
    data = events({"women": (60, 0), "men": (40, 0)}, "cooking", "flying")
    texts = amplification(data, data).assumptions
    assert any("Nothing is said about flying" in text for text in texts)


def test_many_groups_show_those_that_moved_most() -> None:
    rows = {f"g{i}": (10 + i % 3,) for i in range(300)}
    moved = {**rows, "g7": (100,)}
    analysis = amplification(events(rows, "x"), events(moved, "x"))
    assert any("Of 300 shares, 12 are shown" in text for text in analysis.assumptions)
    assert analysis.findings[0].text.startswith("g7 (x)")
    assert "is not known" in analysis.findings[0].text


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
