"""Reports: one page that needs nothing else, and the same as JSON and Markdown."""

import io
import json
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.counted import ROWS, counted
from plausible.fairness.reporting.figures import intervals
from plausible.fairness.reporting.questions import Answer, closing_questions
from plausible.inference.errors import DataError
from plausible.inference.pages import page as pages
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import style, write_whole

__all__ = ["Report"]

_TEMPLATES = (Path(__file__).with_name("templates"), Path(pages.__file__).with_name("templates"))
_FORMAT = "plausible-report/2"
_WIDTH = 5.3  # inches of a figure, so that its texts can be read on a phone
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # what no page may hold


@dataclass(frozen=True, eq=False)
class Report:
    """Several analyses on one page, with their counts, their limits and the six questions.

    Attributes:
        title: what the report is about.
        lead: a few sentences below the title: what was counted, where and when.
        analyses: at least one, in the order of the page.
        skipped: analyses that could not be run, each with the reason.
        notes: what a reader has to know of the data, one paragraph each.

    Raises:
        DataError: for a report without analyses.
    """

    title: str
    lead: str
    analyses: Sequence[Analysis]
    skipped: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if not self.analyses:
            why = " ".join(f"{name}: {reason}" for name, reason in self.skipped)
            raise DataError(f"There is nothing to report. {why}".strip())

    @property
    def counts(self) -> Sequence[Counts]:
        """The counts that were analysed, each once."""
        seen: dict[int, Counts] = {}
        for analysis in self.analyses:
            if analysis.counts is not None:
                seen.setdefault(id(analysis.counts), analysis.counts)
        return list(seen.values())

    @property
    def questions(self) -> Sequence[Answer]:
        """The six closing questions, with what this report says to each."""
        return closing_questions(self.analyses)

    def write(self, path: str | Path) -> Path:
        """Write the page as one HTML file; returns its path."""
        return write_whole(path, self.to_html().encode("utf-8"))

    def to_html(self) -> str:
        """The page: no script, no font and no picture comes from anywhere else."""
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        sections = [
            {
                "analysis": analysis,
                "figures": [
                    {"svg": _svg(picture, f"f{i}-{j}"), "caption": picture.caption}
                    for j, picture in enumerate(_pictures(analysis))
                ],
                "tables": [
                    ("Every number with its 95 % interval.", _cells(analysis.estimates)),
                    *((table.caption, _framed(table.frame)) for table in analysis.tables),
                ],
            }
            for i, analysis in enumerate(self.analyses)
        ]
        html = environment.get_template("report.html").render(
            report=self,
            sections=sections,
            counts=[counted(counts) for counts in self.counts],
            version=version("plausible"),
        )
        html = _CONTROL.sub("\ufffd", html)
        return html.replace(" %", "\u00a0%")  # a number and its sign stay on one line

    def to_json(self) -> str:
        """The numbers for machines; a number that is not finite is null."""
        content = {
            "format": _FORMAT,
            "version": version("plausible"),
            "title": self.title,
            "lead": self.lead,
            "notes": list(self.notes),
            "analyses": [_analysis(analysis) for analysis in self.analyses],
            "skipped": [{"analysis": name, "reason": why} for name, why in self.skipped],
            "questions": [vars(answer) for answer in self.questions],
        }
        return json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The report as text, without its pictures."""
        lines = [f"# {_escaped(self.title)}", "", _escaped(self.lead), ""]
        lines += [line for note in self.notes for line in (_escaped(note), "")]
        for counts in self.counts:
            table = counted(counts)
            lines += ["## Counts", "", *_table(table["headers"], table["rows"]), ""]
            lines += [line for note in table["notes"] for line in (_escaped(note), "")]
        for a in self.analyses:
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
            headers, rows = _cells(a.estimates)
            lines += ["", *_table(headers, rows), ""]
        if self.skipped:
            lines += ["## Not analysed", ""]
            lines += [f"- {_escaped(name)}: {_escaped(why)}" for name, why in self.skipped]
            lines += [""]
        lines += ["## Six questions", ""]
        for answer in self.questions:
            text = " ".join(s for s in (answer.question, answer.here, answer.beyond) if s)
            lines += [f"- **{answer.heading}.** {_escaped(text)}"]
        return "\n".join(lines) + "\n"


def _pictures(analysis: Analysis) -> Sequence[Picture]:
    """Its own, or its differences or shares as dots with intervals."""
    own = analysis.figures()
    if own:
        return own
    for measure in ("difference", "share", "ratio"):
        some = [e for e in analysis.estimates if e.measure == measure]
        if len(some) > 1:
            return [intervals(f"{analysis.name}-{measure}", some, "Estimates with 95 % intervals.")]
    return ()


def _svg(picture: Picture, key: str) -> Markup:
    """The picture as an element of the page, whose names are its own."""
    buffer = io.StringIO()
    # the reader's fonts know more names than those here
    settings: Any = {"svg.hashsalt": key, "svg.fonttype": "none"}
    width, height = picture.figure.get_size_inches()
    narrow = min(1.0, _WIDTH / width)
    with style(), matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # a little higher for its width, because the texts keep their size
        picture.figure.set_size_inches(width * narrow, height * min(1.0, narrow + 0.08))
        picture.figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{key}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{key}-", text)
    label = Markup.escape(picture.alt)
    return Markup(text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))


def _cells(estimates: Sequence[Estimate]) -> tuple[list[str], list[list[str]]]:
    """Estimates as the cells of a table."""
    rows = []
    for e in list(estimates)[: 3 * ROWS]:
        row = [e.label, str(e)]
        row.append("" if e.above is None else f"{100 * e.above:.1f} %")
        rows.append(row)
    return ["quantity", "value (95 % interval)", "probability above no effect"], rows


def _framed(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = [[_cell(value) for value in row] for row in frame.head(3 * ROWS).to_numpy().tolist()]
    return [str(c) for c in frame.columns], rows


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{int(value):,}" if value.is_integer() and abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _analysis(a: Analysis) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": a.name,
        "title": a.title,
        "question": a.question,
        "findings": [
            {
                "text": f.text,
                "caveat": f.caveat,
                "estimate": None if f.estimate is None else _number(f.estimate),
            }
            for f in a.findings
        ],
        "estimates": [_number(e) for e in a.estimates],
        "assumptions": list(a.assumptions),
        "cannot_show": list(a.cannot_show),
        "sources": list(a.sources),
        "details": a.details,
    }
    if a.counts is not None:
        content["counts"] = {
            "group": a.counts.group,
            "by": a.counts.by,
            "names": dict(a.counts.names),
            "missing": dict(a.counts.missing),
            "rows": a.counts.rows,
            "source": a.counts.source,
            "table": a.counts.frame.to_dict("list"),
        }
    return content


def _number(e: Estimate) -> dict[str, Any]:
    numbers = {key: value for key, value in vars(e).items() if key not in ("words", "counted")}
    return {"label": e.label, **numbers}


def _finite(value: Any) -> Any:
    """The same for JSON: plain types, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(str(text).split()))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headers, ["---"] * len(headers), *rows]
    return [
        "| " + " | ".join(cell if cell == "---" else _escaped(cell) for cell in line) + " |"
        for line in lines
    ]
