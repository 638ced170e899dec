"""Columns that may tell the group: copies of it are named and left out, others as is asked."""

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.audit import Audit
from plausible.fairness.counts.columns import Columns
from plausible.fairness.proxies.determined import determines
from plausible.fairness.proxies.proxies import proxies
from plausible.fairness.reporting.analysis import Analysis
from plausible.inference.errors import DataError, UnknownName

ROWS = 4_000
COPIES = {
    "code": "race", "nearly": "race", "capitals": "race", "mother tongue": "race",
    "arrested": "outcome", "days held": "outcome", "charge": "outcome",
}  # fmt: skip


def table() -> pd.DataFrame:
    """A strong proxy, names of many values, and columns that say race or outcome over again."""
    random = np.random.default_rng(0)
    race = random.choice(["Black", "White", "Asian"], ROWS, p=[0.3, 0.6, 0.1])
    outcome = random.random(ROWS) < 0.25
    quarter = np.where(random.random(ROWS) < 0.9, race, "mixed")
    tongue = np.char.add(race, random.integers(0, 9, ROWS).astype(str))
    return pd.DataFrame(
        {
            "race": race,
            "outcome": outcome,
            "quarter": np.where(random.random(ROWS) < 0.2, "mixed", quarter),
            "age": random.integers(16, 80, ROWS),
            "code": pd.Series(race).map({"Black": 7, "White": 2, "Asian": 4}),
            "nearly": np.where(random.random(ROWS) < 0.01, "other", race),
            "capitals": np.char.upper(race),
            "mother tongue": tongue,
            "arrested": np.where(outcome, "yes", "no"),
            "days held": np.where(outcome, random.exponential(9, ROWS) + 1, 0.0),
            "charge": np.where(outcome, random.choice(["a", "b"], ROWS), None),
            "case": [f"case {i}" for i in range(ROWS)],
            "score": random.random(ROWS) + outcome,
        }
    )


def used(analysis: Analysis) -> set[str]:
    return set(analysis.tables[0].frame["column"])


def sentences(analysis: Analysis) -> str:
    return " ".join(finding.text for finding in analysis.findings)


def test_columns_that_say_group_or_outcome_over_again_are_named_and_left_out() -> None:
    # Seen failing before: the code of the race told the race best.
    frame = table().drop(columns="score")
    analysis = proxies(frame, "race", outcome="outcome")
    assert used(analysis) == {"quarter", "age"}
    for name in ("race", "outcome"):
        copies = [column for column, of in COPIES.items() if of == name]
        (sentence,) = (text for text in analysis.assumptions if f"that determine {name}," in text)
        assert all(copy in sentence for copy in copies) and "--features" in sentence
        assert "quarter" not in sentence


def test_features_are_used_as_they_are_named_and_others_ignored() -> None:
    frame = table()
    assert used(proxies(frame, "race", columns=["code", "age"])) == {"code", "age"}
    assert "quarter" not in used(proxies(frame, "race", ignore=["quarter"]))
    for columns, ignore, error, said in (
        (["agee"], (), UnknownName, "Did you mean 'age'"),
        (None, ["agee"], UnknownName, "Did you mean 'age'"),
        (["age"], ["age"], DataError, "both named as a feature and ignored"),
        (["race"], (), DataError, "'race' is what is predicted"),
    ):
        with pytest.raises(error, match=said):
            proxies(frame, "race", columns=columns, ignore=ignore)


def test_an_audit_takes_features_and_columns_to_ignore() -> None:
    frame = table()[["race", "outcome", "quarter", "age", "code"]]
    columns = Columns("race", events="outcome")
    for options, expected in (
        ({}, {"quarter", "age"}),
        ({"features": ["code"]}, {"code"}),
        ({"ignore": ["age", "code"]}, {"quarter"}),
    ):
        audit = Audit(frame, columns, **options)
        made = {analysis.name: analysis for analysis in audit.run()}
        assert used(made["proxies"]) == expected
    with pytest.raises(UnknownName, match="Did you mean 'quarter'"):
        Audit(frame, columns, features=["quater"])


@pytest.mark.parametrize("wrong", [0.0, 0.01, 0.05])
def test_a_copy_may_be_wrong_in_one_row_of_a_hundred(wrong: float) -> None:
    random = np.random.default_rng(1)
    answer = random.integers(0, 2, ROWS)
    copy = pd.Series(np.where(random.random(ROWS) < wrong, 1 - answer, answer)).map(
        {0: "x", 1: "y"}
    )
    train = random.random(ROWS) < 0.5
    assert determines(copy, answer, train) == (wrong < 0.02)


def test_a_rare_answer_is_not_determined_by_a_column_that_never_gives_it() -> None:
    # Seen failing without the comparison with the most frequent answer.
    random = np.random.default_rng(2)
    answer = (random.random(ROWS) < 0.01).astype(np.int64)
    train = random.random(ROWS) < 0.5
    assert not determines(pd.Series(random.integers(0, 5, ROWS)), answer, train)
    assert not determines(pd.Series(np.arange(ROWS).astype(str)), answer, train)
    assert determines(pd.Series(answer * 3.0).where(answer == 1), answer, train)


def test_the_same_rows_are_drawn_from_a_frame_and_a_file(tmp_path) -> None:
    frame = table()[["race", "quarter", "age"]]
    frame.to_parquet(path := tmp_path / "rows.parquet")
    one, other = (proxies(source, "race", rows=1_000, seed=5) for source in (frame, path))
    assert [e.value for e in one.estimates] == [e.value for e in other.estimates]
    assert one.details["rows"] == 1_000
    again = proxies(frame, "race", rows=1_000, seed=6)
    assert [e.value for e in one.estimates] != [e.value for e in again.estimates]
