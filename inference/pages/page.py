"""A page that reports one run: a single HTML file that needs nothing else, not even a network."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plausible.inference.pictures.style import png, write_whole
from plausible.models.errors import DataError

if TYPE_CHECKING:  # a Picture can be passed on without matplotlib
    from matplotlib.figure import Figure

__all__ = ["Page", "Picture"]

_TEMPLATES = Path(__file__).with_name("templates")
_PIXELS_PER_INCH = 96  # of a style sheet; pictures hold twice that number
_CONTENTS = 4  # headings from which on a page begins with a list of them
_WIDE = 8.0  # inches; a wider picture keeps its size on a phone and scrolls in its own frame
_NUMBER = re.compile(r"[-−+]?[\d., ]*\d\s?%?")


@dataclass(frozen=True)
class Picture:
    """A figure with its file name, its caption, and a description for those who cannot see it."""

    name: str
    figure: "Figure"
    caption: str
    alt: str


@dataclass
class _Section:
    """A heading, its paragraphs and what follows them; the first section has no heading."""

    heading: str = ""
    paragraphs: list[str] = field(default_factory=list)
    command: str = ""
    blocks: list[dict[str, object]] = field(default_factory=list)


class Page:
    """A report that is built from top to bottom and then written.

    Every text is plain: it is escaped, and a blank line in it begins a new paragraph.

    Args:
        title: what the page is about.
        lead: a sentence or two below the title.
    """

    def __init__(self, title: str, lead: str) -> None:
        self.title = title
        self.lead = lead
        self._sections = [_Section()]

    def section(self, heading: str, text: str, command: str = "") -> None:
        """Begin a section; what is added next belongs to it.

        A page of four sections or more begins with its contents.

        Args:
            heading: a few words.
            text: what the section says before anything else.
            command: what a reader types to get the same; empty where there is none.
        """
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
        self._sections.append(_Section(heading, paragraphs, command))

    def picture(self, figure: "Figure", caption: str, alt: str) -> None:
        """Add a picture.

        Args:
            figure: drawn by `plausible.inference.pictures.curves`, or any other.
            caption: what to see in it.
            alt: what it shows, for those who cannot see it.

        Raises:
            DataError: if alt is empty.
        """
        if not alt.strip():
            raise DataError(f"The picture {caption!r} has no alt text; say in words what it shows.")
        width, height = figure.get_size_inches()
        content = base64.b64encode(png(figure)).decode("ascii")
        self._add(
            "picture",
            source=f"data:image/png;base64,{content}",
            width=round(width * _PIXELS_PER_INCH),
            height=round(height * _PIXELS_PER_INCH),
            wide=bool(width > _WIDE),
            caption=caption,
            alt=alt,
        )

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[str | int | float]], caption: str
    ) -> None:
        """Add a table; columns of numbers are set flush right.

        Args:
            headers: one for each column.
            rows: cells, the first of which names the row.
            caption: what the numbers are, with their units.

        Raises:
            DataError: if the cells of a row are more or fewer than the headers.
        """
        cells = [[str(cell) for cell in row] for row in rows]
        for number, row in enumerate(cells, start=1):
            if len(row) != len(headers):
                raise DataError(
                    f"Row {number} of the table has {len(row)} cells for {len(headers)} headers."
                )
        numeric = [
            bool(cells) and all(_NUMBER.fullmatch(row[column].strip()) for row in cells)
            for column in range(len(headers))
        ]
        self._add("table", headers=list(headers), rows=cells, numeric=numeric, caption=caption)

    def facts(self, facts: Mapping[str, str | int | float]) -> None:
        """Add a few values, each with its label."""
        self._add("facts", facts={label: str(value) for label, value in facts.items()})

    def link(self, text: str, href: str) -> None:
        """Add a link on a line of its own.

        Raises:
            DataError: if href is neither a path nor a web or mail address.
        """
        if urlsplit(href).scheme not in ("", "http", "https", "mailto"):
            raise DataError(f"A link to {href!r} is not a path, web address or mail address.")
        self._add("link", text=text, href=href)

    def write(self, path: str | Path) -> Path:
        """Write the page; a reader of the file sees the old page or the new, never a part.

        Returns:
            The path of the file.

        Raises:
            DataError: if it cannot be written.
        """
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        sections = [s for s in self._sections if s.heading or s.blocks]
        html = environment.get_template("page.html").render(
            title=self.title,
            lead=self.lead,
            sections=sections,
            contents=sum(bool(s.heading) for s in sections) >= _CONTENTS,
            version=version("plausible"),
        )
        return write_whole(path, html.encode("utf-8"))

    def _add(self, kind: str, **values: object) -> None:
        self._sections[-1].blocks.append({"kind": kind, **values})
