"""Areas under the curve, by group and of two scores, next to scikit-learn and simulation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from plausible.fairness import Audit, Columns, count_values, ranking, versus
from plausible.fairness.scores import score_values
from plausible.fairness.scores.areas import area, difference
from plausible.inference.errors import DataError, UnknownName

COLUMNS = Columns("g", score="a", versus="b", threshold=0.5, outcome="y")


def rows(n: int = 600, seed: int = 0, digits: int = 2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    g = np.where(random.random(n) < 0.3, "B", "A")
    y = random.random(n) < 0.4
    common = random.normal(size=n)
    a = 1 / (1 + np.exp(-(common + 1.3 * y + 0.3 * random.normal(size=n))))
    b = 1 / (1 + np.exp(-(common + 0.8 * y + 0.3 * random.normal(size=n))))
    return pd.DataFrame({"g": g, "a": a.round(digits), "b": b.round(digits), "y": y})


def one_score(frame: pd.DataFrame) -> Any:
    return count_values(frame, Columns("g", score="a", threshold=0.5, outcome="y"))


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_the_area_is_that_of_scikit_learn_with_ties_and_without(digits: int) -> None:
    # Seen failing with ties counted as right.
    frame = rows(digits=digits)
    made = ranking(one_score(frame), reference="A")
    for group, part in frame.groupby("g"):
        exact = roc_auc_score(part["y"], part["a"])
        table = made.tables[0].frame.set_index("g")
        assert table.loc[group, "AUC as counted"] == pytest.approx(exact, abs=1e-12)
        k, n = int(part["y"].sum()), int((~part["y"]).sum())
        # with half a further row of each kind, which ties with all others
        with_ties = (k * n * exact + (k + n + 0.5) / 4) / ((k + 0.5) * (n + 0.5))
        e = made["auc", group]
        assert e.value == pytest.approx(with_ties, abs=1e-12)
        assert e.counts == ((k, k + n),)
    assert made["auc"].value == pytest.approx(roc_auc_score(frame["y"], frame["a"]), abs=2e-3)


def pairs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Placements by comparing every pair of rows, with half a row of each kind that ties."""
    apart = x[y][:, None] - x[~y]
    wins = 0.5 * (1 + np.sign(apart))
    m, n = wins.shape
    return (
        np.append((wins.sum(1) + 0.25) / (n + 0.5), 0.5),
        np.append((wins.sum(0) + 0.25) / (m + 0.5), 0.5),
    )


def of_mean(values: np.ndarray) -> tuple[float, float]:
    """Mean and its variance, where the last value counts half."""
    weight = np.append(np.ones(len(values) - 1), 0.5)
    variance = np.cov(values, aweights=weight, ddof=0) * weight.sum() / (weight.sum() - 1)
    return float(np.average(values, weights=weight)), float(variance / weight.sum())


def test_the_variance_is_that_of_delong_by_pairs() -> None:
    frame = rows(120)
    x, y = frame["a"].to_numpy(), frame["y"].to_numpy()
    (mean, one), (same, other) = (of_mean(p) for p in pairs(x, y))
    made = area(x, y, ~y)
    assert made is not None
    assert made.value == pytest.approx(mean, abs=1e-12) == pytest.approx(same, abs=1e-12)
    assert made.deviation == pytest.approx(np.sqrt(one + other), rel=1e-9)


def test_intervals_of_an_area_hold_it_as_often_as_they_say() -> None:
    # normal scores one deviation apart: the area is the normal distribution function of 1/sqrt(2)
    random = np.random.default_rng(1)
    true, inside, repeats = 0.7602499, 0, 1000
    for _ in range(repeats):
        y = np.repeat([True, False], [30, 60])
        e = area(random.normal(size=90) + y, y, ~y).estimate("auc")  # type: ignore[union-attr]
        inside += e.low <= true <= e.high
    assert inside / repeats == pytest.approx(0.95, abs=0.02)


def test_a_perfect_ranking_of_few_is_not_certain() -> None:
    made = area([1, 2, 3, 4], [0, 0, 1, 1], [1, 1, 0, 0])
    assert made is not None and made.counted == 1
    e = made.estimate("auc")
    assert 0.2 < e.low < 0.6 and e.high < 1
    assert area([1, 2], [0, 0], [1, 1]) is None


def test_the_paired_difference_is_that_of_delong_by_pairs_and_narrower() -> None:
    frame = rows(400, seed=2)
    y = frame["y"].to_numpy()
    a, b = (pairs(frame[name].to_numpy(), y) for name in "ab")
    (mean, one), (same, other) = (of_mean(p - q) for p, q in zip(a, b, strict=True))
    e = difference(frame[["a", "b"]].to_numpy(), y, ~y)
    assert e is not None
    assert e.value == pytest.approx(mean, abs=1e-12) == pytest.approx(same, abs=1e-12)
    assert (e.high - e.low) / 2 == pytest.approx(1.959964 * np.sqrt(one + other), rel=1e-6)
    each = [area(frame[name], y, ~y) for name in "ab"]
    unpaired = 2 * 1.96 * np.sqrt(sum(x.deviation**2 for x in each if x is not None))
    assert e.high - e.low < 0.8 * unpaired


