"""The best feature of one half of the rows is tested on the other (G7)."""

import numpy as np
import pandas as pd
import pytest

from plausible.fairness.correlation.spurious import spurious, wide
from plausible.inference.errors import DataError, UnknownName


def test_chance_findings_are_confirmed_no_more_often_than_their_interval_allows() -> None:
    # An interval of a zero correlation lies above zero in 2.5 % of cases, in the direction that was
    # found: at most 5 of 60 but for 1 in 100. Seen failing with the first half as the second.
    confirmed = 0
    for seed in range(60):
        analysis = spurious(wide(rows=40, features=60, seed=seed), "target", seed=seed)
        confirmed += analysis.findings[1].text.endswith("it is confirmed.")
    assert confirmed <= 5


def planted(sign: float) -> pd.DataFrame:
    frame = wide(rows=200, features=20, seed=1)
    frame["feature 7"] += sign * frame["target"]
    return frame


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_true_correlation_is_found_and_confirmed_with_its_sign(sign: float) -> None:
    analysis = spurious(planted(sign), "target")
    assert analysis.details["chosen"] == "feature 7"
    assert analysis.findings[1].text.endswith("it is confirmed.")
    withheld = analysis.findings[1].estimate
    assert withheld is not None and withheld.direction == sign
    # The true correlation is sign/√2; four standard errors of 100 rows.
    assert withheld.value == pytest.approx(sign / 2**0.5, abs=4 * 0.5 / 10)


def test_correlation_that_turns_round_is_refuted() -> None:
    frame = planted(1.0)
    rows = np.random.default_rng(0).permutation(200)[100:]
    frame.loc[rows, "feature 7"] -= 3 * frame.loc[rows, "target"]
    assert spurious(frame, "target").findings[1].text.endswith("it is refuted.")


def test_columns_that_cannot_be_used_are_named() -> None:
    frame = wide(rows=30, features=2)
    frame["city"], frame["constant"], frame["copy"] = "Utrecht", 3.0, 2 * frame["target"]
    frame["mostly missing"] = np.where(np.arange(30) < 2, 1.0, np.nan)
    text = spurious(frame, "target").findings[-1].text
    assert text.endswith("city, constant, copy and mostly missing.")


def test_missing_values_are_left_out_pair_by_pair() -> None:
    frame = planted(1.0)
    frame.loc[::3, "feature 7"] = np.nan
    frame.loc[5, "target"] = np.nan
    assert spurious(frame, "target").details["chosen"] == "feature 7"


def test_wrong_targets_are_errors() -> None:
    frame = wide(rows=20, features=2)
    with pytest.raises(UnknownName, match="target"):
        spurious(frame, "targte")
    with pytest.raises(DataError):
        spurious(frame.head(7), "target")
    with pytest.raises(DataError):
        spurious(frame[["target"]], "target")
    with pytest.raises(DataError):
        spurious(frame.assign(target="a"), "target")
