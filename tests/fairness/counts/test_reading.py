"""Counts of any table equal those of pandas, and bad tables are refused in a sentence."""

import datetime
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
import sqlglot

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import CONFUSION, Counts
from plausible.fairness.counts.reading import counting_query, open_table, read_counts
from plausible.inference.errors import DataError, PlausibleError, UnknownName

STOPS = Columns("race", events="searched", hits="found")


def stops(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Stops with missing groups, and with nothing noted of hits where nobody was searched."""
    random = np.random.default_rng(seed)
    searched = random.random(rows) < 0.4
    found = pd.array(random.random(rows) < 0.3, dtype="boolean")
    found[~searched] = pd.NA
    return pd.DataFrame(
        {
            "race": random.choice(["Ä & B", "<b>C</b>", "人", None], rows, p=[0.5, 0.3, 0.1, 0.1]),
            "department": random.choice(["north", "south"], rows),
            "day": [datetime.date(2020, 1, 1) + datetime.timedelta(int(d)) for d in range(rows)],
            "searched": searched,
            "found": found,
            "score": random.random(rows).round(2),
        }
    )


def as_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(path := folder / "stops [1]*.csv", index=False)
    return path


def as_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(path := folder / "stops.parquet")
    return path


def as_folder(frame: pd.DataFrame, folder: Path) -> Path:
    for i, part in enumerate(np.array_split(np.arange(len(frame)), 3)):
        (folder / "parts" / f"year={i}").mkdir(parents=True)
        frame.iloc[part].to_parquet(folder / "parts" / f"year={i}" / "part.parquet")
    return folder / "parts"


def as_ibis(frame: pd.DataFrame, folder: Path) -> ibis.Table:
    return ibis.duckdb.connect().read_parquet(str(as_parquet(frame, folder)))


def as_frame(frame: pd.DataFrame, _: Path) -> pd.DataFrame:
    return frame


def cells(counts: Counts, *measures: str) -> dict[str, tuple[int, ...]]:
    return {g: tuple(int(counts[m][i]) for m in measures) for i, g in enumerate(counts.groups)}


@pytest.mark.parametrize("write", [as_csv, as_parquet, as_folder, as_ibis, as_frame])
def test_rows_count_as_pandas_counts_them(write: Callable[..., Any], tmp_path: Path) -> None:
    # Seen failing when rows with nothing noted of a hit were left out although nobody was searched.
    frame = stops()
    counts = read_counts(write(frame, tmp_path), STOPS)
    expected = {
        race: (len(part), int(part["searched"].sum()), int(part["found"].sum()))
        for race, part in frame.groupby("race")
    }
    assert cells(counts, "trials", "events", "hits") == expected
    nameless = frame[frame["race"].isna()]
    assert counts.missing == {
        "rows": len(nameless),
        "values": 0,
        "trials": len(nameless),
        "events": int(nameless["searched"].sum()),
        "hits": int(nameless["found"].sum()),
    }
    assert counts.rows == len(frame)
    assert (counts.label_of("trials"), counts.label_of("events")) == ("rows", "searched")


def test_columns_of_numbers_are_added_up(tmp_path: Path) -> None:
    frame = pd.DataFrame({"race": ["a", "a", "b"], "stops": [10, 5, 7], "searches": [2, 0, 7]})
    columns = Columns("race", trials="stops", events="searches")
    for source in (frame, frame.astype({"stops": float}), as_csv(frame, tmp_path)):
        counts = read_counts(source, columns)
        assert cells(counts, "trials", "events") == {"a": (15, 2), "b": (7, 7)}
        assert counts.label_of("trials") == "stops"


@pytest.mark.parametrize(
    ("yes", "no"), [("true", "FALSE"), ("Yes", "no "), ("t", "F"), ("y", "N"), ("1", "0"), (1, 0)]
)
def test_yes_and_no_are_read_in_many_words(yes: Any, no: Any) -> None:
    frame = pd.DataFrame({"g": ["a"] * 3, "k": [yes, no, yes]})
    assert cells(read_counts(frame, Columns("g", events="k")), "events") == {"a": (2,)}


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "null", None])
def test_a_value_that_is_missing_is_counted_as_such(missing: str | None, tmp_path: Path) -> None:
    frame = pd.DataFrame({"g": ["a", "a", "b"], "k": ["yes", missing, "no"]})
    for source in (frame, as_csv(frame, tmp_path)):
        counts = read_counts(source, Columns("g", events="k"))
        assert cells(counts, "trials", "events") == {"a": (1, 1), "b": (1, 0)}
        assert (counts.missing["rows"], counts.missing["values"], counts.rows) == (0, 1, 3)


def test_a_number_that_is_not_one_is_missing() -> None:
    # Parquet files hold NaN besides null, and a sum over NaN is NaN.
    frame = pd.DataFrame({"g": ["a", "a"], "n": [4.0, np.nan], "k": [1.0, 0.0]})
    connection = ibis.duckdb.connect()
    connection.raw_sql(
        "create view stops as select 'a' as g, 4.0::double as n, 1 as k "
        "union all select 'a', 'nan'::double, 0"
    )
    for source in (frame, connection.table("stops")):
        counts = read_counts(source, Columns("g", trials="n", events="k"))
        assert cells(counts, "trials", "events") == {"a": (4, 1)}
        assert counts.missing["values"] == 1


def test_decisions_and_outcomes_make_the_four_cells() -> None:
    frame = stops(2000)
    frame["outcome"] = np.random.default_rng(1).random(len(frame)) < 0.5
    by_decision = read_counts(frame, Columns("race", decision="searched", outcome="outcome"))
    by_score = read_counts(frame, Columns("race", score="score", threshold=0.8, outcome="outcome"))
    for counts, decision in ((by_decision, frame["searched"]), (by_score, frame["score"] > 0.8)):
        table = frame.assign(cell=decision.astype(int) + 2 * frame["outcome"])
        expected = {
            race: tuple((part["cell"] == i).sum() for i in range(4))
            for race, part in table.groupby("race")
        }
        assert cells(counts, *CONFUSION) == expected


def test_a_decision_without_an_outcome_is_left_out_and_counted() -> None:
    frame = pd.DataFrame({"g": ["a"] * 4, "d": [True, False, True, None], "y": [1, None, None, 1]})
    counts = read_counts(frame, Columns("g", decision="d", outcome="y"))
    assert cells(counts, *CONFUSION) == {"a": (0, 0, 0, 1)}
    assert counts.missing["values"] == 3


def test_strata_and_crossed_groups() -> None:
    frame = stops()
    counts = read_counts(frame, Columns("race", events="searched", by="department"))
    expected = frame.pivot_table("searched", "department", "race", "sum", fill_value=0)
    assert counts.strata == ("north", "south")
    got = pd.DataFrame(counts.cells("events"), counts.strata, counts.groups)
    assert (got[expected.columns] == expected).all(axis=None)
    crossed = read_counts(frame, Columns(["race", "department"], events="searched"))
    assert crossed.group == "race and department"
    assert cells(crossed, "events")["人, north"] == (int(expected.loc["north", "人"]),)


@pytest.mark.parametrize("write", [as_csv, as_parquet, as_frame])
def test_only_the_days_that_are_asked_for_count(write: Callable[..., Any], tmp_path: Path) -> None:
    frame = stops()
    columns = Columns("race", events="searched", date="day", since="2020-02-01", until="2020-03-31")
    counts = read_counts(write(frame, tmp_path), columns)
    days = pd.to_datetime(frame["day"])
    inside = frame[(days >= "2020-02-01") & (days <= "2020-03-31")]
    assert counts.rows == len(inside) == 60
    assert counts["trials"].sum() == inside["race"].notna().sum()


def test_a_row_without_a_day_is_left_out_and_counted() -> None:
    # Seen failing when a missing day was outside every interval and so dropped in silence.
    frame = pd.DataFrame(
        {"g": list("aaa"), "k": [1, 1, 0], "d": ["2020-05-01", None, "2021-01-01"]}
    )
    counts = read_counts(frame, Columns("g", events="k", date="d", until="2020-12-31"))
    assert cells(counts, "trials", "events") == {"a": (1, 1)}
    assert counts.missing["values"] == 1


def test_ten_thousand_groups_and_a_single_one() -> None:
    frame = pd.DataFrame({"g": np.arange(30_000) % 10_000, "k": np.arange(30_000) % 2})
    counts = read_counts(frame, Columns("g", events="k"))
    assert len(counts.groups) == 10_000 and set(counts["trials"]) == {3}
    assert cells(read_counts(frame.assign(g="only"), Columns("g", events="k")), "trials") == {
        "only": (30_000,)
    }


def test_a_table_of_a_database_is_counted_there(tmp_path: Path) -> None:
    frame = stops()
    connection = ibis.duckdb.connect(tmp_path / "stops.db")
    connection.con.register("frame", frame)
    connection.raw_sql("create table stops as select * from frame")
    connection.disconnect()
    address = f"duckdb://{tmp_path / 'stops.db'}?table=stops"
    assert cells(read_counts(address, STOPS), "hits") == cells(read_counts(frame, STOPS), "hits")
    with pytest.raises(UnknownName, match="Did you mean 'stops'"):
        read_counts(address.replace("table=stops", "table=stop"), STOPS)
    with pytest.raises(DataError, match=r"Which table\? .*\?table=NAME"):
        read_counts(address.partition("?")[0], STOPS)
    with pytest.raises(DataError, match="could not be read"):
        read_counts(address.replace("stops.db", "none.db"), STOPS)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("dialect", ["bigquery", "postgres", "pyspark", "trino"])
@pytest.mark.parametrize(
    "columns",
    [
        STOPS,
        Columns(["race", "department"], decision="searched", outcome="found"),
        Columns("race", events="searched", by="department", date="day", since="2020-02-01"),
    ],
    ids=["rates", "decisions", "days"],
)
def test_the_query_compiles_for_other_databases(dialect: str, columns: Columns) -> None:
    # The compiled text, read back by a parser of that dialect and run on DuckDB, counts the same.
    frame = stops()
    schema = {
        "race": "string", "department": "string", "day": "date", "searched": "boolean",
        "found": "boolean", "score": "float64",
    }  # fmt: skip
    sql = ibis.to_sql(counting_query(ibis.table(schema, name="stops"), columns), dialect=dialect)
    read = {"pyspark": "spark"}.get(dialect, dialect)
    assert len(sqlglot.parse(str(sql), read=read)) == 1
    (text,) = sqlglot.transpile(str(sql), read=read, write="duckdb")
    connection = ibis.duckdb.connect()
    connection.con.register("stops", frame)
    there = connection.con.execute(text).df()
    here = counting_query(open_table(frame), columns).execute()
    keys = [name for name in here if name.startswith("g") or name == "by"]
    both = [
        table[list(here.columns)].astype(object).where(table.notna(), None).sort_values(keys)
        for table in (here, there)
    ]
    assert both[0].to_numpy().tolist() == both[1].to_numpy().tolist()


def test_reading_leaves_no_default_behind() -> None:
    before = ibis.options.default_backend
    read_counts(stops(), STOPS)
    assert ibis.options.default_backend is before


GOOD = pd.DataFrame(
    {"race": ["a", "b"], "stops": [10, 20], "searches": [2, 3], "hits": [1, 0], "day": ["x", "y"]}
)
NUMBERS = Columns("race", trials="stops", events="searches", hits="hits")


@pytest.mark.parametrize(
    ("changes", "columns", "said"),
    [
        ({}, Columns("rase", events="searches"), "Unknown column 'rase'. Did you mean 'race'"),
        ({}, Columns("race", trials="stop", events="searches"), "Did you mean 'stops'"),
        ({}, Columns("race"), "Nothing to count"),
        ({}, Columns("race", events="searches"), "column of trials"),
        ({}, Columns("race", trials="searches", events="stops"), "searches ≥ stops"),
        ({}, Columns("race", outcome="hits"), "decision or a score"),
        ({}, Columns("race", decision="hits"), "outcome"),
        ({}, Columns("race", score="stops", outcome="hits"), "threshold"),
        ({}, Columns("race", score="stops", threshold=np.nan, outcome="hits"), "finite.*nan"),
        ({}, Columns("race", events="hits", by="race"), "'race' is named twice"),
        ({}, Columns("race", trials="hits", events="hits"), "'hits' is named twice"),
        ({"day": "01/02/2020"}, Columns("race", events="hits", date="day"), "2 values of.*'day'"),
        ({}, Columns("race", score="day", threshold=1, outcome="hits"), "a number is needed"),
        ({}, Columns("race", events="hits", outcome="searches"), "not both"),
        ({}, Columns([], events="hits"), "group"),
        ({}, Columns("race", events="hits", since="2020-01-01"), "column of dates"),
        ({}, Columns("race", events="hits", date="day"), "2 values of column 'day'.*YYYY-MM-DD"),
        ({}, Columns("race", events="hits", date="stops"), "'stops' holds int64, but days"),
        ({"day": "2020-01-01"}, Columns("race", events="hits", date="day", since="2020-13-01"),
         "'2020-13-01'.*YYYY-MM-DD"),
        ({"day": "2020-01-01"}, Columns("race", events="hits", date="day", since="2021-01-01"),
         "no rows.*2021-01-01"),
        ({"searches": [-1, 3]}, NUMBERS, "'searches'.*negative value -1"),
        ({"searches": [1.5, 3.0]}, NUMBERS, "'searches'.*fractional"),
        ({"searches": [11, 3]}, NUMBERS, "1 of 2 rows.*a.*stops ≥ searches"),
        ({"searches": [np.inf, 3]}, NUMBERS, "searches"),
        ({"hits": [3, 0]}, NUMBERS, "searches ≥ hits"),
        ({"race": [None, None]}, NUMBERS, "None of the 2 rows.*2 have no race"),
        ({"hits": ["yes", "maybe"]}, Columns("race", events="hits"), "'maybe'.*'hits'.*neither"),
        ({"hits": [1, 2]}, Columns("race", decision="hits", outcome="stops"), "2.*'hits'.*neither"),
        ({"hits": [[1], [2]]}, Columns("race", events="hits"), "'hits' holds array"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_a_sentence(
    changes: dict[str, Any], columns: Columns, said: str
) -> None:
    with pytest.raises(PlausibleError, match=said):
        read_counts(GOOD.assign(**changes), columns)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "There is no file"),
        ("empty.csv", b"", "is empty"),
        ("header.csv", b"race,stops,searches,hits\n", "no rows"),
        ("other.parquet", b"race,stops\na,1\n", "Parquet"),
        ("empty.parquet", b"", "empty"),
        ("torn.parquet", b"PAR1 and then nothing", "could not be read"),
        ("sheet.csv", b"PK\x03\x04 a workbook", r"workbook or an archive.*end in '\.xlsx'"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text"),
        ("latin.csv", "race,stops,searches,hits\nÄ,1,1,1\n".encode("latin-1"), "utf-8.*for each"),
        ("ragged.csv", b'race,stops,searches,hits\n"a,1,1,1\nb,2\n', "do not split into columns"),
        ("two.csv", b"race,stops,searches,hits\na,1,1,1\nb,2,1\n", "do not split.*every row has"),
        ("packed.csv", gzip.compress(b"race,stops\na,1\n", mtime=0), r"has to end in '\.gz'"),
        ("late.csv", b"race,stops,searches,hits\n" + b"a,1,1,1\n" * 30_000 + b"a,x,1,1\n",
         "'x' in column 'stops' is neither"),
        ("data.json", b'{"race": "a", "stops": 1}', "column"),
    ],
)  # fmt: skip
def test_files_that_are_not_what_they_say(
    name: str, content: bytes | None, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PlausibleError, match=said) as caught:
        read_counts(tmp_path / name, NUMBERS)
    assert "\n" not in str(caught.value)


def test_lines_of_a_file_are_neither_skipped_nor_taken_for_remarks(tmp_path: Path) -> None:
    # Seen failing with the reader's own guesses: the first 3 rows were skipped, "#c" was a remark.
    (tmp_path / "two.csv").write_text("race,k\na,1\na,1\nb,0\nrace,k,z\na,1,2\nb,0,2\n")
    with pytest.raises(DataError, match="do not split into columns like 'race,k'"):
        read_counts(tmp_path / "two.csv", Columns("race", events="k"))
    (tmp_path / "remark.csv").write_text("# k\nrace,k\na,1\n#c,1\n")
    with pytest.raises(UnknownName, match="Accepted: # k"):
        read_counts(tmp_path / "remark.csv", Columns("race", events="k"))


def test_a_group_may_turn_into_text_late_in_a_file(tmp_path: Path) -> None:
    # Seen failing when the first 20,480 rows made it a number.
    (tmp_path / "late.csv").write_text("race,k\n" + "12,1\n" * 25_000 + "14A,1\n")
    counts = read_counts(tmp_path / "late.csv", Columns("race", events="k"))
    assert cells(counts, "events") == {"12": (25_000,), "14A": (1,)}


def test_days_are_not_guessed(tmp_path: Path) -> None:
    # Seen failing when 01/02/2020 was the first of February, or of January, as other rows had it.
    columns = Columns("race", events="k", date="day", since="2020-02-01")
    (tmp_path / "days.csv").write_text("race,k,day\na,1,01/02/2020\nb,0,03/04/2020\n")
    with pytest.raises(DataError, match="Write them as YYYY-MM-DD"):
        read_counts(tmp_path / "days.csv", columns)
    (tmp_path / "days.csv").write_text("race,k,day\na,1,2020-02-01T23:30-05:00\nb,0,2020-01-31\n")
    assert cells(read_counts(tmp_path / "days.csv", columns), "events") == {"a": (1,)}


def test_a_group_of_nothing_but_spaces_is_missing() -> None:
    frame = pd.DataFrame({"g": ["a", "a ", " ", ""], "k": [1, 0, 1, 1]})
    counts = read_counts(frame, Columns("g", events="k"))
    assert cells(counts, "trials") == {"a": (1,), "a ": (1,)} and counts.missing["rows"] == 2


def test_intervals_and_mixed_names_are_text() -> None:
    frame = pd.DataFrame({"g": [1, "a", None], "k": [1, 0, 1], "age": [10, 20, 30]})
    frame["band"] = pd.cut(frame["age"], [0, 15, 40])
    assert cells(read_counts(frame, Columns("g", events="k")), "trials") == {"1": (1,), "a": (1,)}
    bands = read_counts(frame, Columns("band", events="k"))
    assert cells(bands, "trials") == {"(0, 15]": (1,), "(15, 40]": (2,)}
    with pytest.raises(DataError, match="two columns named '0'"):
        read_counts(pd.DataFrame([[1, 2]], columns=[0, "0"]), Columns("0", events="1"))


def test_a_folder_of_folders_of_parquet(tmp_path: Path) -> None:
    (tmp_path / "2020.parquet").mkdir()
    stops().to_parquet(tmp_path / "2020.parquet" / "part-0.parquet")
    assert read_counts(tmp_path, STOPS).rows == 400


def test_a_parquet_file_by_another_name(tmp_path: Path) -> None:
    as_parquet(stops(), tmp_path).rename(tmp_path / "stops.csv")
    with pytest.raises(DataError, match=r"stops\.csv is a Parquet file.*'?\.csv'?\. Rename it"):
        read_counts(tmp_path / "stops.csv", STOPS)


def test_an_empty_folder_and_things_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no Parquet files"):
        read_counts(tmp_path, STOPS)
    with pytest.raises(DataError, match="not a list"):
        read_counts([1, 2], STOPS)
    with pytest.raises(DataError, match="two columns named 'race'"):
        read_counts(stops().set_axis([*"abcd", "race", "race"], axis=1), STOPS)
    with pytest.raises(DataError, match="no rows"):
        read_counts(stops()[:0], STOPS)
    with pytest.raises(DataError, match="could not be read"):
        read_counts("nowhere://x?table=stops", STOPS)


def test_counts_name_their_file_or_what_it_is_called(tmp_path: Path) -> None:
    # Seen failing with the label ignored.
    path = tmp_path / "stops.csv"
    stops().to_csv(path, index=False)
    assert "stops.csv" in read_counts(path, STOPS).source
    assert read_counts(path, STOPS, label="Stops of 2020").source == "Stops of 2020"
