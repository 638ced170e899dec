"""What a program keeps in Python is seen wherever it is kept; what it only reads is not a change.

Seen failing: no look at closures, at globals, at classes, at lengths, at iterators.
"""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.python_state import python_state, unchanged

COUNT, BOX = 0, {"calls": 0}


class Attribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.inner = nn.ModuleDict({"one": nn.Module()})
        self.inner["one"].calls = 0  # type: ignore[assignment]

    def forward(self) -> None:
        self.inner["one"].calls += 1  # type: ignore[operator]


class OfClass:
    calls = 0

    def __call__(self) -> None:
        type(self).calls += 1


class Slotted:
    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def in_closure() -> Callable[[], None]:
    calls = 0

    def program() -> None:
        nonlocal calls
        calls += 1

    return program


def in_global() -> None:
    global COUNT
    COUNT += 1


def in_global_box() -> None:
    BOX["calls"] += 1


def in_inner_function() -> None:
    def count() -> None:
        BOX["calls"] += 1

    count()


def in_default(calls: list[int] = [0]) -> None:  # noqa: B006
    calls[0] += 1


def on_function() -> None:
    on_function.calls = getattr(on_function, "calls", 0) + 1  # type: ignore[attr-defined]


def growing(kept: Any) -> Callable[[], None]:
    return lambda: kept.append(1)


def next_of(values: Iterator[int]) -> Callable[[], int]:
    return lambda: next(values)


def numbers() -> Iterator[int]:
    calls = 0
    while True:
        calls += 1
        yield calls


def counting(box: Any) -> None:
    box.calls += 1


PROGRAMS: dict[str, Callable[[], Callable[[], Any]]] = {
    "an attribute of a module": Attribute,
    "an attribute of a class": OfClass,
    "a slot": Slotted,
    "a closure": in_closure,
    "a global": lambda: in_global,
    "a global container": lambda: in_global_box,
    "a function inside": lambda: in_inner_function,
    "a default": lambda: in_default,
    "a function's attribute": lambda: on_function,
    "a list": lambda: growing([]),
    "a deque": lambda: growing(deque()),
    "a counter of itertools": lambda: next_of(itertools.count()),
    "an iterator": lambda: next_of(iter([1, 2, 3, 4])),
    "a generator": lambda: next_of(numbers()),
    "a partial": lambda: functools.partial(counting, SimpleNamespace(calls=0)),
    "a method": lambda: Slotted().__call__,
    "what Pyro wraps": lambda: pyro.poutine.block(in_closure()),
}


@pytest.mark.parametrize("kept_in", PROGRAMS)
def test_a_counter_is_seen_wherever_it_is_kept(kept_in: str) -> None:
    program = PROGRAMS[kept_in]()
    program()
    with pytest.raises(Refused, match=r"it changes .+ in Python each time"):
        with unchanged(program):
            program()


def test_the_place_is_named() -> None:
    with pytest.raises(Refused, match=r"it changes Attribute\.inner\.one\.calls in Python"):
        module = Attribute()
        with unchanged(module):
            module()


def test_programs_that_keep_nothing_pass() -> None:
    scale, table = 2.0, {"a": torch.zeros(3)}

    class Model(pyro.nn.PyroModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
            self.loc = pyro.nn.PyroParam(torch.zeros(3))

        def forward(self) -> torch.Tensor:
            pyro.sample("z", dist.Normal(self.loc, scale).to_event(1))
            self.kept = self.network(torch.randn(4, 3) + table["a"])  # a tensor is no number
            return self.kept

    model = Model()
    guide = pyro.infer.autoguide.AutoNormal(model)
    guide()
    model()
    before = python_state(model, guide)
    with unchanged(model, guide):
        guide()
        model()
    assert before and before == python_state(model, guide)
    pyro.clear_param_store()
