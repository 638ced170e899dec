"""Further tables that an audit may be given: a survey, the costs of actions, who offends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plausible.fairness.counts.counts import Counts
from plausible.inference.errors import DataError

__all__ = ["NOTHING", "Further"]


@dataclass(frozen=True)
class Further:
    """What an audit may be given besides its table; each as a table or as what it holds.

    Attributes:
        survey: how many of each group do what events are of: see `read_rates`; or rates by group.
        costs: what each action costs where the outcome is yes or no: see `read_costs`; or costs.
        offenders: how many of each group do what hits are of, where trials are people; or rates.
    """

    survey: Any = None
    costs: Any = None
    offenders: Any = None

    @property
    def absent(self) -> set[str]:
        """The names of what was not given."""
        return {name for name, value in vars(self).items() if value is None}

    def arguments(self, counts: Counts, groups: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What each analysis takes of it, by the name of the analysis and of its parameters.

        Args:
            counts: of the audit.
            groups: the columns of the group; none for counts, whose groups are in `group`.

        Raises:
            UnknownName, DataError: for a table that cannot be read as what it is given as.
        """
        given: dict[str, dict[str, Any]] = {}
        for name, source, rates, word in (
            ("detection", self.survey, "surveys", "use_called"),
            ("found-out", self.offenders, "offenders", "other"),
        ):
            if source is not None:
                conduct, of = _rates(source, groups)
                given[name] = {rates: of, **({word: conduct} if conduct else {})}
        if self.costs is not None:
            given["decisions"] = self._decided(counts)
        return given

    def _decided(self, counts: Counts) -> dict[str, Any]:
        """Costs, and how often the last measure came of the one before and how often not."""
        from plausible.fairness.decisions.cost_table import read_costs
        from plausible.fairness.decisions.costs import Costs

        given = self.costs
        if len(counts.measures) < 2:
            raise DataError(
                "Costs need an outcome: events of trials, hits of events, or decisions."
            )
        if "true_positive" in counts.measures:
            yes = int(counts["true_positive"].sum() + counts["false_negative"].sum())
            whole = int(sum(counts[name].sum() for name in counts.measures))
            word = "the outcome"
        else:
            part, of = counts.measures[-1], counts.measures[-2]
            yes, whole = int(counts[part].sum()), int(counts[of].sum())
            word = counts.label_of(part)
        costs = given if isinstance(given, Costs) else read_costs(given, word)
        answers = (yes, whole - yes)
        if len(costs.outcomes) != 2:
            raise DataError(
                f"Costs of an audit have two outcomes, yes and no, but these have {costs.outcomes}."
            )
        return {"costs": costs, "counts": dict(zip(costs.outcomes, answers, strict=True))}


def _rates(given: Any, groups: Sequence[str]) -> tuple[str, Any]:
    """The word for the conduct, where a table says it, and its rates or counts."""
    if isinstance(given, Mapping | Counts):
        return "", given
    from plausible.fairness.estimation.rate_table import read_rates

    return read_rates(given, groups or ("group",))


NOTHING = Further()
