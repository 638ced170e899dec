"""Within each stratum two groups are compared exactly, whatever the raw rates say."""

import pandas as pd
import pytest

from plausible.fairness.base_rates.by_stratum import by_stratum
from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.posteriors import Rates
from plausible.inference.errors import DataError, UnknownName

# In both strata A has the higher rate, and over all B has: most of B are where rates are high.
CELLS = {("easy", "A"): (100, 90), ("easy", "B"): (900, 720)} | {
    ("hard", "A"): (900, 270),
    ("hard", "B"): (100, 15),
}
COUNTS = Counts(
    pd.DataFrame(
        [
            {"by": by, "group": group, "trials": n, "events": k}
            for (by, group), (n, k) in CELLS.items()
        ]
    ),
    by="course",
)


def test_a_reversal_within_strata_is_said() -> None:
    total = COUNTS.total()
    assert Rates(total["events"], total["trials"]).difference("", 0, 1).direction == -1
    analysis = by_stratum(COUNTS, "A", "B")
    assert [e.direction for e in analysis.estimates] == [1, 1]
    assert "clearly higher for A in 2 and clearly lower in 0" in analysis.findings[0].text


def test_every_stratum_has_the_difference_of_its_own_counts() -> None:
    # Seen failing with the groups in the other order.
    for estimate, stratum in zip(
        by_stratum(COUNTS, "A", "B").estimates, COUNTS.strata, strict=True
    ):
        (n, k), (m, j) = (CELLS[stratum, group] for group in "AB")
        alone = Rates([k, j], [n, m]).difference("", 0, 1)
        assert (estimate.value, estimate.low) == (alone.value, alone.low)
        assert estimate.stratum == f"course {stratum}"


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UnknownName, match="Unknown group 'C'"):
        by_stratum(COUNTS, "A", "C")
    with pytest.raises(DataError, match="need strata"):
        by_stratum(COUNTS.total(), "A", "B")
