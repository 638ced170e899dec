"""Reports: one page that needs nothing else, and the same as JSON, Markdown and CSV."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plausible.fairness.counts.counts import Counts, line
from plausible.fairness.reporting.analysis import Analysis
from plausible.fairness.reporting.contents import contents
from plausible.fairness.reporting.questions import Answer, closing_questions
from plausible.inference.errors import DataError

__all__ = ["Report", "format_of"]

# The method of `Report` that makes the text.
_FORMATS = {
    ".html": "to_html",
    ".htm": "to_html",
    ".md": "to_markdown",
    ".markdown": "to_markdown",
    ".json": "to_json",
    ".csv": "to_csv",
}


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        names = ", ".join(analysis.name for analysis in self.analyses)
        return f"<Report {line(self.title)}: {names}; {len(self.skipped)} not analysed>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: all sentences and numbers; the pictures are on the page."""
        from plausible.fairness.reporting.notebook import report_cell

        return report_cell(self)

    def write(self, path: str | Path) -> Path:
        """Write the report in the form that the ending of the file says; returns its path.

        Args:
            path: ends in .html for the page, .md for its text, .json for all its tables, or .csv
                for one estimate a line.

        Raises:
            DataError: for another ending.
        """
        from plausible.inference.pictures.style import write_whole

        make = getattr(self, format_of(path))
        return write_whole(path, make().encode("utf-8"))

    def to_html(self) -> str:
        """The page: no script, no font and no picture comes from anywhere else."""
        from plausible.fairness.reporting.html import page  # draws, so that it costs an import

        return page(self)

    def to_json(self) -> str:
        """The numbers for machines, as `schema` describes them; what is not finite is null."""
        content = contents(self)
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The report as text, without its pictures."""
        from plausible.fairness.reporting.markdown import text

        return text(self)

    def to_csv(self) -> str:
        """Every estimate on a line of its own, for R, spreadsheets and newsrooms."""
        from plausible.fairness.reporting.tidy import csv

        return csv(self)


def format_of(path: str | Path) -> str:
    """The method of `Report` for the ending of a file, in capitals or not.

    Raises:
        DataError: for another ending, or none.
    """
    file = Path(path)
    if file.suffix.lower() not in _FORMATS:
        ending = f"ends in {file.suffix!r}" if file.suffix else "has no ending"
        raise DataError(
            f"The name {str(path)!r} {ending}, which does not say how to write the report. Let it "
            "end in .html for the page, .md for its text, .json for all its tables or .csv for one "
            "estimate a line."
        )
    return _FORMATS[file.suffix.lower()]
