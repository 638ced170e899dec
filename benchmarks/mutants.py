"""How many small bugs the tests notice: plants one at a time, and runs the tests of its room.

    python benchmarks/mutants.py [--count 60] [--seed 0] [--seconds 60] [--jobs 2]
                                 [--only fairness/]

Four kinds are drawn evenly from the three packages: an operator of arithmetic or of comparison is
exchanged, a default is changed, an argument is overwritten with its default, so that it is ignored.
Each is tried in a copy of the tree against the fast tests of its room, and those of options and
signatures. A bug is caught when a test fails; one that is not may be equivalent, which a reader has
to judge: the survivors are printed with their lines.
"""

import argparse
import ast
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from resource import RLIMIT_CPU, setrlimit
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("models", "inference", "fairness")
EXCHANGED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_PATIENCE = 6  # how much longer a busy machine may take
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """A bug: which node of which file, counted in the order of `ast.walk`, and how it changes."""

    path: str
    kind: str
    line: int
    node: int
    part: int = 0

    def source(self, text: str) -> tuple[str, str]:
        """The file with the bug, and what was changed in words."""
        tree = ast.parse(text)
        node = list(ast.walk(tree))[self.node]
        before = ast.unparse(node).splitlines()[0]
        change: Callable[[ast.AST, int], str] = CHANGES[self.kind]
        what = change(node, self.part)
        ast.fix_missing_locations(tree)
        return ast.unparse(tree), what or f"{before}  ->  {ast.unparse(node).splitlines()[0]}"


def _operator(node: ast.AST, part: int) -> str:
    if isinstance(node, ast.Compare):
        node.ops[part] = EXCHANGED[type(node.ops[part])]()  # type: ignore[assignment]
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = EXCHANGED[type(node.op)]()  # type: ignore[assignment]
    return ""


def _changed(value: object) -> ast.expr | None:
    """Another value of the same kind; None where there is no other that is sure to differ."""
    if isinstance(value, bool):
        return ast.Constant(not value)
    if isinstance(value, int):
        return ast.Constant(2 * value + 1)
    if isinstance(value, float):
        return ast.Constant(2 * value + 1.0)
    return None


def _default(node: ast.AST, part: int) -> str:
    if isinstance(node, ast.AnnAssign):
        value = node.value
        node.value = _changed(getattr(value, "value", None))
        return f"default of {ast.unparse(node.target)}: {ast.unparse(value)} changed"  # type: ignore[arg-type]
    assert isinstance(node, Function)
    argument, value = list(_defaults(node))[part]
    place = node.args.defaults if value in node.args.defaults else node.args.kw_defaults
    place[place.index(value)] = _changed(value.value)  # type: ignore[attr-defined]
    return f"{node.name}: default of {argument}: {ast.unparse(value)} changed"


def _ignored(node: ast.AST, part: int) -> str:
    assert isinstance(node, Function)
    argument, value = list(_defaults(node))[part]
    first = 1 if ast.get_docstring(node, clean=False) is not None else 0
    node.body.insert(first, ast.Assign([ast.Name(argument, ast.Store())], copy.deepcopy(value)))
    return f"{node.name}: {argument} ignored"


CHANGES: dict[str, Callable[[ast.AST, int], str]] = {
    "arithmetic": _operator,
    "comparison": _operator,
    "default": _default,
    "ignored argument": _ignored,
}


def _defaults(function: Function) -> Iterator[tuple[str, ast.expr]]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    tail = arguments[len(arguments) - len(function.args.defaults) :]
    yield from zip((a.arg for a in tail), function.args.defaults, strict=True)
    named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    yield from ((a.arg, value) for a, value in named if value is not None)


