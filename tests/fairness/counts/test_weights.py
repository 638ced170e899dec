"""Weights of rows make weighted rates, and counts that are worth what the weighted rows tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from small_tables import KINDS, cells

from plausible.fairness.audit import Audit
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION
from plausible.fairness.counts.levels import count_levels
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError

WEIGHTED = Columns("g", events="k", weight="w")


def people(rows: int = 900) -> pd.DataFrame:
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"g": random.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])})
    frame["w"] = random.gamma(2, 1, rows)
    frame["s"] = random.random(rows)
    frame["k"] = random.random(rows) < frame["s"]
    frame["d"] = frame["s"] > 0.6
    frame["by"] = random.choice(["x", "y"], rows)
    return frame


@pytest.mark.parametrize("write", KINDS)
def test_a_small_table_by_hand(write: Callable[..., Any], tmp_path: Path) -> None:
    # (1 + 1 + 2)² / (1 + 1 + 4) = 8 / 3 cases, of which (1 + 2) / 4 are events.
    text = "g,k,w / a,yes,1 / a,no,1 / a,yes,2 / b,yes,3 / b,no,3"
    counts = read_counts(write(text, tmp_path), WEIGHTED)
    assert cells(counts)["a"] == pytest.approx((8 / 3, 2), rel=1e-12)
    assert cells(counts)["b"] == pytest.approx((2, 1), rel=1e-12)
    assert "3 of a as 2.7, 2 of b as 2.0" in counts.notes[0]


def test_the_effective_number_of_cases_is_that_of_kish() -> None:
    frame = people()
    counts = read_counts(frame, WEIGHTED)
    for group, part in frame.groupby("g"):
        n = part["w"].sum() ** 2 / (part["w"] ** 2).sum()
        rate = np.average(part["k"], weights=part["w"])
        assert cells(counts)[group] == pytest.approx((n, n * rate), rel=1e-12)


@pytest.mark.parametrize("weight", [1.0, 0.3, 1e6])
def test_equal_weights_change_nothing(weight: float) -> None:
    frame = people().assign(w=weight)
    for columns in (
        Columns("g", events="k", by="by"),
        Columns("g", decision="d", outcome="k"),
        Columns("g", score="s", threshold=0.6, outcome="k"),
    ):
        plain, weighted = (
            read_counts(frame, c) for c in (columns, Columns(**{**vars(columns), "weight": "w"}))
        )
        for measure in plain.measures:
            assert weighted[measure] == pytest.approx(plain[measure], rel=1e-9)


def test_twice_every_weight_changes_nothing() -> None:
    frame = people()
    one, two = (read_counts(frame.assign(w=f * frame["w"]), WEIGHTED) for f in (1, 2))
    for measure in one.measures:
        assert two[measure] == pytest.approx(one[measure], rel=1e-12)


def test_the_rate_on_the_page_has_the_posterior_of_the_effective_counts() -> None:
    frame = people()
    analysis = Audit(frame, WEIGHTED).report().analyses[0]
    part = frame[frame["g"] == "b"]
    n = part["w"].sum() ** 2 / (part["w"] ** 2).sum()
    k = n * np.average(part["k"], weights=part["w"])
    posterior = stats.beta(1 + k, 1 + n - k)
    rate = analysis["rate", "b"]
    assert (rate.value, rate.low, rate.high) == pytest.approx(
        (posterior.mean(), *posterior.ppf([0.025, 0.975])), rel=1e-9
    )
    # Wider than that of the rows: the weights cost cases.
    unweighted = Audit(frame, Columns("g", events="k")).report().analyses[0]["rate", "b"]
    assert rate.high - rate.low > 1.1 * (unweighted.high - unweighted.low)


def test_strata_keep_the_shares_of_the_weights_and_none_is_worth_more_than_it_holds() -> None:
    frame = people()
    counts = read_counts(frame, Columns("g", events="k", by="by", weight="w"))
    n = counts.cells("trials")
    for i, group in enumerate(counts.groups):
        part = frame[frame["g"] == group]
        sums = part.groupby("by")["w"].sum()
        kish = sums**2 / (part["w"] ** 2).groupby(part["by"]).sum()
        assert n[:, i] / n[:, i].sum() == pytest.approx(sums / sums.sum(), rel=1e-12)
        assert (n[:, i] <= kish * (1 + 1e-12)).all()
        assert np.isclose(n[:, i], kish).any()
        rate = np.average(part["k"], weights=part["w"])
        assert counts["events"][i] / counts["trials"][i] == pytest.approx(rate, rel=1e-12)


def test_decisions_and_levels_of_a_score_are_weighted() -> None:
    frame = people()
    columns = Columns("g", score="s", threshold=0.6, outcome="k", weight="w")
    counts, levels = read_counts(frame, columns), count_levels(frame, columns)
    for i, group in enumerate(counts.groups):
        part = frame[frame["g"] == group]
        sizes = part["w"].groupby([part["k"], part["d"]]).sum()
        n = part["w"].sum() ** 2 / (part["w"] ** 2).sum()
        got = [counts[cell][i] for cell in CONFUSION]
        assert got == pytest.approx(n * sizes.to_numpy() / sizes.sum(), rel=1e-12)
        assert levels["trials"][i] == pytest.approx(n, rel=1e-12)


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ("-1", "'w' has the negative value -1; weights have none"),
        ("inf", "'w' has an infinite value"),
        ("heavy", "'heavy' in column 'w' is not a number"),
    ],
)
def test_a_weight_is_a_number_from_0_up(weight: str, said: str) -> None:
    frame = pd.DataFrame({"g": ["a", "b"], "k": [1, 0], "w": ["1", weight]})
    if weight != "heavy":
        frame["w"] = frame["w"].astype(float)
    with pytest.raises(DataError, match=said):
        read_counts(frame, WEIGHTED)


def test_rows_without_a_weight_are_left_out_and_rows_of_none_count_for_nothing() -> None:
    frame = pd.DataFrame({"g": list("aabb"), "k": [1, 0, 1, 0], "w": [1.0, None, 0, 0]})
    counts = read_counts(frame, WEIGHTED)
    assert cells(counts) == {"a": (1, 1), "b": (0, 0)}
    assert counts.lost == {"a": 1}
