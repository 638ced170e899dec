"""Which columns of a table hold the group and what is counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from plausible.inference.errors import DataError, UnknownName

__all__ = ["Columns"]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns.

    What is counted is either `events` (and `trials`, `hits`), or a decision against an `outcome`,
    where the decision is a column of its own or a score above a threshold. A column of numbers
    is added up; one of booleans counts the rows that hold. As booleans pass true/false, yes/no,
    t/f, y/n and 1/0, in any case.

    Attributes:
        group: one or several columns; several are crossed.
        trials: without it a row is one trial.
        events: of the trials.
        hits: of the events.
        by: strata.
        decision: what was decided on a row, a boolean.
        outcome: what came out, a boolean.
        score: a number for each row; above `threshold` the decision is yes.
        threshold: see `score`.
        date: days; only rows from `since` to `until` count, both included.
        since: a day as YYYY-MM-DD.
        until: a day as YYYY-MM-DD.
    """

    group: str | Sequence[str]
    trials: str | None = None
    events: str | None = None
    hits: str | None = None
    by: str | None = None
    decision: str | None = None
    outcome: str | None = None
    score: str | None = None
    threshold: float | None = None
    date: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of the group."""
        return (self.group,) if isinstance(self.group, str) else tuple(self.group)

    @property
    def measures(self) -> dict[str, str]:
        """The columns of trials, events and hits that are named."""
        named = {"trials": self.trials, "events": self.events, "hits": self.hits}
        return {measure: column for measure, column in named.items() if column is not None}

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that has a part."""
        single = (self.by, self.decision, self.outcome, self.score, self.date)
        return (*self.groups, *self.measures.values(), *(name for name in single if name))

    def check(self, columns: Sequence[str]) -> None:
        """Check that the columns are there and go together.

        Args:
            columns: of the table.

        Raises:
            UnknownName: for a column that is not there.
            DataError: for too few columns, or for some that contradict each other.
        """
        if not self.groups:
            raise DataError("Name the column of the group, or several that are crossed.")
        for name in self.named:
            if name not in columns:
                raise UnknownName("column", name, columns)
        decided = self.decision is not None or self.score is not None
        if self.outcome is None and not self.measures and not decided:
            raise DataError("Nothing to count: name events, or an outcome with a decision.")
        if self.measures and (decided or self.outcome is not None):
            raise DataError("Name either events, trials and hits, or an outcome, not both.")
        if self.measures and self.events is None:
            raise DataError("Trials and hits are counted around events: name the events too.")
        if self.measures and len(set(self.measures.values())) < len(self.measures):
            raise DataError("Trials, events and hits need a column each.")
        if not self.measures and (self.decision is None) == (self.score is None):
            raise DataError("An outcome is set against a decision or a score: name one of the two.")
        if decided and self.outcome is None:
            raise DataError("A decision or score is set against an outcome: name the outcome too.")
        if (self.score is None) != (self.threshold is None):
            raise DataError("A score needs a threshold, and a threshold a score: give both.")
        if self.date is None and (self.since or self.until):
            raise DataError("A first or last day needs a column of dates: name the column too.")
        if self.by in self.groups or len(set(self.groups)) < len(self.groups):
            raise DataError("The same column cannot be twice among the groups and strata.")
