"""What a few analyses take in the place of counts: the rows of a table, added up in another way."""

from dataclasses import replace
from typing import Any

from plausible.fairness.counts.columns import Columns

__all__ = ["of_rows"]


def of_rows(
    name: str, source: Any, columns: Columns | None, label: str
) -> tuple[Any, dict[str, Any]] | None:
    """The data of an analysis and what else it is given; None for an analysis of counts.

    Args:
        name: of the analysis.
        source: the table.
        columns: which columns hold what.
        label: where the data come from, in words.
    """
    if columns is None:
        return None
    if name == "calibration":
        from plausible.fairness.counts.levels import count_levels

        return count_levels(source, replace(columns, versus=None), label=label), {}
    if name == "means":
        from plausible.fairness.base_rates.moments import count_moments

        return count_moments(source, columns, label=label), {}
    if name in ("ranking", "versus"):
        from plausible.fairness.scores.score_values import count_values

        if name == "ranking":
            return count_values(source, replace(columns, versus=None), label=label), {}
        names = (columns.score, columns.versus)
        return count_values(source, columns, label=label), {"names": names}
    return None
