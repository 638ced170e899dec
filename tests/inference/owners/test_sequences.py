"""Two models of every family in one process: each acts as if it were alone, in any order of calls.

What is compared is bit for bit: a random sequence of calls to two models, interleaved, gives each
the results of its own calls alone. Seen failing with contexts of Pyro's own, for every family whose
parameters Pyro knows by name.
"""

import copy
import pickle
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro.contrib.easyguide import EasyGuide
from pyro.infer import Predictive, autoguide
from pyro.nn import PyroModule, PyroParam, pyro_method
from torch import Tensor, tensor
from torch.distributions import constraints

from plausible.inference import Fit, fit, load
from plausible.models import ELBO, Adam, GenerativeModel

SIZE = 20
DATA = [shift + torch.randn(SIZE, generator=toys.seeded(1)) for shift in (3.0, -3.0)]


def model(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(0.0, 10.0))
    spread = pyro.sample("spread", dist.LogNormal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, spread), obs=x)


class Named(PyroModule):
    """Parameters of a module, of a statement in it, and of a module inside."""

    def __init__(self) -> None:
        super().__init__()
        self.center = PyroParam(tensor(0.0))
        self.inner = PyroModule("inner")
        self.inner.width = PyroParam(tensor(1.0), constraint=constraints.positive)

    def forward(self, x: Tensor) -> None:
        log_spread = pyro.param("log_spread", tensor(0.0))
        pyro.sample("loc", dist.Normal(self.center, self.inner.width))
        pyro.sample("spread", dist.LogNormal(log_spread, 0.1))


class Easy(EasyGuide):
    def guide(self, x: Tensor) -> None:
        group = self.group(match="loc|spread")
        loc = pyro.param("guide_loc", torch.zeros(group.event_shape))
        group.sample("latents", dist.Normal(loc, 0.1).to_event(1))


def listed(program: Callable[..., Any]) -> autoguide.AutoGuideList:
    guide = autoguide.AutoGuideList(program)
    guide.append(autoguide.AutoDelta(pyro.poutine.block(program, expose=["loc"])))
    guide.append(autoguide.AutoNormal(pyro.poutine.block(program, hide=["loc"])))
    return guide


def function(x: Tensor) -> None:
    center = pyro.param("center", tensor(0.0))
    width = pyro.param("width", tensor(1.0), constraint=constraints.positive)
    pyro.sample("loc", dist.Normal(center, width))
    pyro.sample("spread", dist.LogNormal(pyro.param("log_spread", tensor(0.0)), 0.1))


