"""What is said of a table holds in databases as it does in a data frame."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from postgres import write

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.levels import count_levels
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError

TYPES = """race text, district text, admit text, code bigint, searched boolean, found boolean,
    stops text, searches text, n bigint, weight double precision, day text, score text"""


def rows(many: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(7)
    day = pd.Timestamp("2020-01-31") + pd.to_timedelta(random.integers(0, 60, many), unit="D")
    stops = random.integers(1000, 9000, many)
    frame = pd.DataFrame(
        {
            "race": random.choice(
                ["Ä & B", "C", "NA", "?", None], many, p=[0.5, 0.3, 0.1, 0.05, 0.05]
            ),
            "district": random.choice(["10", "9", "-"], many, p=[0.5, 0.4, 0.1]),
            "admit": random.choice(["Admitted", "Rejected", "NA"], many),
            "code": random.choice([1, 2, -9], many),
            "searched": random.random(many) < 0.5,
            "found": random.random(many) < 0.2,
            "stops": [f"{n // 1000}.{n % 1000:03}" for n in stops],
            "searches": [str(n) if n % 7 else "." for n in stops // 100],
            "n": random.integers(0, 9, many),
            "weight": random.gamma(2, 1, many).round(3),
            "day": [d if i % 11 else "unknown" for i, d in enumerate(day.strftime("%Y-%m-%d"))],
            "score": [
                s if i % 13 else "NA"
                for i, s in enumerate(random.random(many).round(3).astype(str))
            ],
        }
    )
    frame["race"] = frame["race"].astype(object).where(frame["race"].notna(), None)
    return frame


@pytest.fixture(scope="module")
def sources(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    frame = rows()
    write(frame, postgres, "said", TYPES)
    file = tmp_path_factory.mktemp("sqlite") / "said.db"
    with sqlite3.connect(file) as connection:
        frame.to_sql("said", connection, index=False)
    connection.close()
    frame.to_csv(file.with_name("said.csv"), index=False)
    return {
        "postgres": f"{postgres}?table=said",
        "sqlite": f"sqlite://{file}?table=said",
        "csv": Path(file.with_name("said.csv")),
        "frame": frame,
    }


WORDS = {"yes": "Admitted", "no": "Rejected"}
SAID = {
    "words": Columns("race", events="admit", by="district", count="1", **WORDS),
    "frequencies": Columns("race", events="admit", count="n", yes="Admitted", keep_missing=True),
    "codes": Columns("race", events="code", count="1", yes="1", no="2", missing="-9"),
    "weights": Columns("race", events="searched", hits="found", by="district", weight="weight"),
    "numbers": Columns("race", trials="stops", events="searches", thousands="."),
    "days": Columns(
        "race", events="searched", count="1", date="day", since="2020-02-10", until="2020-03-01"
    ),
    "scores": Columns(
        "race", score="score", threshold=0.4, outcome="searched", weight="weight", except_="C"
    ),
}


@pytest.mark.parametrize("database", ["postgres", "sqlite", "csv"])
@pytest.mark.parametrize("said", SAID)
def test_a_database_counts_as_a_data_frame_does(
    said: str, database: str, sources: dict[str, Any]
) -> None:
    columns = SAID[said]
    one, other = (read_counts(sources[name], columns) for name in ("frame", database))
    assert one.groups == other.groups and one.strata == other.strata
    for measure in one.measures:
        assert other.cells(measure) == pytest.approx(one.cells(measure), rel=1e-9)
    assert (dict(one.missing), one.rows, dict(one.lost)) == (
        dict(other.missing), other.rows, dict(other.lost)
    )  # fmt: skip
    assert one.notes == other.notes
    if columns.score is not None:
        levels = [count_levels(sources[name], columns) for name in ("frame", database)]
        assert levels[1]["trials"] == pytest.approx(levels[0]["trials"], rel=1e-9)


@pytest.mark.parametrize("database", ["postgres", "sqlite", "csv", "frame"])
@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (Columns("race", events="admit"), "--yes Admitted --no Rejected"),
        (Columns("race", trials="stops", events="searches"), "--thousands"),
        (Columns("race", events="searched"), "--count n"),
        (Columns("race", events="code", missing="-9"), "--yes 1 --no 2"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_a_database_is_asked_about_as_a_data_frame_is(
    columns: Columns, said: str, database: str, sources: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=said):
        read_counts(sources[database], columns)
