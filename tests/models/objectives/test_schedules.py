"""Schedules: closed forms at single steps, where they begin, end and stay.

Seen failing: a warm-up one step late, a geometric fall that goes on after its end.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from plausible.models import (
    Annealing,
    CosineDecay,
    GeometricDecay,
    ModelError,
    Plateau,
    Schedule,
    StepDecay,
)
from plausible.models.objectives.schedules import value_at


def test_cosine_rises_falls_and_stays() -> None:
    rates = CosineDecay(1.0, steps=10, end=0.2, warmup=4).at(torch.arange(30.0))
    torch.testing.assert_close(rates[:5], torch.tensor([0.2, 0.4, 0.6, 0.8, 1.0]))
    half = torch.tensor(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    torch.testing.assert_close(rates[9], half)
    assert (rates[4:14].diff() < 0).all()
    torch.testing.assert_close(rates[14:], torch.full((16,), 0.2))


@pytest.mark.parametrize(("start", "end"), [(1.0, 1e-4), (1e-3, 2.0)])
def test_geometric_changes_by_one_factor_and_stays(start: float, end: float) -> None:
    values = GeometricDecay(start, end, 10).at(torch.arange(30.0, dtype=torch.float64))
    factors = values[1:11] / values[:10]
    torch.testing.assert_close(factors, torch.full_like(factors, (end / start) ** 0.1))
    assert float(values[0]) == start
    torch.testing.assert_close(values[10:], torch.full_like(values[10:], end))


@pytest.mark.parametrize("every", [1, 7, 100])
def test_a_step_decay_falls_exactly_at_its_steps(every: int) -> None:
    values = StepDecay(2.0, 0.5, every).at(torch.arange(10.0 * every))
    expected = 2.0 * 0.5 ** torch.arange(10.0).repeat_interleave(every)
    torch.testing.assert_close(values, expected)


# Seen failing with: the count of patience not begun again after a fall.
def test_a_plateau_falls_each_time_that_its_patience_ends() -> None:
    plateau, step = Plateau(1.0, factor=0.5, patience=2), torch.tensor(0.0)
    losses, rates = [5.0, 4.0, 4.0, 4.5, 3.0, 3.5, float("nan"), 3.1, 3.2, 2.0], []
    for k in range(len(losses)):
        plateau.follow(losses[: k + 1])
        rates.append(float(plateau.at(step)))
    assert rates == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_annealing_is_a_line_that_stays() -> None:
    values = Annealing(3.0, 1.0, 4).at(torch.arange(7.0))
    assert values.tolist() == [3.0, 2.5, 2.0, 1.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "schedule", [Annealing(2.0, 1.0, 9), CosineDecay(2.0, 9), GeometricDecay(2.0, 1.0, 9)]
)
def test_a_schedule_gives_a_tensor_and_a_number_stays_one(schedule: Schedule) -> None:
    step = torch.tensor(3.0)
    given = value_at(schedule, step)
    assert isinstance(given, torch.Tensor) and given.shape == () and given.dtype == step.dtype
    assert 1.0 < float(given) < 2.0
    assert value_at(0.7, step) == 0.7


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Annealing(steps=0), "needs at least one step, but got 0"),
        (lambda: CosineDecay(0.0, 10), "positive start"),
        (lambda: CosineDecay(0.1, 0), "steps of at least 1"),
        (lambda: CosineDecay(0.1, 10, end=-1.0), "end and warmup of at least 0"),
        (lambda: CosineDecay(0.1, 10, warmup=-1), "end and warmup of at least 0"),
        (lambda: GeometricDecay(0.0, 0.1, 10), "positive start and end"),
        (lambda: GeometricDecay(0.1, 0.0, 10), "positive start and end"),
        (lambda: GeometricDecay(0.1, 0.2, 0), "steps of at least 1"),
        (lambda: StepDecay(0.1, 0.5, 0), "every of at least 1"),
        (lambda: StepDecay(0.1, 0.0, 5), "positive start and factor"),
        (lambda: Plateau(0.1, factor=1.0), "factor between 0 and 1"),
        (lambda: Plateau(0.1, patience=0), "patience of at least 1"),
    ],
)
def test_what_is_not_a_schedule_is_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        make()
