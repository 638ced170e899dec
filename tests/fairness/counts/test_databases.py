"""PostgreSQL and SQLite give every analysis of an audit the same numbers as a data frame."""

import json
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import ibis
import numpy as np
import pandas as pd
import pytest
from postgres import PASSWORD, write

from plausible.fairness.audit import Audit
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.databases import of_database
from plausible.fairness.counts.reading import read_counts
from plausible.fairness.counts.tables import open_table
from plausible.fairness.proxies import samples
from plausible.inference.cli import main
from plausible.inference.errors import DataError, PlausibleError, UnknownName

TYPES = """race text, armed boolean, district text, day date, noted text, searched boolean,
    found boolean, fault boolean, score double precision, stops bigint, searches numeric,
    admitted text, amount text, sampled double precision, second double precision"""


def stops(rows: int = 600) -> pd.DataFrame:
    """Stops with groups, hits and scores that are missing, days as such and as text."""
    random = np.random.default_rng(3)
    searched = random.random(rows) < 0.4
    found = pd.array(random.random(rows) < 0.3, dtype="boolean")
    found[~searched] = pd.NA
    days = pd.Timestamp("2020-01-31") + pd.to_timedelta(random.integers(0, 500, rows), unit="D")
    score = random.random(rows).round(3)
    return pd.DataFrame(
        {
            "race": random.choice(["Ä & B", "C", None], rows, p=[0.6, 0.3, 0.1]),
            "armed": random.random(rows) < 0.5,
            "district": random.choice(["north", "south"], rows),
            "day": days.date,
            "noted": days.strftime("%Y-%m-%d"),
            "searched": searched,
            "found": found,
            "fault": random.random(rows) < 0.2 + 0.5 * score,
            "score": np.where(random.random(rows) < 0.05, np.nan, score),
            "stops": random.integers(20, 90, rows),
            "searches": random.integers(0, 20, rows),
            "admitted": random.choice(["Ja", "nein ", "?", ""], rows, p=[0.4, 0.5, 0.05, 0.05]),
            "amount": random.choice(["1.200,5", "9,25", "17", "-9"], rows),
            "sampled": random.uniform(0.5, 2.0, rows).round(2),
            "second": (score / 2 + random.random(rows) / 2).round(3),
        }
    )