def test_two_scores_are_compared_on_all_people_and_in_each_group() -> None:
    frame = rows(500, seed=3)
    made = versus(count_values(frame, COLUMNS), ("a", "b"), threshold=0.5)
    for group, part in [("", frame), *frame.groupby("g")]:
        right = {name: accuracy_score(part["y"], part[name] > 0.5) for name in "ab"}
        gap = made["accuracy_difference", group]
        assert gap.counted == pytest.approx(right["a"] - right["b"], abs=1e-12)
        assert gap.value == pytest.approx(right["a"] - right["b"], abs=3e-3)
        for name in "ab":
            own = made.find("accuracy", group, stratum=name)
            k, n = round(right[name] * len(part)), len(part)
            assert own.value == pytest.approx((k + 1) / (n + 2), abs=1e-12)
            assert made.find("auc", group, stratum=name).value == pytest.approx(
                roc_auc_score(part["y"], part[name]), abs=6e-3
            )
    # the paired interval is that of a Dirichlet posterior of the four cells
    a, b = ((frame[name] > 0.5) == frame["y"] for name in "ab")
    cells = [(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()]
    draws = np.random.default_rng(9).dirichlet(0.5 + np.array(cells), 400_000)
    ends = np.quantile(draws[:, 1] - draws[:, 2], [0.025, 0.975])
    gap = made["accuracy_difference"]
    assert (gap.low, gap.high) == pytest.approx(tuple(ends), abs=1e-3)
    assert "a ranks more pairs rightly than b" in made.findings[0].text


def test_the_same_score_twice_differs_by_nothing() -> None:
    frame = rows(200).assign(b=lambda f: f["a"])
    made = versus(count_values(frame, COLUMNS), ("a", "b"), threshold=0.5)
    e = made["auc_difference"]
    assert (e.value, e.low, e.high) == (0, 0, 0)
    assert "do not tell which ranks better" in made.findings[0].text


def test_more_values_than_are_kept_apart_are_rounded_and_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = rows(3000, digits=12)
    exact = ranking(one_score(frame))["auc", "A"].value
    monkeypatch.setattr(score_values, "_MOST", 500)
    monkeypatch.setattr(score_values, "_STEPS", {1: 2000, 2: 1000})
    made = ranking(one_score(frame))
    assert made["auc", "A"].value == pytest.approx(exact, abs=1e-3)
    assert any("2,000 equal steps" in text for text in made.assumptions)
    both = versus(count_values(frame, COLUMNS), ("a", "b"), threshold=0.5)
    assert both.find("auc", "A", stratum="a").value == pytest.approx(exact, abs=1e-3)


def test_groups_without_both_outcomes_have_no_area() -> None:
    frame = rows(100)
    frame.loc[frame["g"] == "B", "y"] = True
    made = ranking(one_score(frame))
    assert "There is no area for B" in " ".join(made.assumptions)
    assert {e.group for e in made.estimates} == {"A", ""}
    with pytest.raises(DataError, match="cases with y and cases without"):
        ranking(one_score(frame[frame["g"] == "B"]))


def test_a_file_is_ranked_by_an_audit(tmp_path: Path) -> None:
    frame = rows()
    frame.loc[:9, "a"] = np.nan
    frame.to_csv(tmp_path / "rows.csv", index=False)
    audit = Audit(tmp_path / "rows.csv", COLUMNS)
    made = {a.name: a for a in audit.run()}
    kept = frame.dropna()
    for group, part in kept.groupby("g"):
        table = made["ranking"].tables[0].frame.set_index("g")
        exact = roc_auc_score(part["y"], part["a"])
        assert table.loc[group, "AUC as counted"] == pytest.approx(exact, abs=1e-12)
    assert made["versus"].findings[0].text.startswith("a ranks more pairs rightly than b")
    assert "proxies" not in made


def test_a_second_score_has_to_be_there_and_needs_a_first() -> None:
    with pytest.raises(UnknownName, match="Unknown column 'bb'"):
        Audit(rows(50), Columns("g", score="a", versus="bb", threshold=0.5, outcome="y"))
    with pytest.raises(DataError, match="named twice"):
        Audit(rows(50), Columns("g", score="a", versus="a", threshold=0.5, outcome="y"))
    with pytest.raises(DataError, match="name it with score="):
        Audit(rows(50), Columns("g", events="y", versus="a"))


def test_rows_without_the_second_score_count_for_the_first() -> None:
    frame = rows(300)
    gaps = frame.assign(b=frame["b"].where(frame.index % 3 > 0))
    one, other = ({a.name: a for a in Audit(f, COLUMNS).run()} for f in (frame, gaps))
    for name in ("scores", "ranking"):
        assert one[name].estimates == other[name].estimates
    part = gaps.dropna()
    exact = roc_auc_score(part["y"], part["a"])
    assert other["versus"].find("auc", stratum="a").value == pytest.approx(exact, abs=6e-3)


def test_weights_of_rows_weigh_their_pairs_and_make_intervals_wider() -> None:
    frame = rows(600).assign(w=lambda f: 1.0 + (f.index % 4 == 0) * 3)
    columns = replace(COLUMNS, weight="w")
    made = {a.name: a for a in Audit(frame, columns).run()}
    plain = {a.name: a for a in Audit(frame, COLUMNS).run()}
    for group, part in frame.groupby("g"):
        exact = roc_auc_score(part["y"], part["a"], sample_weight=part["w"])
        table = made["ranking"].tables[0].frame.set_index("g")
        assert table.loc[group, "AUC as counted"] == pytest.approx(exact, abs=1e-12)
        one, other = (x["ranking"]["auc", group] for x in (made, plain))
        assert one.high - one.low > other.high - other.low
        right = accuracy_score(part["y"], part["a"] > 0.5, sample_weight=part["w"])
        own = made["versus"].find("accuracy", group, stratum="a")
        assert own.value == pytest.approx(right, abs=0.02)
    assert made["metrics"]["accuracy", "A"].counts[0].trials < (frame["g"] == "A").sum()