class Located(GenerativeModel):
    """A model of ours with a constrained parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.loc = PyroParam(tensor(0.5), constraint=constraints.interval(-5.0, 5.0))

    @pyro_method
    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        with pyro.plate("data", size if x is None else len(x)):
            return pyro.sample("x", dist.Normal(self.loc, 1.0), obs=x)


FAMILIES: dict[str, Callable[[], Any]] = {
    **{
        kind.__name__: lambda kind=kind: kind(model)
        for kind in (
            autoguide.AutoDelta,
            autoguide.AutoNormal,
            autoguide.AutoDiagonalNormal,
            autoguide.AutoMultivariateNormal,
            autoguide.AutoLowRankMultivariateNormal,
            autoguide.AutoStructured,
            autoguide.AutoNormalMessenger,
            autoguide.AutoHierarchicalNormalMessenger,
        )
    },
    "AutoIAFNormal": lambda: autoguide.AutoIAFNormal(model, hidden_dim=[4], num_transforms=1),
    "AutoGuideList": lambda: listed(model),
    "EasyGuide": lambda: Easy(model),
    "PyroModule": Named,
    "function": lambda: function,
    "GenerativeModel": Located,
}
CALLS = ("fit", "call", "predict", "copy", "pickle", "load")
UNCOPIED = ("AutoIAFNormal",)  # Pyro's flows keep tensors that they have computed


class Actor:
    """One model or guide, and what came out of each call to it."""

    def __init__(self, family: str, x: Tensor, folder: Path) -> None:
        self.make, self.x, self.folder = FAMILIES[family], x, folder
        self.guide, self.results, self.run = self.make(), list[Any](), 0
        self.last: Fit | None = None

    def act(self, call: str, seed: int) -> None:
        with pyro.util.ignore_jit_warnings(), torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.results.append(getattr(self, f"_{call}")(seed))

    def _fit(self, seed: int) -> list[float]:
        self.run += 1
        settings: dict[str, Any] = {
            "steps": 2,
            "seed": seed,
            "compile": False,
            "objective": ELBO(optimizer=Adam(0.1)),
        }
        if isinstance(self.guide, GenerativeModel):
            self.last = fit(self.guide, self.x, out=self.folder / str(self.run), **settings)
        else:
            self.last = fit(model, self.x, guide=self.guide, **settings)
        return self.last.loss.tolist()

    def _call(self, seed: int) -> list[float]:
        return self._in_scope(lambda: values(pyro.poutine.trace(self._program).get_trace(self.x)))

    def _predict(self, seed: int) -> list[float]:
        if isinstance(self.guide, GenerativeModel):
            return self.guide.sample(3).tolist()
        predictive = Predictive(model, guide=self.guide, num_samples=3)
        return self._in_scope(lambda: predictive(self.x)["loc"].flatten().tolist())

    def _copy(self, seed: int) -> list[float]:
        before, self.guide = self.guide, copy.deepcopy(self.guide)
        if before is not self.guide:  # what becomes of the one is nothing to the other
            for parameter in before.parameters():
                parameter.data.zero_()
        return self._call(seed)

    def _pickle(self, seed: int) -> list[float]:
        self.guide = pickle.loads(pickle.dumps(self.guide))
        return self._call(seed)

    def _load(self, seed: int) -> list[float]:
        if isinstance(self.guide, GenerativeModel):
            self.guide = load(self.folder / str(self.run))
        return self._call(seed)

    def _in_scope(self, draw: Callable[[], list[float]]) -> list[float]:
        """Functions own nothing: their values are in the run."""
        if self.guide is not function:
            return draw()
        assert self.last is not None
        with self.last.scope():
            return draw()

    @property
    def _program(self) -> Callable[..., Any]:
        return self.guide.model if isinstance(self.guide, GenerativeModel) else self.guide


def values(trace: Any) -> list[float]:
    sites = [s for s in trace.nodes.values() if s["type"] in ("sample", "param")]
    return [v for site in sites for v in torch.as_tensor(site["value"]).flatten().tolist()]


def sequence(family: str, seed: int, length: int) -> Iterator[tuple[int, str, int]]:
    """Calls to two models, each of which is fitted first; then every kind of call, and others."""
    chosen = random.Random(f"{family} {seed}")
    calls = [call for call in CALLS if family not in UNCOPIED or call not in ("copy", "pickle")]
    others = [*calls, *chosen.choices(calls, k=max(length - len(calls), 0))]
    chosen.shuffle(others)
    for i, call in enumerate(("fit", "fit", *others)):
        yield i if i < 2 else chosen.randrange(2), call, seed + i


def results(family: str, calls: Sequence[tuple[int, str, int]], folder: Path) -> list[list[Any]]:
    actors = [Actor(family, x, folder / str(i)) for i, x in enumerate(DATA)]
    for who, call, seed in calls:
        actors[who].act(call, seed)
    return [actor.results for actor in actors]


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
@pytest.mark.parametrize("family", FAMILIES)
def test_each_of_two_models_acts_as_if_it_were_alone(
    family: str, seed: int, tmp_path: Path
) -> None:
    calls = list(sequence(family, seed, 8))
    together = results(family, calls, tmp_path / "together")
    for who in range(2):
        with pyro.get_param_store().scope():  # a process in which nothing else has run
            alone = results(family, [c for c in calls if c[0] == who], tmp_path / f"alone{who}")
        assert together[who] == alone[who]
    assert not pyro.get_param_store().keys()


@pytest.mark.parametrize("family", ["AutoNormal", "PyroModule", "GenerativeModel", "function"])
def test_each_of_two_models_in_threads_acts_as_if_it_were_alone(
    family: str, tmp_path: Path
) -> None:
    """Draws outside `fit` come from a generator that threads share, so only runs are compared."""
    fits = [(who, "fit", seed) for seed in range(3) for who in range(2)]
    alone = results(family, fits, tmp_path / "alone")
    actors = [Actor(family, x, tmp_path / str(i)) for i, x in enumerate(DATA)]

    def work(actor: Actor) -> None:
        for seed in range(3):
            actor.results.append(actor._fit(seed))
            if isinstance(actor.guide, GenerativeModel):
                actor.guide.sample(2)
            elif actor.last is not None and actor.guide is not function:
                actor.guide(actor.x)

    threads = [threading.Thread(target=work, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [actor.results for actor in actors] == alone
    assert not pyro.get_param_store().keys()
