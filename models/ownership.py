"""Whose a parameter is: that of the module which holds it, whatever Pyro's store knows by its name.

Pyro keeps the parameters of all `PyroModule`s of a process in one store, by name: what is called
later reads, and overwrites itself with, what an earlier module of equal names left there. A module
that is owned here has a context of its own instead, in which Pyro's store holds nothing but what
the module's own `pyro.param` statements made. During a run of `fit` all modules of its program
share the run's store, as Pyro's own inference would have it: a model and its guide may name one
parameter both.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
from pyro.nn import PyroModule
from pyro.nn.module import _Context
from torch import Tensor, nn
from torch.distributions import transform_to
from torch.nn.modules.module import register_module_forward_pre_hook

from plausible.models.stores import (
    Content,
    copies,
    empty,
    held,
    leaf,
    own_store,
    put,
    put_back,
    the_lock,
    without_modules,
    without_references,
)

__all__ = [
    "OwnContext",
    "Owners",
    "own_parameters",
    "scope",
    "stored_values",
]


@contextmanager
def scope(content: Content) -> Iterator[None]:
    """Inside, Pyro's store is what a run has left, and a run that begins inside goes on from it."""
    with own_store(content):
        _SCOPES.append(pyro.get_param_store()._params)
        try:
            yield
        finally:
            _SCOPES.pop()


class OwnContext(_Context):
    """The context of a module and its submodules, outside which no store knows their parameters.

    Attributes:
        stored: what `pyro.param` statements inside the module made, and no module holds.
    """

    def __init__(self, stored: Content | None = None) -> None:
        self.active = 0
        self.cache: dict[str, Tensor] = {}
        self.stored = empty() if stored is None else stored
        self._before: Any = None
        self._locks: list[Any] = []

    @classmethod
    def take(cls, context: _Context) -> None:
        """Make a context of Pyro's one of this kind, for all modules that share it."""
        if not isinstance(context, OwnContext):
            active, cache = context.active, context.cache
            context.__dict__.clear()
            context.__class__ = cls
            OwnContext.__init__(context)  # type: ignore[arg-type]
            context.active, context.cache = active, cache

    @property
    def used(self) -> bool:  # type: ignore[override]
        """Whether names are in a store, where Pyro has to keep them up to date."""
        return self.active > 0

    @property
    def param_state(self) -> Content:  # type: ignore[override]
        """The same, by the name under which Pyro looks for it where its parameters are local."""
        return self.stored

    def __enter__(self) -> None:
        lock = the_lock()
        lock.acquire()
        self._locks.append(lock)
        if not self.active and not any(run.joined(self) for run in _RUNS[-1:]):
            self._before = put(self.stored)
        self.active += 1

    def __exit__(self, *error: Any) -> None:
        self.active -= 1
        if not self.active:
            self.cache.clear()
            if self._before is not None:
                self.stored = without_modules(held())
                put_back(self._before)
                self._before = None
        self._locks.pop().release()

    def __reduce__(self) -> Any:
        return OwnContext, (without_references(self.stored),)


def own_parameters(module: nn.Module) -> None:
    """From now on the parameters of a module and of those inside it are its own.

    What a `PyroModule` shares with others of its name by way of Pyro's store it gets a copy of.
    """
    _own(module, pyro.get_param_store()._params)


def stored_values(module: nn.Module) -> dict[str, Tensor]:
    """Values, by name, of what statements inside a module made and no module holds."""
    values = {}
    for part in module.modules():
        if isinstance(part, PyroModule) and isinstance(part._pyro_context, OwnContext):
            stored = part._pyro_context.stored
            for name, value in stored["params"].items():
                values[name] = transform_to(stored["constraints"][name])(value).detach()
    return values


class Owners:
    """The modules of one run of `fit`, which share its store, and what each of them stores there.

    Args:
        program: model and guide, whose parameters are their own from now on.

    Attributes:
        start: what the run's store holds at first.
    """

    def __init__(self, program: nn.Module) -> None:
        self._outside = pyro.get_param_store()._params
        self._names: dict[OwnContext, set[str]] = {}
        self._open, self._noted = False, set[str]()
        in_scope = any(params is self._outside for params in _SCOPES)
        self.start = copies(without_modules(held())) if in_scope else empty()
        self._given = set(self.start["params"])
        self._program = program
        _own(program, self._outside)

    @contextmanager
    def running(self) -> Iterator["Owners"]:
        """A run, whose store is Pyro's: the modules that it makes use of do not leave it."""
        _RUNS.append(self)
        try:
            yield self
        finally:
            _RUNS.pop()

    @contextmanager
    def joining(self) -> Iterator[None]:
        """Whatever module is called inside belongs to the run from now on."""
        thread = threading.get_ident()

        def own(module: nn.Module, _: Any) -> None:
            if isinstance(module, PyroModule) and threading.get_ident() == thread:
                _own(module, self._outside)
                self.joined(module._pyro_context)

        self._open, was = True, self._open
        hook = register_module_forward_pre_hook(own)
        try:
            yield
        finally:
            hook.remove()
            self._open = was
        for name in self._given - self._noted:  # of other functions, or of another use of a module
            del pyro.get_param_store()[name]

    def joined(self, context: Any) -> bool:
        """Whether a module shares the store of the run."""
        if context in self._names:
            return True
        if self._open:
            self._names[context] = set()
            known = pyro.get_param_store()
            params = {n: p for n, p in context.stored["params"].items() if n not in known}
            new: Any = copies({"params": params, "constraints": context.stored["constraints"]})
            known.set_state(new)
            self._given |= set(params)
        return self._open

    def note(self, name: str) -> None:
        """A `pyro.param` statement names a parameter of the modules that are at work."""
        self._noted.add(name)
        for context, names in self._names.items():
            if context.active:
                names.add(name)

    def settle(self) -> None:
        """Give every module what its own statements have made."""
        content, parts = held(), self._program.modules()
        of_modules = {id(p) for part in parts for p in part._parameters.values()}
        for context, names in self._names.items():
            for name, value in content["params"].items():
                own = name in names or name not in self._noted
                if own and id(value) not in of_modules and "$$$" not in name:
                    plain = leaf(value) if isinstance(value, nn.Parameter) else value
                    context.stored["params"][name] = plain
                    context.stored["constraints"][name] = content["constraints"][name]


# Runs and scopes under way, an inner one last; they are those of the thread whose turn it is.
_RUNS: list[Owners] = []
_SCOPES: list[dict[str, Tensor]] = []


def _own(module: nn.Module, outside: dict[str, Tensor]) -> None:
    shared: dict[int, nn.Parameter] = {}
    for part in module.modules():
        if isinstance(part, PyroModule):
            OwnContext.take(part._pyro_context)
            for name, parameter in part._parameters.items():
                full_name = f"{part._pyro_name}.{name.removesuffix('_unconstrained')}".lstrip(".")
                if parameter is not None and outside.get(full_name) is parameter:
                    shared[id(parameter)] = nn.Parameter(leaf(parameter), parameter.requires_grad)
    for part in module.modules() if shared else ():
        for name, parameter in part._parameters.items():
            if id(parameter) in shared:
                part._parameters[name] = shared[id(parameter)]
