"""What the two analyses say: sentences follow the numbers, and pictures show all policies.

Seen failing: estimates of another policy under a sentence, places turned round.
"""

import numpy as np
import pytest

from plausible.fairness.cases import case
from plausible.fairness.feedback.patrols import patrols
from plausible.fairness.feedback.poverty import Society, simulated
from plausible.fairness.feedback.profiling_loop import profiling_loop
from plausible.fairness.feedback.urns import urn
from plausible.inference.errors import DataError


def test_patrols_say_where_each_policy_ends() -> None:
    rates, start = (0.4, 0.3), (6.0, 4.0)
    analysis = patrols(rates, start, steps=200, audit=0.5, seed=3)
    recorded, corrected = analysis.estimates[:2]
    drawn = urn(start, rates, runs=1000, at=[200], seed=3)[-1]
    assert recorded.value == pytest.approx(drawn.mean())
    texts = [f.text for f in analysis.findings]
    assert f"{recorded} go to the first place after 200, where 57.1 % of all" in texts[0]
    assert f"{corrected} go there after 200, and in the end 57.1 %" in texts[1]
    assert texts[2].startswith("Where 50 % of the patrols are sent at random")
    assert "and in the end 63." in texts[2]
    (picture,) = analysis.figures()
    assert len(picture.figure.axes) == 3 and "25 %" not in picture.alt
    with pytest.raises(DataError, match="higher rate first"):
        patrols(rates[::-1], start)


def test_the_loop_compares_the_policies_on_the_same_draws() -> None:
    analysis = profiling_loop(Society(), steps=5, runs=50, seed=2)
    drawn = simulated(Society(), "profile", 5, runs=50, seed=2)
    gap = (drawn["poverty"][-1, :, 0] - drawn["poverty"][-1, :, 1]).numpy()
    mine = analysis.find("poverty", "group A", "group B", stratum="profile")
    low, high = np.quantile(gap, (0.025, 0.975))
    assert (mine.value, mine.low, mine.high) == pytest.approx((gap.mean(), low, high))
    assert any(str(mine) in f.text and "profil" not in f.text for f in analysis.findings)
    assert len(analysis.figures()[0].figure.axes) == 10


def test_the_case_has_both() -> None:
    report = case("feedback").report()
    assert [a.name for a in report.analyses] == ["patrols", "profiling-loop"]
    with pytest.raises(DataError, match="ten runs"):
        profiling_loop(runs=3)
