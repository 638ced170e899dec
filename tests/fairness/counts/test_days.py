"""Days are those of the clocks where a row was noted, and never those of this machine."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow
import pytest

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.reading import read_counts
from plausible.inference.errors import DataError

FIRST = Columns("g", events="k", date="d", since="2020-02-01", until="2020-02-01")
TIMES = ["2020-01-31 23:30", "2020-02-01 00:30", "2020-02-01 23:30", "2020-02-02 00:30"]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in another time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("zone", [None, "UTC", "America/Chicago", "Asia/Tokyo", "-05:00"])
def test_days_are_those_of_the_zone_of_the_times(zone: str | None, tmp_path: Path) -> None:
    # Seen failing: a Parquet file and a frame of times in Chicago had the days of another zone.
    frame = pd.DataFrame({"g": list("abcd"), "k": 1, "d": pd.to_datetime(TIMES).tz_localize(zone)})
    frame.to_parquet(tmp_path / "stops.parquet")
    (tmp_path / "folder").mkdir()
    frame.to_parquet(tmp_path / "folder" / "stops.parquet")
    frame.to_csv(tmp_path / "stops.csv", index=False)
    sources: list[Any] = [frame, pyarrow.Table.from_pandas(frame)]
    sources += [tmp_path / name for name in ("stops.parquet", "stops.csv", "folder")]
    for source in sources:
        assert read_counts(source, FIRST).groups == ("b", "c")


def test_a_time_without_a_known_zone_has_the_day_of_utc_and_that_is_said(tmp_path: Path) -> None:
    moments = pd.to_datetime(TIMES).tz_localize("UTC")
    frame = pd.DataFrame({"g": list("abcd"), "k": 1, "d": moments})
    relation = duckdb.from_arrow(pyarrow.Table.from_pandas(frame))
    counts = read_counts(relation, FIRST)
    assert counts.groups == ("b", "c") and "Days are those of UTC." in counts.notes
    assert not read_counts(frame, FIRST).notes


@pytest.mark.parametrize("day", ["2021-02-29", "01/02/2020", "2020-13-01", "yesterday", "20200201"])
def test_what_is_not_a_day_is_refused(day: str) -> None:
    frame = pd.DataFrame({"g": ["a", "b"], "k": [1, 0], "d": ["2020-02-01", day]})
    with pytest.raises(DataError, match="1 values of column 'd' are not dates"):
        read_counts(frame, FIRST)
