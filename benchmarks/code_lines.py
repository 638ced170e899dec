"""Lines of Python code in folders or files, without blank lines, comments and docstrings.

    python benchmarks/code_lines.py fairness inference models

A line counts where it holds a token of code; a string of several lines counts each of them, unless
it is a docstring (a string that is a statement of its own).
"""

import ast
import sys
import tokenize
from pathlib import Path

_EMPTY = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def code_lines(file: Path) -> int:
    """How many lines of the file hold code."""
    text = file.read_text(encoding="utf-8")
    lines: set[int] = set()
    with file.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type not in _EMPTY:
                lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def main() -> None:
    for name in sys.argv[1:] or ["."]:
        path = Path(name)
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        lines = sum(map(code_lines, files))
        print(f"{name}: {lines:,} lines of code in {len(files):,} files")


if __name__ == "__main__":
    main()
