"""What a case is: a name, a line about it, and where its report is made."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plausible.fairness.reporting.report import Report

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """A case with embedded counts, which are imported when its report is wanted.

    Attributes:
        name: as in `plausible report compas`.
        summary: one line.
        place: the function that makes the report, as "module:attribute".
    """

    name: str
    summary: str
    place: str

    def report(self) -> "Report":
        """Run its analyses; takes seconds to a minute."""
        module, _, function = self.place.partition(":")
        report: Report = getattr(import_module(module), function)()
        return report