def mutants_of(path: str, text: str) -> Iterator[Mutant]:
    """Every bug that can be planted in a file; annotations and protocols are no place for one."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    skipped = {id(n) for node in nodes for n in _without_effect(node)}
    fields = {id(n) for node in nodes if _is_dataclass(node) for n in ast.iter_child_nodes(node)}
    for number, node in enumerate(nodes):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in EXCHANGED:
            yield Mutant(path, "arithmetic", node.lineno, number)
        elif isinstance(node, ast.Compare):
            yield from (
                Mutant(path, "comparison", node.lineno, number, k) for k in range(len(node.ops))
            )
        elif isinstance(node, ast.AnnAssign) and id(node) in fields:
            if _changed(getattr(node.value, "value", None)) is not None:
                yield Mutant(path, "default", node.lineno, number)
        elif isinstance(node, Function):
            for k, (argument, value) in enumerate(_defaults(node)):
                if argument == "seed":
                    continue  # any seed is as good as another
                yield Mutant(path, "ignored argument", node.lineno, number, k)
                if _changed(getattr(value, "value", None)) is not None:
                    yield Mutant(path, "default", node.lineno, number, k)


def _is_dataclass(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and "dataclass" in "".join(
        map(ast.unparse, node.decorator_list)
    )


def _without_effect(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes below this one that nothing runs: annotations, and functions without a body."""
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
        yield from ast.walk(node.annotation)
    if isinstance(node, Function):
        if node.returns is not None:
            yield from ast.walk(node.returns)
        if all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in node.body):
            yield node
        if any("overload" in ast.unparse(d) for d in node.decorator_list):
            yield node
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        yield from ast.walk(node)
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        if all(isinstance(t, ast.Name) and t.id[0].isupper() for t in node.targets):
            yield node.value  # unions of types with a name


def tests_of(path: str, root: Path) -> list[Path]:
    """The file's own tests, those of its room, and those of options and of signatures.

    The room is the deepest folder of tests that mirrors the file's.
    """
    tests, package = root / "tests", path.partition("/")[0]
    room = tests / Path(path).parent
    while not list(room.rglob("test_*.py")):
        room = room.parent
    own = sorted(room.rglob(f"test_{Path(path).stem}.py"))
    every = [*own, tests / "test_signatures.py", room, tests / package / "test_options.py"]
    return [test for test in every if test.exists()]


def drawn(count: int, seed: int, only: str) -> list[Mutant]:
    """So many bugs, evenly from the packages and the kinds, in an order that the seed decides."""
    everything = [
        mutant
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        if (path := file.relative_to(ROOT).as_posix()).startswith(only)
        for mutant in mutants_of(path, file.read_text(encoding="utf-8"))
    ]
    shuffled = random.Random(seed)
    piles: dict[tuple[str, str], list[Mutant]] = {}
    for mutant in everything:
        piles.setdefault((mutant.path.partition("/")[0], mutant.kind), []).append(mutant)
    for key in sorted(piles):
        shuffled.shuffle(piles[key])
    chosen: list[Mutant] = []
    while len(chosen) < count and any(piles.values()):
        chosen += [pile.pop() for _, pile in sorted(piles.items()) if pile]
    return chosen[:count]


def tried(mutant: Mutant, tree: Path, seconds: int) -> tuple[str, str]:
    """What became of a bug ("caught", "survived" or "out of time"), and what it was."""
    file = tree / mutant.path
    text = file.read_text(encoding="utf-8")
    source, what = mutant.source(text)
    file.write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-qx", "--keep-duplicates", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(tree / ".links"), "OMP_NUM_THREADS": "1"}
    try:
        run = subprocess.run(
            [*command, *map(str, tests_of(mutant.path, tree))],
            cwd=tree, env=environment, capture_output=True, timeout=_PATIENCE * seconds,
            preexec_fn=lambda: setrlimit(RLIMIT_CPU, (seconds, seconds)),
        )  # fmt: skip
        if run.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "out of time", what
        return ("survived" if run.returncode in (0, 5) else "caught"), what
    except subprocess.TimeoutExpired:
        return "out of time", what
    finally:
        file.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=int, default=60, help="of a CPU for the tests of one bug")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="beginning of the paths, such as fairness/")
    arguments = parser.parse_args()
    chosen = drawn(arguments.count, arguments.seed, arguments.only)
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", "runs", "demo", ".*_cache")
    with TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        trees: Queue[Path] = Queue()
        for number in range(arguments.jobs):
            tree = Path(folder) / str(number)
            shutil.copytree(ROOT, tree, ignore=ignored, symlinks=True)
            trees.put(tree)

        def one(mutant: Mutant) -> str:
            tree = trees.get()
            try:
                outcome, what = tried(mutant, tree, arguments.seconds)
            finally:
                trees.put(tree)
            print(f"{outcome:<12}{mutant.kind:<18}{mutant.path}:{mutant.line}  {what}", flush=True)
            return outcome

        outcomes = list(pool.map(one, chosen))
    caught = outcomes.count("caught")
    rest = ", ".join(f"{outcomes.count(o)} {o}" for o in ("survived", "out of time"))
    print(f"{caught} of {len(chosen)} caught ({100 * caught / len(chosen):.0f} %), {rest}")


if __name__ == "__main__":
    main()
