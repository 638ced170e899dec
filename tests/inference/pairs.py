"""Two data sets, a model of their mean, and guides of every family."""

from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import torch
import toys
from pyro.infer import Predictive, autoguide
from pyro.nn import PyroModule, PyroParam
from torch import Tensor, tensor
from torch.distributions import constraints

from plausible.models import ELBO, Adam, CosineDecay

__all__ = [
    "DATA",
    "FALLING",
    "FAMILIES",
    "NEAR",
    "RUN",
    "SHIFTS",
    "Inner",
    "Named",
    "exact",
    "model",
]

SHIFTS = 3.0, -3.0
NOISE = torch.randn(100, generator=toys.seeded(0))
DATA = {shift: shift + NOISE for shift in SHIFTS}
FALLING = Adam(CosineDecay(0.3, 60))
NEAR = 0.3  # what few steps of Adam and 200 draws of sd 0.1 leave; another model is 6 away
RUN: dict[str, Any] = {"steps": 60, "objective": ELBO(optimizer=FALLING), "compile": False}


def model(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(0.0, 10.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


def exact(x: Tensor) -> float:
    """The posterior mean of `loc`, whose sd is 0.1."""
    return x.sum().item() / (len(x) + 0.01)


class Named(PyroModule):
    """A guide with one parameter of a module and one that a statement makes."""

    def __init__(self) -> None:
        super().__init__()
        self.center = PyroParam(tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        scale = pyro.param("scale", tensor(1.0), constraint=constraints.positive)
        return pyro.sample("loc", dist.Normal(self.center, scale))


def mixed(model: Callable[..., Any]) -> autoguide.AutoGuideList:
    guide = autoguide.AutoGuideList(model)
    guide.append(autoguide.AutoNormal(model))
    return guide


FAMILIES: list[Callable[[Any], Any]] = [
    autoguide.AutoDelta,
    autoguide.AutoNormal,
    autoguide.AutoDiagonalNormal,
    autoguide.AutoMultivariateNormal,
    autoguide.AutoLowRankMultivariateNormal,
    autoguide.AutoNormalMessenger,
    autoguide.AutoHierarchicalNormalMessenger,
    mixed,
    lambda _: Named(),
]


def mean_of(guide: Any, x: Tensor) -> float:
    draws: Tensor = Predictive(model, guide=guide, num_samples=200)(x)["loc"]
    return draws.mean().item()


class Inner(PyroModule):
    def __init__(self) -> None:
        super().__init__()
        self.loc = PyroParam(tensor(0.0))

    def forward(self) -> Tensor:
        return self.loc
