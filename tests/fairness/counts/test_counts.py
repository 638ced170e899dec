"""Counts are checked once, where they enter."""

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.counts.counts import Counts
from plausible.inference.errors import DataError, PlausibleError, UnknownName

STRATA = pd.DataFrame(
    {
        "group": ["b", "a", "b"],
        "by": ["north", "north", "south"],
        "trials": [10, 20, 30],
        "events": [1, 2, 3],
    }
)


def test_totals_follow_the_order_of_the_groups() -> None:
    counts = Counts(STRATA, by="region")
    assert counts.groups == ("b", "a") and counts.strata == ("north", "south")
    assert counts["trials"].tolist() == [40, 20]
    assert counts.cells("events").tolist() == [[1, 2], [3, 0]]
    whole = counts.total()
    assert whole.by is None and whole["events"].tolist() == [4, 2]
    assert whole.cells("events").tolist() == [[4, 2]]


def test_groups_are_chosen_in_the_order_that_is_asked_for() -> None:
    counts = Counts(STRATA, by="region")
    assert counts.only("a", "b").groups == ("a", "b")
    assert counts.only("a")["trials"].tolist() == [20]
    with pytest.raises(UnknownName, match="'A'"):
        counts.only("A")


def test_measures_are_called_as_the_user_does() -> None:
    counts = Counts.of({"a": {"trials": 1, "true_positive": 1}}, names={"trials": "stops"})
    assert counts.label_of("trials") == "stops"
    assert counts.label_of("true_positive") == "true positive"
    with pytest.raises(UnknownName, match="'event'"):
        counts["event"]


@pytest.mark.parametrize("name", ["人", "<script>alert(1)</script>", "$x_1$", "", "a, b"])
def test_any_text_names_a_group(name: str) -> None:
    assert Counts.of({name: {"trials": 3}, "other": {"trials": 4}}).groups == (name, "other")


def test_the_largest_whole_number_is_kept_exactly() -> None:
    assert Counts.of({"a": {"trials": 2**53}})["trials"].tolist() == [2**53]
    with pytest.raises(DataError, match="too large"):
        # Seen failing when it was rounded to 2^53 first.
        Counts.of({"a": {"trials": 2**53 + 1}})


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"group": ["a"], "trials": [-1]}, "negative number of trials: -1"),
        ({"group": ["a"], "trials": [1.5]}, r"fractional number of trials: 1\.5"),
        ({"group": ["a"], "trials": [np.nan]}, "no number of trials"),
        ({"group": ["a"], "trials": [np.inf]}, "no number of trials"),
        ({"group": ["a"], "trials": ["many"]}, "no number of trials: many"),
        ({"group": ["a"], "trials": [1], "events": [2]}, "'a' has 2 events in 1 trials"),
        ({"group": ["a"], "events": [1], "hits": [2]}, "'a' has 2 hits in 1 events"),
        ({"group": ["a"], "trials": [1], "hits": [2]}, "'a' has 2 hits in 1 trials"),
        ({"group": ["a", "a"], "trials": [1, 2]}, "'a' has two rows"),
        ({"group": [], "trials": []}, "nothing to analyse"),
        ({"group": ["a"]}, "nothing to analyse"),
        ({"trials": [1]}, "need a column 'group'"),
        ({"group": ["a"], "trails": [1]}, "'trails'. Did you mean 'trials'"),
    ],
)
def test_what_is_no_count_is_refused(frame: dict[str, list[object]], said: str) -> None:
    # Seen failing for hits in trials when only neighbouring measures were compared.
    with pytest.raises(PlausibleError, match=said):
        Counts(pd.DataFrame(frame))


def test_a_stratum_without_a_column_is_refused() -> None:
    with pytest.raises(DataError, match="need a column 'by'"):
        Counts(STRATA.drop(columns="by"), by="region")
    with pytest.raises(DataError, match="'b' has two rows"):
        Counts(STRATA.assign(by="north"), by="region")
