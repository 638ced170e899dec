"""A report as Markdown."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from plausible.fairness.reporting.cells import counted, tables

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["text"]


def text(report: "Report") -> str:
    """The report as text, without its pictures."""
    lines = [f"# {_escaped(report.title)}", "", _escaped(report.lead), ""]
    lines += [line for note in report.notes for line in (_escaped(note), "")]
    for counts in report.counts:
        table = counted(counts)
        lines += ["## Counts", "", _escaped(table["source"] or "Counts."), ""]
        lines += [*_table(table["headers"], table["rows"]), ""]
        lines += [line for note in table["notes"] for line in (_escaped(note), "")]
    for a in report.analyses:
        lines += [f"## {_escaped(a.title)}", "", f"*{_escaped(a.question)}*", ""]
        lines += [
            f"- {_escaped(f.text)}" + (f" ({_escaped(f.caveat)})" if f.caveat else "")
            for f in a.findings
        ]
        for heading, sentences in (
            ("Assumed", a.assumptions),
            ("What this cannot show", a.cannot_show),
            ("Sources", a.sources),
        ):
            if sentences:
                lines += ["", f"### {heading}", "", *(f"- {_escaped(s)}" for s in sentences)]
        lines += [""]
        for shown in tables(a):
            lines += [_escaped(shown.caption), "", *_table(shown.headers, shown.rows), ""]
            lines += [_escaped(shown.note), ""] if shown.note else []
    if report.skipped:
        lines += ["## Not analysed", ""]
        lines += [f"- {_escaped(name)}: {_escaped(why)}" for name, why in report.skipped]
        lines += [""]
    lines += ["## Six questions", ""]
    for answer in report.questions:
        words = " ".join(s for s in (answer.question, answer.here, answer.says, answer.beyond) if s)
        lines += [f"- **{answer.heading}.** {_escaped(words)}"]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(str(text).split()))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headers, ["---"] * len(headers), *rows]
    return [
        "| " + " | ".join(cell if cell == "---" else _escaped(cell) for cell in line) + " |"
        for line in lines
    ]
