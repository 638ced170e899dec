"""What is left out of counts: missing groups and values, totals, hits without events; and told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_tables import KINDS, as_frame, cells, each_kind

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError, UnknownName

STOPS = Columns("race", trials="stops", events="searches")
WORDS = ["", "NA", "N/A", "NaN", "None", "null", "unknown", "?", "-", ".", " Unknown "]


@pytest.mark.parametrize("write", KINDS)
def test_one_meaning_of_missing_in_every_column(write: Callable[..., Any], tmp_path: Path) -> None:
    # Before, "?" was a group, "." ended the reading, and R's group "NA" was one in a data frame.
    text = "race,d,stops,searches,day / a,x,10,1,2020-01-01 / f,x,70,7,2020-01-01"
    for word in WORDS:
        text += f" / {word},x,20,2,2020-01-01 / b,{word},30,3,2020-01-01 / c,x,{word},4,2020-01-01"
        text += f" / d,x,50,{word},2020-01-01 / e,x,60,6,{word}"
    columns = Columns("race", trials="stops", events="searches", by="d", date="day")
    counts = read_counts(write(text, tmp_path), columns)
    whole = {group: numbers for group, numbers in cells(counts).items() if numbers[0]}
    assert whole == {"a": (10, 1), "f": (70, 7)}
    many = len(WORDS)
    assert (counts.missing["rows"], counts.missing["values"]) == (2 * many, 3 * many)
    assert counts.lost == {"d": 50 * many, "e": 60 * many}


@pytest.mark.parametrize("write", KINDS)
def test_yes_or_no_may_be_missing_in_the_same_words(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    text = "g,d,y / a,yes,no / b,no,yes"
    text += "".join(f" / a,{word},no / b,no,{word}" for word in WORDS)
    counts = read_counts(write(text, tmp_path), Columns("g", decision="d", outcome="y"))
    assert cells(counts) == {"a": (0, 1, 0, 0), "b": (0, 0, 1, 0)}
    assert counts.lost == {"a": 11, "b": 11}
    told = "22 of the 24 rows have no value of d (11) or y (11) and are left out"
    assert any(note.startswith(told) for note in counts.notes)


@pytest.mark.parametrize("write", KINDS)
def test_a_number_means_missing_where_that_is_said(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    text = "g,n,k,s / 1,10,2,0.5 / 1,20,-9,0.5 / -9,30,3,0.5 / 2,-9,4,0.5 / 2,50,5,0.5"
    columns = Columns("g", trials="n", events="k", missing="-9")
    counts = read_counts(write(text, tmp_path), columns)
    assert cells(counts) == {"1": (10, 2), "2": (50, 5)}
    assert counts.missing["rows"] == 1 and counts.lost == {"1": 20}
    with pytest.raises(DataError, match=r"'n' has the negative value -9.*--missing -9"):
        read_counts(write(text, tmp_path), Columns("g", trials="n", events="k"))
    scored = "g,s,y / a,9,1 / a,-9,1 / b,1,88 / b,2,0"
    counts = read_counts(
        write(scored, tmp_path),
        Columns("g", score="s", threshold=5, outcome="y", missing=["-9", "88"]),
    )
    assert cells(counts) == {"a": (0, 0, 0, 1), "b": (1, 0, 0, 0)}


@pytest.mark.parametrize("write", KINDS)
def test_rows_without_a_group_are_kept_where_that_is_asked(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    text = "race,stops,searches / a,10,1 / NA,20,2 / ?,30,3 / b,40,4"
    columns = Columns("race", trials="stops", events="searches", keep_missing=True)
    counts = read_counts(write(text, tmp_path), columns)
    assert cells(counts) == {"a": (10, 1), "b": (40, 4), "not recorded": (50, 5)}
    assert counts.missing["rows"] == 0
    left = read_counts(write(text, tmp_path), STOPS)
    assert cells(left) == {"a": (10, 1), "b": (40, 4)} and left.missing["trials"] == 50


@pytest.mark.parametrize("write", KINDS)
def test_losses_are_told_by_group_and_in_trials(write: Callable[..., Any], tmp_path: Path) -> None:
    text = "race,stops,searches / Black,100,10 / White,200, / Asian,50,"
    counts = read_counts(write(text, tmp_path), STOPS)
    assert counts.lost == {"White": 200, "Asian": 50}
    (note,) = counts.notes
    assert note == (
        "250 of the 350 stops have no number of searches and are left out: "
        "50 of 50 of Asian, 200 of 200 of White."
    )


def test_losses_in_strata_and_by_count_are_added_up() -> None:
    text = "g,d,k,n / a,x,yes,5 / a,y,,7 / a,y,no,2 / b,x,,11 / b,y,no,13"
    columns = Columns("g", events="k", by="d", count="n")
    counts = read_counts(as_frame(text, Path()), columns)
    assert counts.lost == {"a": 7, "b": 11}
    assert any(note.startswith("18 of the 38 cases have no") for note in counts.notes)


TOTALS = "race,stops,searches / a,100,10 / b,200,5 / c,50,1 / {name},350,16"


@pytest.mark.parametrize(
    ("write", "name"),
    each_kind("Total", "TOTAL:", "All", "Sum", "Insgesamt", "Gesamt", "Total, all", "Ensemble"),
)
def test_a_row_of_totals_is_left_out_by_name(
    name: str, write: Callable[..., Any], tmp_path: Path
) -> None:
    # Counted as a group before, the largest and so the one that all were compared with.
    text = TOTALS.format(name=f'"{name}"')
    counts = read_counts(write(text, tmp_path), STOPS)
    assert cells(counts) == {"a": (100, 10), "b": (200, 5), "c": (50, 1)}
    assert counts.notes == (f"Left out are rows that add up the others: “{name}”.",)
    assert counts.rows == 3


def test_totals_of_strata_counts_and_crossed_groups_are_left_out() -> None:
    text = "g,d,n,k / a,x,10,1 / b,x,20,2 / Total,x,30,3 / a,y,1,0 / b,y,2,0 / Total,y,3,0"
    text += " / a,All,11,1 / b,All,22,2 / Total,All,33,3"
    frame = as_frame(text, Path())
    counts = read_counts(frame, Columns("g", trials="n", events="k", by="d"))
    assert cells(counts) == {"a": (11, 1), "b": (22, 2)} and counts.strata == ("x", "y")
    crossed = read_counts(frame, Columns(["g", "d"], trials="n", events="k"))
    assert crossed.groups == ("a, x", "a, y", "b, x", "b, y")
    frequencies = as_frame(
        "g,k,n / a,yes,3 / a,no,4 / b,yes,5 / b,no,6 / Total,yes,8 / Total,no,10", Path()
    )
    counts = read_counts(frequencies, Columns("g", events="k", count="n"))
    assert cells(counts) == {"a": (7, 3), "b": (11, 5)}


def test_a_group_that_may_be_a_total_is_asked_about() -> None:
    frame = as_frame(TOTALS.format(name="Berlin"), Path())
    with pytest.raises(
        DataError, match=r"'Berlin' has the numbers of all the others.*--except Ber"
    ):
        read_counts(frame, STOPS)
    named = Columns("race", trials="stops", events="searches", only=("a", "b", "c", "Berlin"))
    assert len(read_counts(frame, named).groups) == 4
    rows = pd.DataFrame({"g": ["a", "b", "All", "All"], "k": [1, 0, 1, 0]})
    with pytest.raises(DataError, match="'All' is named like a total"):
        read_counts(rows, Columns("g", events="k"))
    assert read_counts(rows, Columns("g", events="k", except_="All")).groups == ("a", "b")


def test_groups_that_happen_to_add_up_in_one_measure_are_not_totals() -> None:
    frame = as_frame("g,n,k / a,100,10 / b,200,5 / c,300,16", Path())
    assert len(read_counts(frame, Columns("g", trials="n", events="k")).groups) == 3


def test_groups_are_chosen_and_left_out() -> None:
    frame = as_frame("g,k / a,yes / b,no / c,yes / NA,yes", Path())
    kept = read_counts(frame, Columns("g", events="k", only=("c", "a")))
    assert kept.groups == ("a", "c") and kept.missing["rows"] == 1
    assert kept.notes == ("Only these groups are counted: c, a.",)
    assert read_counts(frame, Columns("g", events="k", except_="b")).groups == ("a", "c")
    with pytest.raises(UnknownName, match=r"Unknown g 'aa'. Did you mean 'a'"):
        read_counts(frame, Columns("g", events="k", except_=["aa"]))
    with pytest.raises(DataError, match="both kept and left out"):
        read_counts(frame, Columns("g", events="k", only="a", except_="a"))


def test_what_is_wrong_in_a_group_that_is_left_out_stops_nothing() -> None:
    frame = as_frame("g,n,k / a,9,1 / b,5,7 / c,3,1", Path())
    counts = read_counts(frame, Columns("g", trials="n", events="k", except_="b"))
    assert cells(counts) == {"a": (9, 1), "c": (3, 1)}


@pytest.mark.parametrize("write", KINDS)
def test_hits_outside_events_are_told_and_not_counted(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    # Blocked the whole file before: "a part is larger than its whole".
    text = "race,s,f / a,yes,yes / a,no,yes / a,yes,yes / b,yes,yes / b,no,"
    counts = read_counts(write(text, tmp_path), Columns("race", events="s", hits="f"))
    assert cells(counts) == {"a": (3, 2, 2), "b": (2, 1, 1)}
    assert counts.notes == ("1 f without s are not counted as hits: 1 of a.",)


def test_hits_that_are_mostly_outside_events_are_refused() -> None:
    frame = as_frame("g,s,f / a,no,yes / a,no,yes / a,yes,yes / b,no,no", Path())
    with pytest.raises(DataError, match=r"Of 3 f, 2 are in rows without s.*which column is which"):
        read_counts(frame, Columns("g", events="s", hits="f"))
