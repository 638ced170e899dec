"""Tests of search decisions by place: North Carolina's table, contradictions, what is left out.

Seen failing: differences turned round, places without searches counted, hits per stop.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from plausible.fairness import Columns, Counts, read_counts
from plausible.fairness.search_decisions.by_place import tests_by_place as by_place
from plausible.fairness.search_decisions.search_decisions import search_decisions
from plausible.inference.errors import DataError, UnknownName

FILE = Path(__file__).parents[4] / "shared" / "data" / "nc_threshold_counts.csv"
COLUMNS = Columns(
    "driver_race", trials="num_stops", events="num_searches", hits="num_hits", by="department"
)


@pytest.fixture(scope="module")
def carolina() -> Counts:
    if not FILE.exists():
        pytest.skip("the counts of North Carolina are not here")
    return read_counts(FILE, COLUMNS)


def test_north_carolinas_table_is_the_published_one(carolina: Counts) -> None:
    black = by_place(carolina, "Black", "White")
    assert black.counted == (97, 59, 57) and black.left_out == 0
    # 8,000 draws whose standard deviation is 3.3: four standard errors of the mean are .15.
    assert black.agree.mean() == pytest.approx(57.6, abs=0.2)
    assert np.quantile(black.agree, (0.025, 0.975)).tolist() == [51, 64]
    assert len(black.contradicted) == 9
    assert black.contradicted[0] == "Raleigh Police Department"
    hispanic = by_place(carolina, "Hispanic", "White")
    assert hispanic.counted == (74, 91, 67)
    assert hispanic.agree.mean() == pytest.approx(65.0, abs=0.2)
    assert len(hispanic.contradicted) == 1


def test_the_report_says_it(carolina: Counts) -> None:
    analysis = search_decisions(carolina)
    texts = [f.text for f in analysis.findings]
    assert texts[0].startswith(
        "In 97 of 100 departments, people of group Black are searched more often per stop"
    )
    assert "in 59 their searches find less; in 57 both" in texts[0]
    assert texts[1].startswith("In 9 departments the tests contradict each other")
    assert "(Raleigh Police Department, " in texts[1]
    assert "1.78 times as often" in texts[-1] and "3.0 times as frequent" in texts[-1]
    assert len(analysis.figures()) == 2


def counts(rows: list[tuple[str, str, int, int, int]]) -> Counts:
    frame = pd.DataFrame(rows, columns=["group", "by", "trials", "events", "hits"])
    return Counts(frame, group="race", by="department")


TWO = [("A", "north", 100, 30, 20), ("B", "north", 200, 20, 4), ("A", "south", 90, 9, 1),
       ("B", "south", 80, 10, 5), ("A", "west", 50, 0, 0), ("B", "west", 70, 3, 1)]  # fmt: skip


def test_differences_are_exact_and_places_without_searches_are_left_out() -> None:
    tests = by_place(counts(TWO), "A", "B")
    assert tests.places == ("north", "south") and tests.left_out == 1
    assert tests.counted == (1, 1, 0)
    assert tests.contradicted == ["north"]
    random = np.random.default_rng(5)
    hits = [
        stats.beta(1 + k, 1 + n - k).rvs(200_000, random_state=random)
        for k, n in ((20, 30), (4, 20))
    ]
    right = (hits[0] > hits[1]).mean()
    assert (tests.hits[:, 0] > 0).mean() == pytest.approx(right, abs=0.006)
    assert tests.hits[:, 1].mean() == pytest.approx(2 / 11 - 6 / 12, abs=0.008)
    mean = 31 / 102 - 21 / 202
    assert tests.searches[:, 0].mean() == pytest.approx(mean, abs=0.003)


def test_what_cannot_be_tested_is_refused() -> None:
    one = counts([("A", "north", 10, 0, 0), ("B", "north", 10, 2, 1)])
    with pytest.raises(DataError, match="No department has searches of both A and B"):
        by_place(one, "A", "B")
    with pytest.raises(DataError, match="need places"):
        by_place(counts(TWO).total(), "A", "B")
    with pytest.raises(UnknownName, match="race"):
        by_place(counts(TWO), "C", "B")
