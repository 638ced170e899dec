"""Every Python example in the README and the guides runs, block after block of one page.

A block that begins with "```python needs=NAME" shows another library, and runs where it is there.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from plausible.fairness.reporting import registry

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python(?: needs=(\w+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)\)")


def blocks(page: Path) -> list[tuple[str, str]]:
    """What each block needs, and its code."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    names: dict[str, object] = {"__name__": "plausible.example"}
    for needed, code in blocks(page):
        program = compile(code, page.name, "exec")
        if not needed or find_spec(needed) is not None:
            exec(program, names)
    assert len(names) > 2


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.name)
def test_an_example_that_does_something_ends_in_an_assertion(page: Path) -> None:
    for _, code in blocks(page):
        last = ast.parse(code).body[-1]
        defines = isinstance(last, ast.FunctionDef | ast.ClassDef)
        assert defines or isinstance(last, ast.Assert), ast.unparse(last)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [t for t in LINK.findall(text) if not t.startswith(("http", "mailto"))]
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert missing == []


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text and "make test" in text
