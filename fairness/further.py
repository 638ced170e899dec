"""Further tables that an audit may be given: a survey, the costs of actions, who offends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plausible.fairness.counts.columns import Columns
from plausible.fairness.counts.counts import Counts

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

    def arguments(self, name: str, counts: Counts, columns: Columns | None) -> dict[str, Any]:
        """What an analysis takes of it, by the name of its parameters."""
        if name == "detection":
            conduct, rates = self._rates(self.survey, columns)
            return {"surveys": rates, **({"use_called": conduct} if conduct else {})}
        if name == "found-out":
            conduct, rates = self._rates(self.offenders, columns)
            return {"offenders": rates, **({"other": conduct} if conduct else {})}
        if name == "decisions":
            return self._decided(counts)
        return {}

    def _rates(self, given: Any, columns: Columns | None) -> tuple[str, Any]:
        if isinstance(given, Mapping | Counts):
            return "", given
        from plausible.fairness.estimation.rate_table import read_rates

        return read_rates(given, ("group",) if columns is None else columns.groups)

    def _decided(self, counts: Counts) -> dict[str, Any]:
        """Costs, and how often the last measure came of the one before and how often not."""
        from plausible.fairness.decisions.cost_table import read_costs
        from plausible.fairness.decisions.costs import Costs

        given = self.costs
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
        return {"costs": costs, "counts": dict(zip(costs.outcomes, answers, strict=False))}


NOTHING = Further()
