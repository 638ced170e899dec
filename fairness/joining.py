"""Several reports of one table on one page, each by its own group."""

from collections.abc import Mapping
from dataclasses import replace

from plausible.fairness.reporting.report import Report

__all__ = ["joined"]


def joined(reports: Mapping[str, Report]) -> Report:
    """One report of several, whose analyses say by which group they are.

    Args:
        reports: by the words for their group; one at least.
    """
    if len(reports) == 1:
        return next(iter(reports.values()))
    first, *others = reports
    return Report(
        f"{reports[first].title}, and by {', by '.join(others)}",
        " ".join(report.lead for report in reports.values()),
        [
            replace(analysis, title=f"{analysis.title}, by {group}")
            for group, report in reports.items()
            for analysis in report.analyses
        ],
        [
            (f"{what}, by {group}", why)
            for group, report in reports.items()
            for what, why in report.skipped
        ],
        list(dict.fromkeys(note for report in reports.values() for note in report.notes)),
    )
