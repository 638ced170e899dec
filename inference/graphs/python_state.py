"""What a program keeps in Python: numbers, flags and lengths, which a graph would fix for ever."""

import functools
import itertools
import operator
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from plausible.inference.graphs.capture import Refused

__all__ = ["python_state", "unchanged"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_CONTAINERS = (list, tuple, set, frozenset, dict, deque)
_LONGEST = 1_000  # containers whose items are looked at
_MOST = 50_000  # objects that are looked at


def python_state(*roots: object) -> dict[str, object]:
    """Numbers, texts and lengths that the roots can reach, by the way there.

    Looked at are attributes of objects and of their classes, items of containers, and what
    functions read: closures, defaults and globals. Tensors are not, nor is what belongs to an
    installed library, whose caches fill as it likes.

    Args:
        roots: modules, functions, and objects that hold some.
    """
    state: dict[str, object] = {}
    seen: set[int] = set()
    alive: list[object] = []  # what was made on the way, so that no identity is used twice
    ahead = [(_name(root), root) for root in reversed(roots)]
    while ahead and len(seen) < _MOST:
        path, value = ahead.pop()
        if isinstance(value, _PLAIN):
            state[path] = value
            continue
        if id(value) in seen or isinstance(value, Tensor | np.ndarray):
            continue
        seen.add(id(value))
        alive.append(value)
        if isinstance(value, _CONTAINERS):
            state[f"the length of {path}"] = len(value)
        elif isinstance(value, itertools.count):
            state[path] = repr(value)
        elif isinstance(value, Iterator):
            state[path] = operator.length_hint(value, -1)
        ahead += _parts(path, value)
    return state


@contextmanager
def unchanged(*roots: object) -> Iterator[None]:
    """Refuse what changes in Python whenever it runs, because a graph would not change it.

    A counter may decide only late in the training, where no comparison with a graph sees it.

    Raises:
        Refused: if something is not as it was before.
    """
    before = python_state(*roots)
    yield
    after = python_state(*roots)
    changed = [path for path in before if repr(before[path]) != repr(after.get(path))]
    if changed:
        raise Refused(
            f"it changes {changed[0]} in Python each time that it runs, which a graph does not "
            "(a buffer can take its place, or a callback)"
        )


def _parts(path: str, value: Any) -> list[tuple[str, Any]]:
    """What a value holds, each with the way there."""
    if isinstance(value, _CONTAINERS):
        return _items(path, value)
    if isinstance(value, types.FunctionType):
        return _read_by(path, value)
    if isinstance(value, types.MethodType):
        return [(path, value.__func__), (_name(value.__self__), value.__self__)]
    if isinstance(value, functools.partial):
        arguments = _items(path, value.args) + _items(path, value.keywords)
        return [*arguments, (_name(value.func), value.func)]
    if isinstance(value, types.GeneratorType):
        local = {} if value.gi_frame is None else value.gi_frame.f_locals
        return [(f"{path}.{name}", part) for name, part in local.items()]
    if isinstance(value, type):
        return [] if _of_library(value) else _attributes(path, value)
    if not isinstance(value, nn.Module | types.SimpleNamespace) and _of_library(type(value)):
        return _attributes(path, value) if _package(type(value)) == "plausible" else []
    return [(f"the class {type(value).__name__}", type(value)), *_attributes(path, value)]


def _items(path: str, values: Any) -> list[tuple[str, Any]]:
    if len(values) > _LONGEST:
        return []
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    return [(f"{path}[{key!r}]", item) for key, item in list(pairs)]


def _attributes(path: str, value: Any) -> list[tuple[str, Any]]:
    """Attributes of an object or class; the parts of a module have its name before theirs."""
    held = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                held.setdefault(name, getattr(value, name))
    inside = ("_modules", "_buffers", "_parameters") if isinstance(value, nn.Module) else ()
    for name in inside:
        held |= held.pop(name, {})
    special = [name for name in held if name.startswith("__") and name.endswith("__")]
    return [(f"{path}.{name}", part) for name, part in held.items() if name not in special]


def _read_by(path: str, function: types.FunctionType) -> list[tuple[str, Any]]:
    """What a function reads besides its arguments; of a library's functions the closure alone."""
    parts = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            parts.append((f"{path}'s {name}", cell.cell_contents))
        except ValueError:  # a variable that has no value yet
            continue
    if _of_library(function):
        return parts
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    parts += _items(f"{path}'s defaults", defaults)
    parts += [(f"{path}.{key}", part) for key, part in vars(function).items()]
    names = _names(function.__code__)
    for name in sorted(names & function.__globals__.keys()):
        value = function.__globals__[name]
        if not isinstance(value, types.ModuleType):
            parts.append((f"{function.__module__}.{name}", value))
        elif not _of_library(value):
            own = sorted(names & vars(value).keys())
            parts += [(f"{value.__name__}.{key}", vars(value)[key]) for key in own]
    return parts


def _names(code: types.CodeType) -> set[str]:
    """Global names and attributes that code uses, in the functions inside it too."""
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _of_library(thing: Any) -> bool:
    """Whether a class, function or module comes from an installed package, and not the user."""
    return _installed(_package(thing))


def _package(thing: Any) -> str:
    where = thing.__name__ if isinstance(thing, types.ModuleType) else thing.__module__
    return str(where).partition(".")[0]


@functools.cache
def _installed(package: str) -> bool:
    if package in ("plausible", *sys.builtin_module_names, *sys.stdlib_module_names):
        return True
    places = getattr(sys.modules.get(package), "__path__", ())
    file = getattr(sys.modules.get(package), "__file__", None)
    paths = sysconfig.get_paths()
    installed = tuple(paths[name] for name in ("purelib", "platlib", "stdlib"))
    parts = {"site-packages", "dist-packages"}
    return any(
        str(place).startswith(installed) or parts & set(Path(place).parts)
        for place in (*places, *([file] if file else []))
    )


def _name(value: object) -> str:
    return str(getattr(value, "__name__", type(value).__name__))
