"""Pyro's parameter store with another content for a while, one thread at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

import pyro
from torch import Tensor, nn

__all__ = [
    "Content",
    "copies",
    "empty",
    "held",
    "leaf",
    "own_store",
    "put",
    "put_back",
    "taking_turns",
    "the_lock",
    "without_modules",
    "without_references",
]

# Pyro's handlers and parameter store belong to the process: a second thread waits for its turn.
_ONE_AT_A_TIME = threading.RLock()


def _renew() -> None:
    """In a process that was forked nobody may hold the lock any more."""
    global _ONE_AT_A_TIME
    _ONE_AT_A_TIME = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Content(TypedDict):
    """What a store of Pyro's holds: unconstrained tensors and their constraints, by name."""

    params: dict[str, Tensor]
    constraints: dict[str, Any]


def empty() -> Content:
    """The content of a new store."""
    return {"params": {}, "constraints": {}}


def the_lock() -> Any:
    """What the thread holds whose turn it is; it may take it again."""
    return _ONE_AT_A_TIME


@contextmanager
def taking_turns() -> Iterator[None]:
    """Inside, no other thread has a store of its own in place."""
    with _ONE_AT_A_TIME:
        yield


@contextmanager
def own_store(content: Content) -> Iterator[Content]:
    """Inside, Pyro's store is this content, which keeps what is made there; then the caller's."""
    with taking_turns():
        before = put(content)
        try:
            yield content
        finally:
            content.update(without_references(held()))
            put_back(before)


def leaf(value: Tensor) -> Tensor:
    """A copy that is trained, or not, as the tensor is."""
    return value.detach().clone().requires_grad_(value.requires_grad)


def copies(content: Content) -> Content:
    """The same values in tensors of their own."""
    params = {name: leaf(value) for name, value in content["params"].items()}
    return {"params": params, "constraints": {n: content["constraints"][n] for n in params}}


def without_modules(content: Content) -> Content:
    """What no module holds."""
    params = {n: p for n, p in content["params"].items() if not isinstance(p, nn.Parameter)}
    return {"params": params, "constraints": {n: content["constraints"][n] for n in params}}


def held() -> Content:
    """What Pyro's store holds now."""
    store = pyro.get_param_store()
    return {"params": dict(store._params), "constraints": dict(store._constraints)}


def without_references(content: Content) -> Content:
    """The same; the tensors have lost what Pyro notes on them, which could not be copied."""
    for value in content["params"].values():
        value.__dict__.pop("unconstrained", None)
    return content


def put(content: Content) -> tuple[Any, Any, Any]:
    """Fill Pyro's store with this alone; returns what was there."""
    store = pyro.get_param_store()
    before = store._params, store._param_to_name, store._constraints
    store.clear()
    store.set_state(content)
    return before


def put_back(before: tuple[Any, Any, Any]) -> None:
    """Undo `put`."""
    store = pyro.get_param_store()
    store._params, store._param_to_name, store._constraints = before
