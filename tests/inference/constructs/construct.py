"""What a row of the engine's correctness table is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from pyro.distributions import Delta
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.models import ELBO, Adam, Objective

__all__ = ["FAST", "Construct", "MeanField", "Table", "normals", "seeded", "uniforms"]

FAST = Adam(0.02)  # a hundred steps go far enough to show a wrong one


@dataclass
class Construct:
    """A small program, and what it must equal.

    Attributes:
        model: function, module or `GenerativeModel`.
        data: tensors with one leading dimension.
        pyro: Pyro's ELBO that gives the same loss and gradients on the same draws. None where Pyro
            has no such objective: then the objective's own loss under plain autograd is it.
        guide: of the model.
        objective: what is trained for.
        batch_size: data a step; None is all.
        precision: as of `fit`.
    """

    model: Any
    data: tuple[Tensor, ...]
    pyro: Any = None
    guide: Any = None
    objective: Objective = field(default_factory=lambda: ELBO(optimizer=FAST))
    batch_size: int | None = None
    precision: str = "float32"


class Table(dict[str, Callable[[], Construct]]):
    """Constructs by name, each made afresh by a call."""

    def row(self, name: str) -> Callable[[Callable[[], Construct]], Callable[[], Construct]]:
        def add(make: Callable[[], Construct]) -> Callable[[], Construct]:
            assert name not in self, name
            self[name] = make
            return make

        return add


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normals(*shape: int, seed: int = 1) -> Tensor:
    """Data that are the same, but for rounding, in every floating type."""
    made = torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)
    return made.to(torch.get_default_dtype())


def uniforms(*shape: int, seed: int = 1) -> Tensor:
    made = torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)
    return (0.05 + 0.9 * made).to(torch.get_default_dtype())


class MeanField(TraceMeanField_ELBO):
    """Pyro's closed forms, but for guide sites that are a Delta, whose density they leave out."""

    def _differentiable_loss_particle(self, model_trace: Any, guide_trace: Any) -> Any:
        with patch("pyro.infer.trace_mean_field_elbo.kl_divergence", _with_density):
            return super()._differentiable_loss_particle(model_trace, guide_trace)


def _with_density(q: Any, p: Any) -> Tensor:
    inner = q
    while hasattr(inner, "base_dist"):
        inner = inner.base_dist
    if isinstance(inner, Delta):
        raise NotImplementedError  # Pyro then takes log q - log p at the draw
    return kl_divergence(q, p)
