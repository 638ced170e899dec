"""Which columns of a table hold what; light, so that the command line can list them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plausible.inference.errors import DataError, UnknownName

__all__ = ["Columns"]


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        group: column of the groups; several are crossed, with commas between them in a command.
        trials: column of counts to divide by; without it a row is one trial.
        events: column of what is counted: counts, or yes and no (also as true and false, t and f,
            y and n, 1 and 0).
        hits: column of how many events found what was looked for, or whether they did.
        by: column of strata.
        decision: column of decisions, yes or no.
        outcome: column of what came out, yes or no.
        score: column of a number of each row, instead of a decision.
        threshold: above it the decision by a score is yes.
        versus: column of a second score of the same rows, which the first is compared with.
        date: column of days.
        since: first day that counts, YYYY-MM-DD.
        until: last day that counts, YYYY-MM-DD.
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
    versus: str | None = None
    date: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of the group."""
        return (self.group,) if isinstance(self.group, str) else tuple(self.group)

    @property
    def confusion(self) -> bool:
        """Whether decisions are set against outcomes."""
        return self.outcome is not None

    def check(self, names: Sequence[str]) -> None:
        """Raise unless the columns exist and go together."""
        if not self.groups:
            raise DataError("Name the column of the group, or several that are crossed.")
        named = [self.trials, self.events, self.hits, self.by, self.decision, self.outcome]
        taken = [name for name in (*self.groups, *named, self.score) if name is not None]
        for name in taken if self.date is None else (*taken, self.date):
            if name not in names:
                raise UnknownName("column", name, names)
            if taken.count(name) > 1:
                raise DataError(f"Column {name!r} is named twice. Give each part its own column.")
        if self.confusion:
            if self.events is not None or self.trials is not None or self.hits is not None:
                raise DataError("Give either events (and trials, hits) or an outcome, not both.")
            if (self.decision is None) == (self.score is None):
                raise DataError("An outcome is set against either a decision or a score: give one.")
        elif self.decision is not None or self.score is not None:
            raise DataError("A decision or a score is set against an outcome: name its column.")
        elif self.events is None:
            raise DataError(
                "Nothing to count: name a column of events, or a decision and an outcome."
            )
        if (self.score is None) != (self.threshold is None):
            raise DataError("A score needs a threshold, and a threshold a score: give both.")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise DataError(f"The threshold has to be a finite number, but is {self.threshold}.")
        if self.date is None and (self.since or self.until):
            raise DataError("since and until need a column of dates: name it with date=.")

    def in_words(self) -> str:
        """Which column was read as what, in a sentence."""
        parts = {
            "the group": " and ".join(self.groups),
            "trials": self.trials,
            "events": self.events,
            "hits": self.hits,
            "strata": self.by,
            "the decision": self.decision
            or (self.score and f"{self.score} above {self.threshold:g}"),
            "the outcome": self.outcome,
            "days": self.date
            and f"{self.date} from {self.since or 'the first'} to {self.until or 'the last'}",
        }
        read = [f"{part}: {name}" for part, name in parts.items() if name]
        whole = " Each row is one case." if self.trials is None else ""
        return f"What was read from which column. {'; '.join(read)}.{whole}"
