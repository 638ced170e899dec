"""Text files as people have them: other letters, lines around the table, no names, names twice."""

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from small_tables import cells

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts
from plausible.fairness.counts.text_file import TextFile
from plausible.inference.errors import DataError, UnknownName

TABLE = "race,stops,searches\nÄthiopisch,100,10\nWeiß,200,5\n"
AROUND = f"Stops by race, 2020\n\n{TABLE}\nSource: the police, as of May\nNot all are known.\n\n"
STOPS = Columns("race", trials="stops", events="searches")
EXPECTED = {"Weiß": (200, 5), "Äthiopisch": (100, 10)}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1250", "utf-16", "utf-8-sig"])
def test_letters_are_those_of_the_encoding(encoding: str, tmp_path: Path) -> None:
    (path := tmp_path / "stops.csv").write_bytes(TABLE.encode(encoding))
    assert cells(read_counts(TextFile(path, encoding), STOPS)) == EXPECTED


def test_lines_above_and_below_the_table_are_left_out(tmp_path: Path) -> None:
    (path := tmp_path / "stops.csv").write_text(AROUND, encoding="utf-8")
    assert cells(read_counts(TextFile(path, skip=2, skip_end=2), STOPS)) == EXPECTED
    for file in (path, TextFile(path, skip=2)):
        with pytest.raises(DataError, match="--skip and --skip-end"):
            read_counts(file, STOPS)


def test_only_the_lines_that_are_said_are_left_out(tmp_path: Path) -> None:
    (path := tmp_path / "stops.csv").write_text(TABLE, encoding="utf-8")
    assert read_counts(TextFile(path, skip_end=1), STOPS).groups == ("Äthiopisch",)
    names = ("race", "stops", "searches")
    assert read_counts(TextFile(path, skip=2, names=names), STOPS).groups == ("Weiß",)


def test_columns_without_names_get_them(tmp_path: Path) -> None:
    (path := tmp_path / "stops.csv").write_text("Ä,100,10\n1,200,5\n", encoding="utf-8")
    counts = read_counts(TextFile(path, names=("race", "stops", "searches")), STOPS)
    assert cells(counts) == {"1": (200, 5), "Ä": (100, 10)}
    with pytest.raises(DataError, match=r"does not name its columns.*--names a,b,c"):
        read_counts(path, STOPS)


def test_packed_files_and_workbooks_have_lines_too(tmp_path: Path) -> None:
    data = AROUND.encode("cp1252")
    (tmp_path / "stops.csv.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(tmp_path / "stops.zip", "w") as archive:
        archive.writestr("stops.csv", data)
    for name in ("stops.csv.gz", "stops.zip"):
        file = TextFile(tmp_path / name, "cp1252", skip=2, skip_end=2)
        assert cells(read_counts(file, STOPS)) == EXPECTED
    rows = [["Stops by race"], [], ["race", "stops", "searches"], ["Weiß", 200, 5], ["Source: x"]]
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "stops.xlsx")
    file = TextFile(tmp_path / "stops.xlsx", skip=2, skip_end=1)
    assert cells(read_counts(file, STOPS)) == {"Weiß": (200, 5)}


def test_what_has_no_lines_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"race": ["a"], "k": [1]}).to_parquet(tmp_path / "stops.parquet")
    with pytest.raises(DataError, match="not text in lines"):
        read_counts(TextFile(tmp_path / "stops.parquet", skip=1), STOPS)
    with pytest.raises(DataError, match="not of tables in a database"):
        read_counts(TextFile("duckdb://x.db?table=stops", skip=1), STOPS)


def test_bad_encodings_and_lines_are_refused(tmp_path: Path) -> None:
    (path := tmp_path / "stops.csv").write_bytes(TABLE.encode("latin-1"))
    with pytest.raises(UnknownName, match="Unknown encoding 'latin1x'"):
        TextFile(path, "latin1x")
    with pytest.raises(DataError, match="counted from 0 up"):
        TextFile(path, skip=-1)
    with pytest.raises(DataError, match="'a' is given to two columns"):
        TextFile(path, names=("a", "a"))
    with pytest.raises(DataError, match="--encoding"):
        read_counts(path, STOPS)
    with pytest.raises(DataError, match="is not in utf-16"):
        read_counts(TextFile(path, "utf-16"), STOPS)
    path.write_bytes(TABLE.encode("utf-16"))
    with pytest.raises(DataError, match="--encoding utf-16"):
        read_counts(path, STOPS)


def test_two_columns_of_one_name_are_refused_where_they_differ(tmp_path: Path) -> None:
    # The first was taken in silence before.
    columns = Columns("race", events="k")
    (path := tmp_path / "stops.csv").write_text("race,k,k\na,1,1\nb,0,0\n")
    assert cells(read_counts(path, columns)) == {"a": (1, 1), "b": (1, 0)}
    path.write_text("race,k,k\na,1,1\nb,0,1\n")
    with pytest.raises(DataError, match=r"two columns named 'k', and they differ.*'k_1'"):
        read_counts(path, columns)
    assert cells(read_counts(path, Columns("race", events="k_1"))) == {"a": (1, 1), "b": (1, 1)}
    path.write_text("race,k,k_1\na,1,1\nb,0,1\n")
    assert cells(read_counts(path, columns)) == {"a": (1, 1), "b": (1, 0)}
