"""The front doors offer every name without importing it, and tools that read types see the same."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from plausible.models.lazy import LazyTable

ROOT = Path(__file__).parent.parent
PACKAGES = ("models", "inference", "fairness")


def shown_to_type_checkers(package: str) -> dict[str, str]:
    """From each name to the module that it is imported from under `if TYPE_CHECKING`."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n))
    imports = [n for n in block.body if isinstance(n, ast.ImportFrom)]
    return {a.name: n.module or "" for n in imports for a in n.names}


@pytest.mark.parametrize("package", PACKAGES)
def test_types_table_and_all_name_the_same(package: str) -> None:
    module = importlib.import_module(f"plausible.{package}")
    places = {name: f"{module.__name__}.{place}" for name, place in module._places.items()}
    assert places == shown_to_type_checkers(package)
    assert sorted(module.__all__) == sorted(places)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_the_one_of_its_module(package: str) -> None:
    module = importlib.import_module(f"plausible.{package}")
    for name, place in shown_to_type_checkers(package).items():
        assert getattr(module, name) is getattr(importlib.import_module(place), name)
    with pytest.raises(AttributeError, match="has no attribute 'VEA'"):
        module.VEA  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_a_front_door_imports_nothing_heavy(package: str) -> None:
    # Seen failing with an import of `fit` at the top of inference/__init__.py.
    heavy = ("torch", "pyro", "matplotlib", "pandas", "numpy", "ibis", "arviz")
    code = f"import sys, plausible.{package}; assert not {{*{heavy}}} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_room_does_not_hide_the_function_of_its_name() -> None:
    # Seen failing with a plain module-level __getattr__: the import sets the room as attribute.
    code = (
        "import plausible.fairness.base_rates.pooling, plausible.fairness.burden.burden\n"
        "from plausible.fairness import base_rates, burden\n"
        "import plausible.fairness as f\n"
        "assert callable(base_rates) and callable(f.burden) and f.burden is burden"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_table_imports_an_object_when_it_is_asked_for_and_not_before() -> None:
    # Seen failing with a Mapping's own __contains__, which asks for the object.
    code = (
        "import sys\n"
        "from plausible.models.lazy import LazyTable\n"
        "table = LazyTable({'a': 'wave:Wave_read', 'b': 'no_such_module:f'})\n"
        "assert list(table) == ['a', 'b'] and len(table) == 2\n"
        "assert 'a' in table and 'b' in table and 'c' not in table\n"
        "table.summary('a')\n"
        "assert 'wave' not in sys.modules\n"
        "assert table['a'] is sys.modules['wave'].Wave_read"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_summary_is_the_first_line_of_the_docstring() -> None:
    table: LazyTable[object] = LazyTable({"lazy": "plausible.models.lazy:lazy"})
    summary = "Let a package offer names of its modules without importing these before they are"
    assert table.summary("lazy").startswith(summary)
    with pytest.raises(KeyError):
        table.summary("no such name")
