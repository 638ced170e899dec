"""Analyses, reports and audits as cells of a notebook."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.cells import counted, tables
from plausible.fairness.reporting.html import environment, pictures_of, printable, svg
from plausible.inference.pages.page import Picture

if TYPE_CHECKING:
    from plausible.fairness.reporting.analysis import Analysis
    from plausible.fairness.reporting.report import Report

__all__ = ["analysis_cell", "counts_cell", "report_cell"]


def analysis_cell(analysis: "Analysis") -> str:
    """An analysis with its pictures; its numbers unfold."""
    return _cell(parts=[_part(analysis, pictures_of(analysis))])


def report_cell(report: "Report") -> str:
    """A report: its counts, and the findings of each analysis, whose numbers unfold."""
    return _cell(
        title=report.title,
        paragraphs=[report.lead, *report.notes],
        counts=[counted(counts) for counts in report.counts],
        parts=[_part(analysis, ()) for analysis in report.analyses],
        skipped=[f"{name}: {reason}" for name, reason in report.skipped],
    )


def counts_cell(counts: Counts, paragraphs: Sequence[str]) -> str:
    """Counts as a table, below what there is to say of them."""
    return _cell(paragraphs=paragraphs, counts=[counted(counts)])


def _part(analysis: "Analysis", pictures: Sequence[Picture]) -> dict[str, Any]:
    drawn = [
        {"source": _source(picture, f"p{i}"), "alt": picture.alt, "caption": picture.caption}
        for i, picture in enumerate(pictures)
    ]
    return {"analysis": analysis, "pictures": drawn, "tables": tables(analysis)}


def _source(picture: Picture, key: str) -> str:
    """A picture as an address: as an element its ids and styles would be those of the notebook."""
    data = base64.b64encode(svg(picture, key).encode("utf-8")).decode("ascii")
    return f"data:image/svg+xml;base64,{data}"


def _cell(**parts: Any) -> str:
    nothing = dict.fromkeys(("paragraphs", "counts", "parts", "skipped"), ())
    template = environment().get_template("notebook.html")
    return printable(template.render(**({"title": ""} | nothing | parts)))
