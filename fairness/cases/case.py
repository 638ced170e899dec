"""What a case is: a name, a line about it, and its report."""

from collections.abc import Callable
from dataclasses import dataclass

from plausible.fairness.reporting.report import Report

__all__ = ["Case"]


@dataclass(frozen=True)
class Case:
    """A case with embedded counts.

    Attributes:
        name: as in `plausible report compas`.
        summary: one line.
        report: runs its analyses; seconds to a minute.
    """

    name: str
    summary: str
    report: Callable[[], Report]
