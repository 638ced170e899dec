"""Groups and strata that have an order keep it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from small_tables import as_csv

from plausible.fairness.counts.answer.groups import in_order
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.levels import count_levels
from plausible.fairness.counts.reading import read_counts

ORDERED = [
    ["under 18", "18-24", "25–44", "45 to 64", "65+"],
    ["(-inf, 17]", "(17, 65]", "(65, inf]"],
    ["[0,100)", "[100,200)", "[1000,2000)"],
    ["<18", "18 – 64", "≥ 65"],
    ["unter 18", "18 bis 64", "65 und älter"],
    ["0-4 years", "5-9 years", "10-14 years", "85 years and over"],
    ["1", "2", "10"],
    ["-5", "2.5", "10"],
    ["less than $10,000", "$10,000 – $19,999", "$100,000 or more"],
    ["b", "c 10", "c 9"],  # letters
    ["18-24", "25-44", "not asked", "not recorded"],
]


@pytest.mark.parametrize("names", ORDERED, ids=lambda names: names[0])
def test_names_that_are_numbers_stand_in_the_order_of_numbers(names: list[str]) -> None:
    # Seen failing in the order of letters, in which 10 comes before 2 and "65+" before "under 18".
    random = np.random.default_rng(0)
    for _ in range(5):
        assert in_order(list(random.permutation(names))) == names


def test_groups_of_a_file_keep_the_order_of_their_numbers(tmp_path: Path) -> None:
    text = "age,d,k / 65+,9,1 / under 18,10,0 / 18-64,9,0 / 65+,10,1"
    counts = read_counts(as_csv(text, tmp_path), Columns("age", events="k", by="d"))
    assert counts.groups == ("under 18", "18-64", "65+") and counts.strata == ("9", "10")
    assert counts["trials"].tolist() == [1, 1, 2]
    assert counts.cells("trials").tolist() == [[0, 1, 1], [1, 0, 1]]


def test_categories_of_a_data_frame_keep_their_order() -> None:
    kinds = ["low", "medium", "high"]
    frame = pd.DataFrame({"risk": pd.Categorical(["high", "low", "medium", "high"], kinds)})
    frame["k"], frame["age"] = [1, 0, 1, 0], [3, 9, 40, 90]
    assert list(read_counts(frame, Columns("risk", events="k")).groups) == kinds
    frame["band"] = pd.cut(frame["age"], [0, 5, 10, 100])
    bands = read_counts(frame, Columns("band", events="k"))
    assert bands.groups == ("(0, 5]", "(5, 10]", "(10, 100]")
    strata = read_counts(frame.assign(g="a"), Columns("g", events="k", by="risk"))
    assert list(strata.strata) == kinds
    crossed = read_counts(frame, Columns(["risk", "band"], events="k"))
    assert crossed.groups == (
        "low, (5, 10]", "medium, (10, 100]", "high, (0, 5]", "high, (10, 100]"
    )  # fmt: skip


def test_other_libraries_and_parquet_keep_the_order_of_categories(tmp_path: Path) -> None:
    kinds = ["low", "medium", "high"]
    risk = pd.Categorical(["high", "low", "medium", "high"], kinds, ordered=True)
    frame = pd.DataFrame({"risk": risk, "k": [1, 0, 1, 0]})
    frame.to_parquet(tmp_path / "risk.parquet")
    arrow = pyarrow.Table.from_pandas(frame)
    polars = pytest.importorskip("polars")
    enum = polars.from_pandas(frame.astype({"risk": str})).cast({"risk": polars.Enum(kinds)})
    for source in (frame, tmp_path / "risk.parquet", arrow, enum, enum.lazy()):
        assert list(read_counts(source, Columns("risk", events="k")).groups) == kinds


def test_levels_of_a_score_keep_the_order_of_the_groups_and_of_the_levels() -> None:
    kinds = ["low", "high"]
    frame = pd.DataFrame({"risk": pd.Categorical(kinds * 50, kinds), "s": range(100)})
    frame["y"] = frame["s"] % 3 == 0
    levels = count_levels(frame, Columns("risk", score="s", threshold=50, outcome="y"))
    assert list(levels.groups) == kinds
    assert list(levels.strata) == sorted(levels.strata, key=float)


def test_a_group_of_whole_numbers_has_no_point() -> None:
    # pandas makes them fractional where one is missing.
    frame = pd.DataFrame({"g": [1, 2, None], "k": [1, 0, 1]})
    assert read_counts(frame, Columns("g", events="k")).groups == ("1", "2")
    assert read_counts(frame.assign(g=[0.5, 1, 2]), Columns("g", events="k")).groups == (
        "0.5",
        "1",
        "2",
    )
