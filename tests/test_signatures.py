"""What users may call, with its arguments and defaults, changes only where a change is meant.

A file holds the front door of a package, its recipes, and the defaults in its modules' `__all__`.

    python tests/test_signatures.py

writes the files of the folder `signatures` anew, after such a change.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plausible.models.lazy import LazyTable

PACKAGES = ("models", "inference", "fairness")
EMPTY = inspect.Parameter.empty
FOLDER = Path(__file__).parent / "signatures"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_arguments_and_defaults_are_those_that_are_kept(package: str) -> None:
    kept = (FOLDER / f"{package}.txt").read_text(encoding="utf-8").splitlines()
    assert signatures(package).splitlines() == kept, (
        "A change that is meant goes into CHANGELOG.md; then run: python tests/test_signatures.py"
    )


def signatures(package: str) -> str:
    """A line for each callable of the front door, and for each default of a module's own names."""
    door = importlib.import_module(f"plausible.{package}")
    lines = {line for name in door.__all__ for line in _lines(name, getattr(door, name))}
    if package == "inference":
        from plausible.inference.recipes import RECIPES

        lines |= {line for name in RECIPES for line in _lines(f"recipe {name}", RECIPES[name])}
    for module in _modules(door):
        for name in set(getattr(module, "__all__", ())) - set(door.__all__):
            thing = getattr(module, name)
            if getattr(thing, "__module__", "") == module.__name__:
                place = module.__name__.removeprefix(f"plausible.{package}.")
                lines |= {line for line in _lines(f"{place}.{name}", thing) if "=" in line}
    return "\n".join(sorted(lines)) + "\n"


def _modules(package: Any) -> Iterator[Any]:
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not each.name.endswith("__main__"):
            yield importlib.import_module(each.name)


def _lines(name: str, thing: Any) -> Iterator[str]:
    if isinstance(thing, LazyTable) or not callable(thing):
        return
    yield f"{name}{_arguments(thing)}"
    if isinstance(thing, type):
        for attribute, value in vars(thing).items():
            function = getattr(value, "__func__", value)  # of class methods and static ones
            if not attribute.startswith("_") and inspect.isfunction(function):
                yield f"{name}.{attribute}{_arguments(function)}"


def _arguments(function: Any) -> str:
    """Arguments with their defaults and without types, which a type checker looks after."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # exceptions of Python's own kind
        return ""
    plain = [
        p.replace(annotation=EMPTY, default=p.default if p.default is EMPTY else _Named(p.default))
        for p in signature.parameters.values()
    ]
    return str(signature.replace(parameters=plain, return_annotation=EMPTY))


class _Named:
    """A default whose representation is the same in every process."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        name = getattr(self.value, "__qualname__", None)
        text = name if isinstance(name, str) else repr(self.value)
        return type(self.value).__name__ if " at 0x" in text else text


if __name__ == "__main__":
    for each in PACKAGES:
        (FOLDER / f"{each}.txt").write_text(signatures(each), encoding="utf-8")
