"""The loop of poverty: its closed form under uniform stops, and what policies add.

Seen failing: arrests that do not act on poverty, stops that do not add up, an ignored policy.
"""

from typing import Any

import pyro
import pytest
import torch

from plausible.fairness.feedback.poverty import POLICIES, Society, expected, loop, simulated
from plausible.inference.errors import DataError, UnknownName

FIXED: Any = {
    "use": (0.08, 0.08),
    "use_of_poverty": (0.12, 0.12),
    "stays": (0.66, 0.66),
    "becomes": (0.06, 0.06),
    "arrest": (0.85, 0.85),
}
SOCIETY = Society(**FIXED)


def gap(values: torch.Tensor) -> torch.Tensor:
    """By how much the first group's share is higher, (steps,)."""
    return (values[..., 0] - values[..., 1]).mean(1)


def test_under_uniform_stops_the_gap_shrinks_by_its_closed_form() -> None:
    # p' = c + (d - c) p + k s (a + b p): the gap is multiplied by d - c + k s b in every step.
    factor = 0.66 - 0.06 + 0.85 * 0.1 * 0.12
    right = 0.15 * factor ** torch.arange(8, dtype=torch.float64)
    torch.testing.assert_close(gap(expected(SOCIETY, "uniform", 8)["poverty"]), right)


def test_simulations_have_the_expectation_as_their_mean() -> None:
    runs = simulated(SOCIETY, "in proportion", 6, runs=400)
    mean = expected(SOCIETY, "in proportion", 6)
    for name in ("poverty", "arrests"):
        drawn = runs[name]
        error = drawn.std(1) / 400**0.5
        assert ((drawn.mean(1) - mean[name][:, 0]).abs() <= 5 * error + 1e-4).all(), name


@pytest.mark.parametrize("rate", [0.1, 0.5])  # of the second, one group cannot take all
@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_makes_the_same_number_of_stops(policy: Any, rate: float) -> None:
    stops = simulated(Society(stops=rate), policy, 10, runs=20)["stops"]
    people = torch.tensor(Society().people, dtype=stops.dtype)
    torch.testing.assert_close((stops * people).sum(-1), rate * people.sum() + 0 * stops[..., 0])
    assert (stops >= 0).all() and (stops <= 1).all()


def test_policies_differ_by_how_far_they_drive_groups_apart() -> None:
    ends = {p: float(gap(expected(SOCIETY, p, 40)["poverty"])[-1]) for p in POLICIES}
    assert ends["uniform"] < ends["audited"] < ends["in proportion"] < ends["profile"]


def test_records_that_are_not_ones_own_arrests_do_not_run_away() -> None:
    more: Any = {"own_arrests": False}
    own, other = (gap(expected(SOCIETY, "in proportion", 60, **how)["stops"]) for how in ({}, more))
    assert other[-1].abs() < 0.5 * own[-1].abs()
    assert (other[-1] - other[-2]).abs() < 1e-4  # it has come to rest


def test_it_is_a_pyro_program_whose_samples_can_be_set() -> None:
    poor = torch.zeros(1, 2, dtype=torch.float64)
    cut = pyro.poutine.do(loop, {"poor_0": poor})
    assert (cut(SOCIETY, "uniform", 2)["poverty"][1] == 0).all()


def test_ranges_are_drawn_and_the_callers_random_state_stays() -> None:
    before = torch.get_rng_state()
    one, again, other = (simulated(Society(), "uniform", 3, runs=5, seed=s) for s in (0, 0, 1))
    assert torch.equal(one["use"], again["use"]) and not torch.equal(one["use"], other["use"])
    assert one["use"][0, :, 0].std() > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_no_society_is_refused() -> None:
    for change in ({"use": (0.1, 1.2)}, {"stops": 2.0}, {"people": (0, 5)}):
        with pytest.raises(DataError):
            Society(**change)  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="policy"):
        loop(SOCIETY, "unifrom", 3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least one step"):
        loop(SOCIETY, "uniform", 0)
