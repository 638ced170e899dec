"""Every analysis is registered, answers a question, and can be reached; users' own as well."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import plausible.fairness
from plausible.fairness.audit import Audit
from plausible.fairness.cases import CASES
from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting import registry
from plausible.fairness.reporting.analysis import Analysis, Finding
from plausible.fairness.reporting.questions import closing_questions
from plausible.fairness.reporting.registry import ANALYSES, COLUMNS, analysis, names, registered
from plausible.inference.errors import DataError, UnknownName

ROOT = Path(__file__).parents[3]
SOURCES = {p: p.read_text(encoding="utf-8") for p in sorted((ROOT / "fairness").rglob("*.py"))}


def functions_that_analyse(sources: dict[Path, str]) -> Iterator[str]:
    """Every public function that returns an analysis, as module:attribute."""
    for path, text in sources.items():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                if isinstance(node.returns, ast.Name) and node.returns.id == "Analysis":
                    yield f"plausible.{module}:{node.name}"


def unregistered(sources: dict[Path, str]) -> list[str]:
    functions = [registered(name).function for name in names()]
    known = {f"{f.__module__}:{f.__qualname__}" for f in functions}
    return sorted(set(functions_that_analyse(sources)) - known)


def test_every_function_that_returns_an_analysis_is_registered() -> None:
    assert len(list(functions_that_analyse(SOURCES))) >= 24
    assert unregistered(SOURCES) == []


def test_every_analysis_is_offered_by_the_front_door() -> None:
    functions = {registered(name).function.__name__ for name in ANALYSES}
    assert functions <= set(plausible.fairness.__all__)


def test_a_planted_orphan_is_noticed() -> None:
    planted = ROOT / "fairness" / "burden" / "planted.py"
    sources = SOURCES | {planted: "def orphan(counts: Counts) -> Analysis:\n    ...\n"}
    assert unregistered(sources) == ["plausible.fairness.burden.planted:orphan"]


def unreachable(documents: str) -> list[str]:
    """Analyses that no audit runs, no case uses and no document shows."""
    used = "\n".join(text for path, text in SOURCES.items() if "cases" in path.parts) + documents
    reached = []
    for name in names():
        entry = registered(name)
        audited = bool(entry.needs) and COLUMNS.keys() >= set(entry.needs)
        if audited or re.search(rf"(?<!def )\b{entry.function.__name__}\(", used):
            reached.append(name)
    return sorted(set(names()) - set(reached))


def examples() -> str:
    """The Python examples of all documents; a row of a table is not enough."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    code = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return "\n".join(
        block for page in pages for block in code.findall(page.read_text(encoding="utf-8"))
    )


def test_every_analysis_is_reached_by_an_audit_a_case_or_an_example() -> None:
    assert unreachable(examples()) == []


def test_every_name_that_an_analysis_gives_itself_is_registered() -> None:
    # Otherwise its report would say that nothing speaks to its question.
    chapters = (ROOT / "fairness" / "reporting" / "templates").glob("*.toml")
    texts = [tomllib.loads(path.read_text(encoding="utf-8")) for path in chapters]
    given = {section["name"] for chapter in texts for section in chapter.values()}
    assert len(given) >= 20
    assert given <= set(names())


def test_berkeley_answers_the_question_of_causes() -> None:
    answers = {a.heading: a.here for a in CASES["admissions"].report().questions}
    assert (
        answers["Causes"]
        == "Here: The same within each department, The difference along the arrows of a graph."
    )


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def counted(counts: Counts, seed: int = 0) -> Analysis:
    """An analysis of a user."""
    words = f"seed {seed}, {counts['hits'].sum()} hits"
    return Analysis("share-of-hits", "Hits", "How many?", [Finding(words)], [], ["a"], ["c"])


@pytest.mark.usefixtures("own")
def test_an_analysis_of_a_user_is_listed_audited_and_answers_its_question() -> None:
    analysis("share-of-hits", answers="representative", needs=("trials", "hits"))(counted)
    assert names()[-1] == "share-of-hits"
    counts = Counts.of({"A": {"trials": 90, "events": 9, "hits": 4}})
    made = {a.name: a for a in Audit(counts, seed=7).run()}
    assert made["share-of-hits"].findings[0].text == "seed 7, 4 hits"
    (answer,) = closing_questions([made["share-of-hits"]])[:1]
    assert answer.here == "Here: Hits."
    assert ("share of hits", "it needs a column of hits.") in _skipped("hits")


def _skipped(without: str) -> list[tuple[str, str]]:
    cells = {"trials": 90, "events": 9, "hits": 4}
    audit = Audit(Counts.of({"A": {m: n for m, n in cells.items() if m != without}}))
    audit.run()
    return audit.skipped


@pytest.mark.usefixtures("own")
def test_a_name_belongs_to_one_function() -> None:
    with pytest.raises(DataError, match="'base-rates' is plausible"):
        analysis("base-rates", answers="bayes")(counted)
    analysis("share-of-hits", answers="bayes")(counted)
    analysis("share-of-hits", answers="bayes")(counted)  # a cell of a notebook that runs again
    with pytest.raises(DataError, match="another name"):
        analysis("share-of-hits", answers="bayes")(unreachable)


def test_the_table_of_the_guide_is_that_of_the_registry() -> None:
    # Seen failing after an analysis was taken out of the table by hand.
    spec = importlib.util.spec_from_file_location("guide", ROOT / "docs" / "fairness.py")
    assert spec is not None and spec.loader is not None
    guide = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(guide)
    text = guide.GUIDE.read_text(encoding="utf-8")
    assert guide.updated(text) == text, "run python docs/fairness.py"
    assert "| `by_stratum` |" in text


def test_misspelt_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'causes'"):
        analysis("mine", answers="cause")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="Did you mean 'hits'"):
        analysis("mine", answers="causes", needs=("hit",))
    with pytest.raises(UnknownName, match="Did you mean 'base-rates'"):
        registered("base-rate")


def imported(code: str) -> set[str]:
    """The packages that a fresh process has imported after `code`."""
    show = f"{code}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    return set(subprocess.check_output([sys.executable, "-c", show], text=True).split())


# Import names and registries only, so that a list or a misspelt name costs a fraction of a second.
HEAVY = {"torch", "pyro", "arviz", "pandas", "scipy", "matplotlib", "ibis", "duckdb", "jinja2"}


def test_analyses_reports_and_audits_need_no_torch_and_draw_only_when_asked() -> None:
    # Seen failing with PyTorch imported where rates are pooled, and ArviZ where they are drawn.
    names = "Audit, Columns, Counts, Rates, Report, base_rates, pooled, prosecutor"
    absent = {"torch", "pyro", "arviz", "ibis", "duckdb", "jinja2"}
    assert not imported(f"from plausible.fairness import {names}") & absent
    light = "Audit, Columns, Counts, Report, base_rates"
    assert "matplotlib" not in imported(f"from plausible.fairness import {light}")


@pytest.mark.parametrize(
    "code",
    [
        "import plausible.fairness",
        "from plausible.fairness.cases import CASES; [c.summary for c in CASES.values()]",
        "from plausible.fairness.cases import case; case('compas')",
        "from plausible.fairness.reporting.registry import names; names()",
        "from plausible.fairness.counts.columns import Columns; Columns('race')",
    ],
)
def test_lists_and_names_need_no_heavy_package(code: str) -> None:
    assert not imported(code) & (HEAVY | {"numpy"})