@pytest.fixture(scope="module")
def tables(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same rows in each kind of database and in a data frame."""
    frame = stops()
    write(frame, postgres, "rows", TYPES)
    file = tmp_path_factory.mktemp("sqlite") / "stops.db"
    with sqlite3.connect(file) as connection:
        frame.to_sql("rows", connection, index=False, dtype={"armed": "boolean"})
    connection.close()
    return {
        "postgres": f"{postgres}?table=rows",
        "sqlite": f"sqlite://{file}?table=rows",
        "frame": frame,
    }


def content(source: Any, columns: Columns) -> Any:
    """All numbers and sentences of the report."""
    text = Audit(source, columns).report(title="Rows").to_json()
    return json.loads(re.sub(r"the data frame|rows\b", "rows", text))


READ = {
    "hits": Columns("race", events="searched", hits="found", by="district"),
    "scores": Columns("race", score="score", threshold=0.6, outcome="fault"),
    "days": Columns("race", decision="searched", outcome="fault", date="day", since="2020-06-01"),
}
READ_IN_MORE_WAYS = {
    "days in text": Columns("race", events="found", date="noted", until="2020-12-31"),
    "counts": Columns(["race", "district"], trials="stops", events="searches", by="armed"),
    "weights": Columns("race", events="admitted", yes="ja", no="nein", weight="sampled"),
    "frequencies": Columns("race", events="admitted", yes="ja", no="nein", count="stops", only="C"),
    "means": Columns(
        "race", mean="amount", decimal=",", thousands=".", missing="-9", keep_missing=True
    ),
    "two scores": Columns("race", score="score", versus="second", threshold=0.5, outcome="fault"),
}


@pytest.mark.parametrize(
    "columns",
    [
        *(pytest.param(columns, id=name) for name, columns in READ.items()),
        *(
            pytest.param(columns, id=name, marks=pytest.mark.slow)
            for name, columns in READ_IN_MORE_WAYS.items()
        ),
    ],
)
def test_databases_give_the_page_of_a_data_frame(columns: Columns, tables: dict[str, Any]) -> None:
    # Seen failing on PostgreSQL: cannot cast type boolean to bigint; on SQLite: no isnan.
    expected = content(tables["frame"], columns)
    for database in ("postgres", "sqlite"):
        assert content(tables[database], columns) == expected, database


BAD_DAYS = ("2020-02-30", "2019-02-29", "1900-02-29", "2020-13-01", "01/02/2020", "2020-1-1",
            "20200101", "2020-01-01x", "now", "0000-01-01")  # fmt: skip


@pytest.mark.parametrize("day", BAD_DAYS)
@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_what_is_not_a_day_is_named_and_not_guessed(
    day: str, database: str, postgres: str, tmp_path: Path
) -> None:
    # Seen failing on SQLite, where 2020-02-30 is the first of March, and on PostgreSQL, where the
    # query ended.
    days = ["2020-02-29 23:59", "2000-02-29", "2020-12-31T10:00", day, None]
    source = small(
        {"g": list("aaaaa"), "k": [1, 0, 1, 1, 0], "d": days}, database, postgres, tmp_path
    )
    with pytest.raises(DataError, match="1 values of column 'd' are not dates"):
        read_counts(source, Columns("g", events="k", date="d"))


def small(columns: dict[str, list[Any]], database: str, postgres: str, folder: Path) -> str:
    """The address of a small table of texts and whole numbers."""
    frame = pd.DataFrame(columns)
    name = f"t{abs(hash(str(columns)))}"
    if database == "postgres":
        kinds = {n: "bigint" if isinstance(c[0], int) else "text" for n, c in columns.items()}
        write(frame, postgres, name, ", ".join(f"{n} {kind}" for n, kind in kinds.items()))
        return f"{postgres}?table={name}"
    with sqlite3.connect(folder / "small.db") as connection:
        frame.to_sql(name, connection, index=False)
    connection.close()
    return f"sqlite://{folder / 'small.db'}?table={name}"


def test_a_table_of_another_schema_a_view_and_a_name_with_a_dot(
    postgres: str, tables: dict[str, Any]
) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create schema police")
        connection.execute("create materialized view police.kept as select * from rows")
        connection.execute('create view "rows.2020" as select * from rows')
    columns = Columns("race", events="searched")
    rows = {
        name: read_counts(f"{scheme}{postgres.partition('://')[2]}?table={name}", columns).rows
        for scheme, name in (
            ("postgres://", "rows"),
            ("POSTGRESQL://", "public.rows"),
            ("postgresql+psycopg://", "police.kept"),
            ("postgresql://", "rows.2020"),
        )
    }
    assert set(rows.values()) == {len(tables["frame"])} and len(rows) == 4
    assert read_counts(tables["sqlite"].replace("=rows", "=main.rows"), columns).rows == 600
    with pytest.raises(UnknownName, match="Did you mean 'rows'"):
        read_counts(f"{postgres}?table=row", columns)


def _with(password: str) -> Callable[[str], str]:
    return lambda address: address.replace(quote(PASSWORD, safe=""), password)


WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "password": (_with("Sesam-öffne-dich"), "password authentication failed"),
    "port": (lambda a: re.sub(r":\d+/", ":1/", a), "onnection"),
    "host": (lambda a: a.replace("127.0.0.1", "nowhere.invalid"), "could not be read"),
    "database": (lambda a: a.replace("/postgres", "/none"), 'database "none" does not exist'),
    "port that is no number": (lambda a: re.sub(r":\d+/", ":port/", a), "could not be read"),
    "scheme": (lambda a: a.replace("postgresql:", "postgre:"), "no database called 'postgre'"),
    "option": (lambda a: f"{a}&sslmod=off", "sslmod"),
    "table": (lambda a: a.replace("=rows", "=row"), "Did you mean 'rows'"),
    "no table": (lambda a: a.replace("?table=rows", ""), r"\?table=NAME"),
    "no table but an option": (lambda a: a.replace("table", "connect_timeout"), "&table=NAME"),
    "column": (lambda a: a, "Unknown column"),
}


@pytest.mark.parametrize("raw", [True, False], ids=["as it is", "encoded"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_password_never_appears(
    wrong: str, raw: bool, tables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # Seen failing for an address without a table, which was shown whole.
    monkeypatch.chdir(tmp_path)
    change, sentence = WRONG[wrong]
    address = change(tables["postgres"])
    if raw:
        address = _with(PASSWORD)(address)
    with pytest.raises(PlausibleError, match=sentence) as caught:
        read_counts(address, Columns("rase", events="searched"))
    with pytest.raises(SystemExit):
        main(["report", address, "--group", "rase", "--events", "searched"])
    with pytest.raises(SystemExit):
        main(["report", "stops.csv", address])
    captured = capsys.readouterr()
    shown = f"{caught.value}{captured.out}{captured.err}"
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "Sesam", "w0rd"):
        assert secret not in shown


def test_neither_page_nor_json_nor_log_holds_a_password(
    tables: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    address = _with(PASSWORD)(tables["postgres"])
    files = ("--out", "page.html", "--json", "page.json", "--markdown", "page.md")
    with pytest.raises(SystemExit) as stop:
        main(["report", address, "--group", "race", "--events", "searched", *files])
    assert not stop.value.code
    captured = capsys.readouterr()
    pages = [path.read_text("utf-8") for path in tmp_path.iterdir()]
    assert len(pages) == 3 and "rows by race" in pages[0] + pages[1] + pages[2]
    for text in (*pages, captured.out, captured.err):
        assert "w0rd" not in text and "postgresql" not in text


def test_a_driver_that_is_missing_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(DataError, match=r"pip install 'psycopg\[binary\]'"):
        of_database("postgres://u:secret@host/db?table=stops")
    with pytest.raises(DataError, match=r"pip install 'ibis-framework\[mysql\]'") as caught:
        of_database("mysql://u:secret@host/db?table=stops")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_a_file_that_is_missing_is_not_made(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*none\.db"):
        read_counts(f"{scheme}://{tmp_path}/none.db?table=stops", Columns("g", events="k"))
    assert not list(tmp_path.iterdir())


def test_text_in_a_column_of_numbers_of_sqlite_is_missing(tmp_path: Path) -> None:
    # Seen failing: SQLite keeps any text in any column and adds it up as 0.
    with sqlite3.connect(tmp_path / "mixed.db") as connection:
        connection.execute("create table t (g text, n integer, k integer)")
        rows = [("a", 5, 3), ("a", "", 0), ("a", 7, 2), ("b", 1, 0)]
        connection.executemany("insert into t values (?, ?, ?)", rows)
    connection.close()
    counts = read_counts(
        f"sqlite://{tmp_path}/mixed.db?table=t", Columns("g", trials="n", events="k")
    )
    assert dict(zip(counts.groups, counts["trials"], strict=True)) == {"a": 12, "b": 1}
    assert counts.missing["values"] == 1


def test_numbers_that_are_none_are_missing_in_postgres(postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table none (g text, n numeric, m double precision, k int)")
        connection.execute("insert into none values ('a', 'NaN', 'NaN', 0), ('a', 4, 4, 1)")
    for trials in ("n", "m"):
        counts = read_counts(f"{postgres}?table=none", Columns("g", trials=trials, events="k"))
        assert counts["trials"].tolist() == [4] and counts.missing["values"] == 1


def test_a_table_of_ibis_that_reads_postgres_is_counted_there(
    postgres: str, tables: dict[str, Any]
) -> None:
    table = ibis.connect(postgres).table("rows")
    counts = read_counts(table.filter(table.score > 0.5), Columns("race", events="searched"))
    assert counts.rows == int((tables["frame"]["score"] > 0.5).sum())


@pytest.mark.parametrize("database", ["postgres", "sqlite", "frame"])
def test_rows_of_a_large_table_are_drawn_in_any_database(
    database: str, tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing on SQLite, which has no TABLESAMPLE.
    monkeypatch.setattr(samples, "_WHOLE", 100)
    frame, total = samples.sample(open_table(tables[database]), ["race", "score"], 200, seed=1)
    assert len(frame) == 200 and total == len(tables["frame"])
    whole = set(tables["frame"]["score"].dropna())
    assert set(frame["score"].dropna()) <= whole
    # 200 of 600 scores that are nearly even on 0 to 1: five standard errors.
    assert frame["score"].mean() == pytest.approx(0.5, abs=0.1)
