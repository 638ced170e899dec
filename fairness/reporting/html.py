"""A report as one HTML page, with its pictures inside, and what every template needs."""

import io
import re
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.cells import counted, tables
from plausible.fairness.reporting.figures import intervals
from plausible.inference.pages import page as pages
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import style

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["environment", "page", "pictures_of", "printable", "svg"]

_TEMPLATES = (Path(__file__).with_name("templates"), Path(pages.__file__).with_name("templates"))
_WIDTH = 5.3  # inches of a figure, so that its texts can be read on a phone
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # what no page may hold


def page(report: "Report") -> str:
    """The page: no script, no font and no picture comes from anywhere else."""
    sections = [
        {
            "analysis": analysis,
            "figures": [
                {"svg": svg(picture, f"f{i}-{j}"), "caption": picture.caption}
                for j, picture in enumerate(pictures_of(analysis))
            ],
            "tables": tables(analysis),
        }
        for i, analysis in enumerate(report.analyses)
    ]
    html = (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            sections=sections,
            counts=[counted(counts) for counts in report.counts],
            version=version("plausible"),
        )
    )
    return printable(html)


def environment() -> Environment:
    """Templates in which every text is escaped."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def printable(html: str) -> str:
    """The same without signs that no page may hold; a number and its % stay on one line."""
    return _CONTROL.sub("\ufffd", html).replace(" %", "\u00a0%")


def pictures_of(analysis: Analysis) -> Sequence[Picture]:
    """Its own, or its differences or shares as dots with intervals."""
    own = analysis.figures()
    if own:
        return own
    for measure in ("difference", "share", "ratio"):
        some = [e for e in analysis.estimates if e.measure == measure]
        if len(some) > 1:
            return [intervals(f"{analysis.name}-{measure}", some, "Estimates with 95 % intervals.")]
    return ()


def svg(picture: Picture, key: str) -> Markup:
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
