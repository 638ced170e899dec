"""Writes the table of all analyses in the guide from their registry.

python docs/fairness.py
"""

import re
from pathlib import Path

from plausible.fairness.reporting.questions import QUESTIONS
from plausible.fairness.reporting.registry import ANALYSES, registered

GUIDE = Path(__file__).with_suffix(".md")
_TABLE = re.compile(r"(?<=<!-- analyses -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """A row for each function: what it says, what it needs, which question it speaks to."""
    rows = {}
    for name in ANALYSES:
        entry = registered(name)
        needs = ", ".join(entry.needs) or "nothing"
        summary = ANALYSES.summary(name).rstrip(".")
        heading = QUESTIONS[entry.answers].heading
        rows.setdefault(
            entry.function, f"| `{entry.function.__name__}` | {summary} | {needs} | {heading} |"
        )
    head = ("| function | what it says | needs | question |", "|---|---|---|---|")
    return "\n".join((*head, *rows.values())) + "\n"


def updated(text: str) -> str:
    """The guide with the table of today."""
    return _TABLE.sub(lambda _: table(), text)


if __name__ == "__main__":
    GUIDE.write_text(updated(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
