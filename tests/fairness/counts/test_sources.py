"""PostgreSQL, SQLite, Parquet, CSV, pandas and Polars give the same page of the same rows."""

import difflib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import required
from postgres import write

from plausible.fairness.audit import Audit
from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts

ROWS = 200_000
NAME = "incidents"
TYPES = """race text, district text, day date, kind text, risk double precision, armed boolean,
    exact double precision"""
COLUMNS = Columns("race", score="risk", threshold=0.6, outcome="armed", by="district", date="day")
EXACT = Columns("race", score="exact", threshold=0.5, outcome="armed")
SOME_DAYS = Columns("race", events="armed", by="district", date="day", since="2020-02-15")


def stops(rows: int) -> pd.DataFrame:
    """Stops with a score, a day, a stratum, and a column that tells something of the group."""
    random = np.random.default_rng(7)
    race = random.choice(["Ä & B", "C", "人"], rows, p=[0.5, 0.3, 0.2])
    risk = (random.random(rows) + 0.1 * (race == "C")).round(4)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 366, rows), unit="D")
    return pd.DataFrame(
        {
            "race": np.where(random.random(rows) < 0.02, None, race),
            "district": random.choice([f"district {i}" for i in range(4)], rows),
            "day": days.date,
            "kind": np.where(random.random(rows) < 0.3 + 0.3 * (race == "C"), "car", "person"),
            "risk": np.where(random.random(rows) < 0.01, np.nan, risk),
            "armed": random.random(rows) < 0.1 + 0.4 * risk,
            "exact": random.random(rows) - 0.1,
        }
    )


def as_sqlite(frame: pd.DataFrame, folder: Path) -> str:
    with sqlite3.connect(folder / "stops.db") as connection:
        frame.to_sql(NAME, connection, index=False)
    connection.close()
    return f"sqlite://{folder / 'stops.db'}?table={NAME}"


def as_parquet(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_parquet(folder / f"{NAME}.parquet")
    return folder / f"{NAME}.parquet"


def as_csv(frame: pd.DataFrame, folder: Path) -> Path:
    frame.to_csv(folder / f"{NAME}.csv", index=False)
    return folder / f"{NAME}.csv"


SOURCES: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "sqlite": as_sqlite,
    "parquet": as_parquet,
    "csv": as_csv,
    "pandas": lambda frame, _: frame,
    "polars": lambda frame, _: required.module("polars").from_pandas(frame),
}


def pages(source: Any) -> list[str]:
    texts = [Audit(source, columns).report().to_html() for columns in (COLUMNS, EXACT, SOME_DAYS)]
    label = rf"the data frame|{NAME}(\.\w+)?"
    return [re.sub(label, "the stops", text, flags=re.IGNORECASE) for text in texts]


def differences(one: str, other: str) -> list[str]:
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), lineterm="", n=0)
    return [line[:300] for line in lines][:20]


@pytest.mark.slow
def test_200_000_rows_give_the_same_counts_and_the_same_page_wherever_they_are_kept(
    postgres: str, tmp_path: Path
) -> None:
    # Seen failing while each database drew another sample of the rows for proxies.
    frame = stops(ROWS)
    write(frame, postgres, NAME, TYPES)
    address = f"{postgres}?table={NAME}"
    counts, html = read_counts(address, COLUMNS), pages(address)
    assert counts.rows == ROWS
    for name, make in SOURCES.items():
        source = make(frame, tmp_path)
        there = read_counts(source, COLUMNS)
        assert there.frame.equals(counts.frame) and there.missing == counts.missing, name
        for one, other in zip(pages(source), html, strict=True):
            assert differences(one, other) == [], name
