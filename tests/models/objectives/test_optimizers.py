"""Optimisers against those of PyTorch and Pyro, step by step.

Seen failing: a bias correction left out, derivatives that are not clipped one by one, decay of
weights after the step in place of before, a schedule one step ahead, `go` that is not heeded.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from pyro.optim.clipped_adam import ClippedAdam as PyroClippedAdam
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR

from plausible.models import ModelError
from plausible.models.objectives.optimizers import SGD, Adam, AdamW, ClippedAdam, Optimizer
from plausible.models.objectives.schedules import Annealing, CosineDecay, GeometricDecay

STEPS = 20
SHAPES = [(3, 2), (4,), ()]

Make = Callable[[Sequence[Tensor]], torch.optim.Optimizer]

RIVALS: dict[str, tuple[Optimizer, Make]] = {
    "Adam": (Adam(0.1), lambda p: torch.optim.Adam(p, 0.1)),
    "Adam, other settings": (
        Adam(0.1, betas=(0.5, 0.9), eps=1e-2),
        lambda p: torch.optim.Adam(p, 0.1, (0.5, 0.9), 1e-2),
    ),
    "Adam, no first moment": (
        Adam(0.1, betas=(0.0, 0.99)),
        lambda p: torch.optim.Adam(p, 0.1, (0.0, 0.99)),
    ),
    "Adam, no second moment": (
        Adam(0.1, betas=(0.9, 0.0)),
        lambda p: torch.optim.Adam(p, 0.1, (0.9, 0.0)),
    ),
    "Adam, no moments, no eps": (
        Adam(0.1, betas=(0.0, 0.0), eps=0.0),
        lambda p: torch.optim.Adam(p, 0.1, (0.0, 0.0), 0.0),
    ),
    "Adam, short first moment": (
        Adam(0.1, betas=(0.3, 0.9)),
        lambda p: torch.optim.Adam(p, 0.1, (0.3, 0.9)),
    ),
    "AdamW": (
        AdamW(0.1, weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.3),
    ),
    "AdamW, no first moment, no decay": (
        AdamW(0.1, betas=(0.0, 0.9), weight_decay=0.0),
        lambda p: torch.optim.AdamW(p, 0.1, (0.0, 0.9), weight_decay=0.0),
    ),
    "AdamW, no second moment": (
        AdamW(0.1, betas=(0.5, 0.0), weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, 0.1, (0.5, 0.0), weight_decay=0.3),
    ),
    "SGD": (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "SGD, momentum": (SGD(0.1, momentum=0.9), lambda p: torch.optim.SGD(p, 0.1, 0.9)),
    "ClippedAdam": (
        ClippedAdam(0.1, clip_value=0.5, decay=0.9, eps=1e-2),
        lambda p: PyroClippedAdam(p, 0.1, eps=1e-2, clip_norm=0.5, lrd=0.9),
    ),
    "ClippedAdam, no moments": (
        ClippedAdam(0.1, betas=(0.0, 0.0)),
        lambda p: PyroClippedAdam(p, 0.1, (0.0, 0.0)),
    ),
    "ClippedAdam, as it comes": (ClippedAdam(0.1), lambda p: PyroClippedAdam(p, 0.1)),
}


def start() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    made = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    return [10.0 ** (step % 3) * gradient for gradient in made]


def by_update(optimizer: Optimizer) -> list[Tensor]:
    values = start()
    moments = optimizer.begin(values)
    for step in range(STEPS):
        number = torch.tensor(step + 1.0, dtype=torch.float64)
        values, moments = optimizer.update(values, gradients(step), moments, number)
    return values


def in_place(optimizer: Optimizer) -> list[Tensor]:
    values = start()
    moments = optimizer.begin(values)
    for step in range(STEPS):
        number, go = torch.tensor(step + 1.0, dtype=torch.float64), torch.tensor(True)
        optimizer.update_in_place(values, gradients(step), moments, number, go)
    return values


def by_torch(
    make: Make,
    clip: Callable[[Any], Any] = lambda parameters: None,
    schedule: Callable[[Any], Any] | None = None,
) -> list[Tensor]:
    values = [torch.nn.Parameter(p) for p in start()]
    optimizer = make(values)
    scheduler = schedule(optimizer) if schedule is not None else None
    for step in range(STEPS):
        for p, gradient in zip(values, gradients(step), strict=True):
            p.grad = gradient
        clip(values)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return [p.detach() for p in values]


def assert_equal(given: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    # Twenty steps of half a dozen operations each, in float64: rounding shows from 1e-14 on.
    torch.testing.assert_close(list(given), list(expected), rtol=1e-10, atol=1e-12)


WAYS = pytest.mark.parametrize("way", [by_update, in_place])


@WAYS
@pytest.mark.parametrize("name", RIVALS)
def test_steps_are_those_of_others(name: str, way: Callable[[Optimizer], list[Tensor]]) -> None:
    ours, theirs = RIVALS[name]
    assert_equal(way(ours), by_torch(theirs))


@pytest.mark.parametrize("name", RIVALS)
def test_a_step_counted_in_float32_is_as_good_as_its_bias_correction(name: str) -> None:
    """1 - .999 ** t is a difference of numbers near one: float32 gives it to 6e-8 / 1e-3."""
    optimizer, _ = RIVALS[name]
    values = [p.float() for p in start()]
    moments = optimizer.begin(values)
    for step in range(STEPS):
        given = [g.float() for g in gradients(step)]
        values, moments = optimizer.update(values, given, moments, torch.tensor(step + 1.0))
    expected = [p.float() for p in by_update(optimizer)]
    torch.testing.assert_close(values, expected, rtol=2e-4, atol=2e-5)


@WAYS
@pytest.mark.parametrize("norm", [0.5, 1e6])
def test_clip_norm_is_that_of_torch(norm: float, way: Callable[..., list[Tensor]]) -> None:
    def clip(values: Any) -> None:
        torch.nn.utils.clip_grad_norm_(values, norm)

    assert_equal(way(SGD(0.01, clip_norm=norm)), by_torch(lambda p: torch.optim.SGD(p, 0.01), clip))


@WAYS
def test_values_are_clipped_before_the_norm(way: Callable[..., list[Tensor]]) -> None:
    def clip(values: Any) -> None:
        torch.nn.utils.clip_grad_value_(values, 0.7)
        torch.nn.utils.clip_grad_norm_(values, 1.1)

    ours = Adam(0.1, eps=0.1, clip_norm=1.1, clip_value=0.7)
    assert_equal(way(ours), by_torch(lambda p: torch.optim.Adam(p, 0.1, eps=0.1), clip))


@WAYS
@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_schedules_are_those_of_torch(kind: Any, way: Callable[..., list[Tensor]]) -> None:
    rival = getattr(torch.optim, kind.__name__)
    cosine = by_torch(lambda p: rival(p, 0.1), schedule=lambda o: CosineAnnealingLR(o, 20, 0.01))
    assert_equal(way(kind(CosineDecay(0.1, 20, 0.01))), cosine)
    falling = by_torch(lambda p: rival(p, 0.1), schedule=lambda o: ExponentialLR(o, 0.8))
    assert_equal(way(kind(GeometricDecay(0.1, 0.1 * 0.8**STEPS, STEPS))), falling)


@WAYS
def test_annealing_is_a_schedule(way: Callable[..., list[Tensor]]) -> None:
    def linear(optimizer: Any) -> Any:
        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, 10)

    expected = by_torch(lambda p: torch.optim.SGD(p, 0.1), schedule=linear)
    assert_equal(way(SGD(Annealing(0.1, 0.05, 10))), expected)


def test_without_a_first_moment_adam_keeps_the_last_gradient_alone() -> None:
    """To the last digit, whatever came before: m + (g - m) would keep rounding of the old m."""
    values, last = [torch.zeros(3)], [torch.tensor([1e-7, -0.3, 1.0])]
    moments = {"exp_avg": [torch.full((3,), 1e6)], "exp_avg_sq": [torch.ones(3)]}
    _, after = Adam(betas=(0.0, 0.99)).update(values, last, moments, torch.tensor(2.0))
    assert torch.equal(after["exp_avg"][0], last[0])


@pytest.mark.parametrize("name", RIVALS)
def test_without_go_nothing_moves(name: str) -> None:
    optimizer, _ = RIVALS[name]
    values = start()
    moments = optimizer.begin(values)
    one = torch.tensor(1.0)
    optimizer.update_in_place(values, gradients(0), moments, one, torch.tensor(True))
    before = [p.clone() for p in values], {n: [m.clone() for m in ms] for n, ms in moments.items()}
    assert any(not torch.equal(p, q) for p, q in zip(values, start(), strict=True))
    bad = [torch.full_like(g, float("nan")) for g in gradients(1)]
    optimizer.update_in_place(values, bad, moments, 2 * one, torch.tensor(False))
    torch.testing.assert_close((values, moments), before, rtol=0, atol=0)


@pytest.mark.parametrize("name", RIVALS)
def test_update_leaves_its_arguments(name: str) -> None:
    optimizer, _ = RIVALS[name]
    values, given = start(), gradients(0)
    moments = optimizer.begin(values)
    optimizer.update(values, given, moments, torch.tensor(1.0))
    torch.testing.assert_close((values, given), (start(), gradients(0)), rtol=0, atol=0)
    assert not any(m.any() for ms in moments.values() for m in ms)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Adam(0.0), "learning rate must be positive, but it is 0.0"),
        (lambda: Adam(-1.0), "learning rate must be positive"),
        (lambda: Adam(math.nan), "learning rate must be positive"),
        (lambda: Adam(clip_norm=0.0), "clip_norm must be positive or None, but it is 0.0"),
        (lambda: SGD(clip_value=-1.0), "clip_value must be positive or None"),
        (lambda: SGD(momentum=1.0), "momentum must be at least 0 and below 1"),
        (lambda: SGD(momentum=-0.1), "momentum must be"),
        (lambda: Adam(betas=(0.9, 1.0)), r"betas must be at least 0 and below 1; they are"),
        (lambda: ClippedAdam(betas=(-0.1, 0.9)), "betas must be at least 0"),
        (lambda: Adam(eps=-1e-8), "eps must be at least 0"),
        (lambda: AdamW(weight_decay=-1.0), "weight_decay must be at least 0"),
        (lambda: ClippedAdam(decay=0.0), "decay must be positive"),
    ],
)
def test_what_cannot_move_anything_is_refused(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        make()
