"""Packages whose names are imported when they are first asked for, so that a start costs little."""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["lazy"]


class _LazyPackage(ModuleType):
    """A package that imports what it offers on first use (PEP 562).

    A room may be called as a function that the package offers, as `base_rates` is: then the
    package's attribute is the function, and the room is reached by importing from it.
    """

    _places: Mapping[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._places:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self.__name__}.{self._places[name]}"), name)
        super().__setattr__(name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in self._places):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._places})


def lazy(package: str, modules: Mapping[str, str]) -> None:
    """Let a package offer names of its modules without importing these before they are needed.

    Args:
        package: its `__name__`.
        modules: from the name of a module within the package to what it offers, separated by
            spaces.
    """
    places = {name: module for module, names in modules.items() for name in names.split()}
    module = sys.modules[package]
    module.__class__ = _LazyPackage
    ModuleType.__setattr__(module, "_places", places)
