"""Words for yes and no, and numbers as text: read as said, and asked about otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_tables import KINDS, as_csv, as_frame, as_texts, cells, each_kind

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError

STOPS = Columns("g", trials="n", events="k")


CODES = [(write, *code) for write in KINDS for code in (("2", "1"), ("0", "1"))]


@pytest.mark.parametrize(
    ("write", "yes", "no"),
    [*each_kind(("Admitted", "Rejected"), ("High", "Low"), ("ja", "nein"), ("-1", "1")), *CODES],
)
def test_yes_and_no_are_the_words_that_are_said(
    yes: str, no: str, write: Callable[..., Any], tmp_path: Path
) -> None:
    text = f"g,k / a,{yes} / a,{no} / a,{yes.upper()} / b,{no} / b,"
    columns = Columns("g", events="k", yes=yes, no=no)
    assert cells(read_counts(write(text, tmp_path), columns)) == {"a": (3, 2), "b": (1, 0)}
    text = f"g,d,k / a,{yes},{yes} / a,{no},{yes} / b,{yes},{no}"
    columns = Columns("g", decision="d", outcome="k", yes=yes, no=no)
    counts = read_counts(write(text, tmp_path), columns)
    assert cells(counts) == {"a": (0, 0, 1, 1), "b": (0, 1, 0, 0)}


@pytest.mark.parametrize("write", KINDS)
def test_several_words_mean_yes_and_everything_else_no(
    write: Callable[..., Any], tmp_path: Path
) -> None:
    text = "g,d,y / a,High,1 / a,Medium,0 / a,Low,1 / b,Low,0 / b,NA,0"
    columns = Columns("g", decision="d", outcome="y", yes=("High", "Medium"), no="Low")
    expected = {"a": (0, 1, 1, 1), "b": (1, 0, 0, 0)}
    assert cells(read_counts(write(text, tmp_path), columns)) == expected
    only_yes = Columns("g", decision="d", outcome="y", yes=("high", "medium"))
    assert cells(read_counts(write(text, tmp_path), only_yes)) == expected
    assert "no: everything but high, medium" in only_yes.in_words()
    only_no = Columns("g", decision="d", outcome="y", no="Low")
    assert cells(read_counts(write(text, tmp_path), only_no)) == expected


@pytest.mark.parametrize(
    ("write", "one", "other"),
    [
        *each_kind(("Admitted", "Rejected"), ("ja", "nein"), ("Low", "High"), ("0", "9")),
        *((write, "1", "2") for write in KINDS),
    ],
)
def test_two_values_are_asked_about_with_the_options_that_say_it(
    one: str, other: str, write: Callable[..., Any], tmp_path: Path
) -> None:
    text = f"g,d,k,y / a,{one},{one},1 / a,{other},{other},0 / b,{other},{other},1"
    for columns in (Columns("g", events="k"), Columns("g", decision="k", outcome="y")):
        with pytest.raises(DataError) as caught:
            read_counts(write(text, tmp_path), columns)
        message = str(caught.value)
        assert f"--yes {one} --no {other}" in message and f"--yes {other} --no {one}" in message


def test_two_codings_in_one_column_are_refused() -> None:
    # 1 is no here, and 0 usually is.
    frame = as_frame("g,d,y / a,1,1 / a,2,0 / b,2,1", Path())
    with pytest.raises(DataError, match=r"'y' holds the given words.*and others"):
        read_counts(frame, Columns("g", decision="d", outcome="y", yes="2", no="1"))
    with pytest.raises(DataError, match="'d' holds the given words"):
        read_counts(frame, Columns("g", decision="d", outcome="y", yes="2"))


def test_a_word_means_one_thing() -> None:
    for columns, said in (
        (Columns("g", events="k", yes="a", no="A "), "'a' cannot mean both yes and no"),
        (Columns("g", events="k", no="-9", missing="-9"), "both no and missing"),
    ):
        with pytest.raises(DataError, match=said):
            read_counts(as_frame("g,k / a,a", Path()), columns)


def test_numbers_and_yes_in_one_column_are_refused() -> None:
    frame = as_texts("g,n,k / a,9,yes / b,8,5", Path())
    with pytest.raises(DataError, match="'k' holds yes and no in words in 1 rows, and numbers"):
        read_counts(frame, STOPS)


@pytest.mark.parametrize("write", [as_csv, as_texts])
@pytest.mark.parametrize(
    ("numbers", "options", "expected"),
    [
        (("15.000", "11.000"), {"thousands": "."}, (15000, 11000)),
        (("15.000", "11.000"), {"decimal": "."}, (15, 11)),
        (("15.000", "900"), {"thousands": "."}, (15000, 900)),
        (("1.234.567", "11.000"), {"thousands": "."}, (1234567, 11000)),
        (('"1,234"', '"15,000"'), {"thousands": ","}, (1234, 15000)),
        (('"1,234"', "567"), {"thousands": ","}, (1234, 567)),
        (('"15,000"', '"7,0"'), {"decimal": ","}, (15, 7)),
        (("15 000", "900"), {"thousands": " "}, (15000, 900)),
        (("15'000", "900"), {"thousands": "'"}, (15000, 900)),
        (('"15.000,0"', "900"), {"thousands": "."}, (15000, 900)),
        (("15.0", "11.0"), {}, (15, 11)),
        (("15.000", "11.5000"), {"decimal": ",", "thousands": "."}, None),
    ],
)  # fmt: skip
def test_numbers_are_read_in_the_signs_that_are_said(
    numbers: tuple[str, str],
    options: dict[str, str],
    expected: tuple[int, int] | None,
    write: Callable[..., Any],
    tmp_path: Path,
) -> None:
    text = f"g,n,k / a,{numbers[0]},1 / b,{numbers[1]},2"
    table = write(text, tmp_path)
    if isinstance(table, pd.DataFrame):
        table = table.apply(lambda column: column.str.strip('"'))
    columns = Columns("g", trials="n", events="k", **options)
    if expected is None:
        with pytest.raises(DataError, match=r"'11.5000' in column 'n'"):
            read_counts(table, columns)
    else:
        assert tuple(read_counts(table, columns)["trials"]) == expected


@pytest.mark.parametrize("write", [as_csv, as_texts])
@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("15.000", "11.000", r"--thousands \. or --decimal \."),
        ("15.000", "900", r"--thousands \. or --decimal \."),
        ("1.234.567", "11.000", r"--thousands \. or --decimal \."),
        ('"1,234"', '"2,500"', '--thousands "," or --decimal ","'),
        ('"1,234"', "567", '--thousands "," or --decimal ","'),
        ("15 000", "900", '--thousands " "'),
    ],
)
def test_thousands_are_asked_about_and_never_read_as_ones(
    one: str, other: str, said: str, write: Callable[..., Any], tmp_path: Path
) -> None:
    # 15.000 was 15 before, and 1,234 a word that is neither yes nor no.
    text = f"g,n,k,c / a,{one},1,yes / b,{other},2,no"
    table = write(text, tmp_path)
    if isinstance(table, pd.DataFrame):
        table = table.apply(lambda column: column.str.strip('"'))
    for columns in (STOPS, Columns("g", events="c", count="n")):
        with pytest.raises(DataError, match=said):
            read_counts(table, columns)


def test_shares_with_three_decimals_are_asked_nothing(tmp_path: Path) -> None:
    text = "g,s,y / a,0.795,1 / a,0.667,0 / b,1.000,1"
    columns = Columns("g", score="s", threshold=0.7, outcome="y")
    assert cells(read_counts(as_csv(text, tmp_path), columns)) == {
        "a": (1, 0, 0, 1),
        "b": (0, 0, 0, 1),
    }


def test_a_sign_of_numbers_is_one_of_a_few() -> None:
    frame = as_frame("g,n,k / a,9,1", Path())
    for options, said in (
        ({"thousands": "x"}, "not 'x'"),
        ({"thousands": ",", "decimal": ","}, "cannot be both"),
    ):
        with pytest.raises(DataError, match=said):
            read_counts(frame, Columns("g", trials="n", events="k", **options))
