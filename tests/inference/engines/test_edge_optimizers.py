"""Optimisers at the edges of their settings, on every engine, against PyTorch's and Pyro's own.

Seen failing: a bias correction by log(0), and a first moment of 0 that keeps some of the last one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from pyro.optim.clipped_adam import ClippedAdam as PyroClippedAdam
from torch import Tensor, nn

from plausible.inference import fit
from plausible.models import (
    SGD,
    Adam,
    AdamW,
    ClippedAdam,
    GenerativeModel,
    Objective,
    Optimizer,
    Player,
)
from plausible.models.objectives.batch import Batch

STEPS = 30
TARGET = torch.tensor([1.5, -0.5, 0.25])

Make = Callable[[Sequence[Tensor]], torch.optim.Optimizer]

RIVALS: dict[str, tuple[Optimizer, Make]] = {
    "no first moment": (
        Adam(0.02, betas=(0.0, 0.99)),
        lambda p: torch.optim.Adam(p, 0.02, (0.0, 0.99)),
    ),
    "no second moment": (
        Adam(0.02, betas=(0.9, 0.0)),
        lambda p: torch.optim.Adam(p, 0.02, (0.9, 0.0)),
    ),
    "short first moment": (
        Adam(0.02, betas=(0.2, 0.99), eps=0.0),
        lambda p: torch.optim.Adam(p, 0.02, (0.2, 0.99), 0.0),
    ),
    "no first moment, decayed": (
        AdamW(0.02, betas=(0.0, 0.99), weight_decay=0.5),
        lambda p: torch.optim.AdamW(p, 0.02, (0.0, 0.99), weight_decay=0.5),
    ),
    "no decay": (
        AdamW(0.02, betas=(0.9, 0.0), weight_decay=0.0),
        lambda p: torch.optim.AdamW(p, 0.02, (0.9, 0.0), weight_decay=0.0),
    ),
    "clipped, no moments": (
        ClippedAdam(0.02, betas=(0.0, 0.0), clip_value=0.5, decay=0.9),
        lambda p: PyroClippedAdam(p, 0.02, (0.0, 0.0), clip_norm=0.5, lrd=0.9),
    ),
    "plain descent": (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "much momentum": (SGD(0.01, momentum=0.99), lambda p: torch.optim.SGD(p, 0.01, 0.99)),
}


class Points(GenerativeModel):
    """One point for each optimiser."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.ParameterDict({str(i): torch.zeros(3) for i in range(len(RIVALS))})


def distance(point: Tensor, x: Tensor) -> Tensor:
    """Smooth, with another curvature in every direction."""
    return ((1 + (point - x).square()).log() * torch.tensor([1.0, 4.0, 0.3])).sum(1).mean()


class Apart(Objective):
    """A player for every optimiser, each with a point of its own."""

    def players(self) -> tuple[Player, ...]:
        return tuple(
            Player(
                name,
                lambda m, s, i=i: [m.points[str(i)]],  # type: ignore[misc]
                lambda m, b, s, i=i: self._loss(m, b, i),  # type: ignore[misc]
                optimizer,
            )
            for i, (name, (optimizer, _)) in enumerate(RIVALS.items())
        )

    def _loss(self, model: Any, batch: Batch, i: int) -> Tensor:
        return distance(model.points[str(i)], batch.args[0])


@pytest.mark.usefixtures("compiled_here")
@pytest.mark.parametrize(
    ("compile", "engine"),
    [
        (False, "eager"),
        ("auto", "captured"),
        pytest.param(True, "compiled", marks=pytest.mark.slow),
    ],
)
def test_points_move_as_by_the_rivals(
    compile: Any, engine: str, request: pytest.FixtureRequest
) -> None:
    if compile == "auto":
        request.getfixturevalue("captured_only")
    x = TARGET + 0.1 * torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    model = Points()
    run = fit(model, x, objective=Apart(), steps=STEPS, compile=compile, device="cpu")
    assert run.backend.engine == engine and not run.backend.fallback, run.backend
    for i, (name, (_, make)) in enumerate(RIVALS.items()):
        point = torch.zeros(3, requires_grad=True)
        rival = make([point])
        for _ in range(STEPS):
            rival.zero_grad()
            distance(point, x).backward()
            rival.step()
        # Thirty steps in float32; without a second moment a step is one of a fixed length, so that
        # rounding next to a minimum, where a gradient changes its sign, may show in its place.
        torch.testing.assert_close(
            model.points[str(i)].detach(), point.detach(), rtol=1e-4, atol=1e-5, msg=name
        )
