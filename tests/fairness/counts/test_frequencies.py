"""A row may stand for many cases: said with `count`, and asked about where it is not said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_tables import KINDS, as_csv, as_frame, cells

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError

ADMITTED = "sex,admit,n / men,yes,512 / men,no,313 / women,yes,89 / women,no,19"


@pytest.mark.parametrize("write", KINDS)
def test_a_count_multiplies_its_row(write: Callable[..., Any], tmp_path: Path) -> None:
    # Read 1 of 825 for men before, with n as trials.
    columns = Columns("sex", events="admit", count="n")
    counts = read_counts(write(ADMITTED, tmp_path), columns)
    assert cells(counts) == {"men": (825, 512), "women": (108, 89)}
    assert counts.label_of("trials") == "cases"


def test_counts_of_rows_are_those_of_the_cases_they_stand_for() -> None:
    # The same cases, once as a table of frequencies and once a row each.
    rows = pd.DataFrame({"g": list("aabbab") * 40, "k": [1, 0] * 120, "s": list("xyz") * 80})
    rows["hit"] = rows["k"] * (rows.index % 3 == 0)
    table = rows.value_counts().rename("freq").reset_index()
    columns = Columns("g", events="k", hits="hit", by="s")
    by_row, by_count = (
        read_counts(rows, columns),
        read_counts(table, Columns("g", events="k", hits="hit", by="s", count="freq")),
    )
    assert by_row.frame.to_dict("list") == by_count.frame.to_dict("list")


def test_decisions_and_scores_are_multiplied_too() -> None:
    table = as_frame("g,d,y,n / a,yes,1,5 / a,yes,0,7 / a,no,1,11 / a,no,0,13 / b,yes,1,2", Path())
    counts = read_counts(table, Columns("g", decision="d", outcome="y", count="n"))
    assert counts.measures == CONFUSION
    assert cells(counts) == {"a": (13, 7, 11, 5), "b": (0, 0, 0, 2)}
    scored = table.assign(score=[9, 8, 1, 2, 9])
    columns = Columns("g", score="score", threshold=5, outcome="y", count="n")
    assert cells(read_counts(scored, columns)) == cells(counts)


@pytest.mark.parametrize("write", [as_csv, as_frame])
@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        (ADMITTED, Columns("sex", events="admit"), "--count n; .*--count 1"),
        (ADMITTED, Columns("sex", events="admit", trials="n"), "--count n in place of --trials n"),
        (ADMITTED.replace("yes", "1").replace("no", "0"), Columns("sex", events="admit"),
         "--count n"),
        (ADMITTED.replace("yes", "1").replace("no", "0"),
         Columns("sex", events="admit", trials="n"), "--count n in place"),
        ("sex,admit,people / m,yes,512 / m,no,313",
         Columns("sex", events="admit", trials="people"), "--count people in place"),
        ("sex,admit,people / m,yes,512 / m,no,313 / w,yes,89 / w,no,19",
         Columns("sex", events="admit"), "column 'people' says.*--count people"),
        ("g,d,y,n / a,yes,1,5 / a,yes,0,7 / a,no,1,11 / a,no,0,13 / b,yes,1,2",
         Columns("g", decision="d", outcome="y"), "--count n"),
        ("Dept,Gender,Admit,Freq / A,m,yes,512 / A,m,no,313 / B,m,yes,89 / B,m,no,19 / A,w,yes,3",
         Columns("Gender", events="Admit", by="Dept"), "--count Freq"),
    ],
)  # fmt: skip
def test_a_table_of_frequencies_is_asked_about(
    text: str, columns: Columns, said: str, write: Callable[..., Any], tmp_path: Path
) -> None:
    # Read as one case a row before.
    with pytest.raises(DataError, match=said):
        read_counts(write(text, tmp_path), columns)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (ADMITTED, Columns("sex", events="admit", count="1")),
        # Counts of rare events, a row for each place.
        ("g,place,n,k / a,x,20,1 / a,y,30,0 / b,x,10,0 / b,y,90,1",
         Columns("g", trials="n", events="k")),
        # One record a row, with the number of the row, its year, an age.
        ("id,g,k / 1,a,yes / 2,a,no / 3,b,yes / 4,b,no", Columns("g", events="k")),
        ("g,k,year / a,yes,2019 / a,no,2019 / b,yes,2020 / b,no,2021", Columns("g", events="k")),
        ("g,k,age / a,yes,31 / a,no,44 / b,yes,31 / b,no,20 / b,no,52", Columns("g", events="k")),
        ("g,k,share / a,yes,.3 / a,no,.7 / b,yes,.5 / b,no,.5", Columns("g", events="k")),
    ],
)  # fmt: skip
def test_a_table_of_records_is_not_asked_about(text: str, columns: Columns, tmp_path: Path) -> None:
    assert read_counts(as_csv(text, tmp_path), columns).rows


@pytest.mark.parametrize(
    ("n", "said"),
    [("-1", "'n' has the negative value -1"), ("1.5", "'n' has values that are fractional.*weight"),
     ("many", "'many' in column 'n' is not a number")],
)  # fmt: skip
def test_a_count_is_a_whole_number(n: str, said: str, tmp_path: Path) -> None:
    table = as_csv(ADMITTED.replace("313", n), tmp_path)
    with pytest.raises(DataError, match=said):
        read_counts(table, Columns("sex", events="admit", count="n"))


def test_a_row_without_a_count_is_left_out_and_told(tmp_path: Path) -> None:
    table = as_csv(ADMITTED.replace("19", "NA"), tmp_path)
    counts = read_counts(table, Columns("sex", events="admit", count="n"))
    assert cells(counts) == {"men": (825, 512), "women": (89, 89)}
    assert any("1 of the 4 rows have no number of n" in note for note in counts.notes)
