"""Names whose objects are imported when they are first asked for, so that a start costs little."""

import ast
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

__all__ = ["LazyTable", "lazy"]

Value = TypeVar("Value")


class LazyTable(Mapping[str, Value], Generic[Value]):
    """A mapping from names to objects of which each is imported when it is first asked for.

    Names and lengths cost no import, and neither does `summary`.

    Args:
        places: from each name to `module:attribute`.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self.places = dict(places)

    def __getitem__(self, name: str) -> Value:
        module, _, attribute = self.places[name].partition(":")
        value: Value = getattr(import_module(module), attribute)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def summary(self, name: str) -> str:
        """The first docstring line of a function or class, read from its file."""
        module, _, attribute = self.places[name].partition(":")
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{self.places[name]}, where {name!r} should be, is missing.")
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        kinds = ast.FunctionDef | ast.ClassDef
        (node,) = (n for n in tree.body if isinstance(n, kinds) and n.name == attribute)
        return (ast.get_docstring(node) or "").partition("\n")[0]


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


def lazy(package: str, modules: Mapping[str, str] | None = None) -> None:
    """Let a package offer names of its modules without importing these before they are needed.

    Args:
        package: its `__name__`.
        modules: from the name of a module within the package to what it offers, separated by
            spaces; by default what the package imports from itself for type checkers only, so
            that its names are written once.
    """
    module = sys.modules[package]
    if modules is None:
        places = _for_type_checkers(module)
        ModuleType.__setattr__(module, "__all__", sorted(places))
    else:
        places = {name: place for place, names in modules.items() for name in names.split()}
    module.__class__ = _LazyPackage
    ModuleType.__setattr__(module, "_places", places)
    if "ipykernel" in sys.modules:
        _import_tqdm()


def _import_tqdm() -> None:
    """In a notebook: Pyro imports tqdm, which warns of missing ipywidgets at its import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import_module("tqdm.auto")


def _for_type_checkers(module: ModuleType) -> dict[str, str]:
    """From each name that a package imports from its modules under an `if`, to the module."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    start = len(module.__name__) + 1
    return {a.name: str(node.module)[start:] for node in imports for a in node.names}
