"""Which columns of a table hold what, and how they are read; light, for the command line."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from plausible.inference.errors import DataError, UnknownName

__all__ = ["EACH_ROW", "Columns", "plain", "several"]

EACH_ROW = "1"  # as the column of how many cases a row stands for: a row is one case
# Names of what people want to get, unless a "not" stands before it.
_GOOD = re.compile(
    r"(?<!not[ _-])(?<!non[ _-])(?<!no[ _-])(?<![a-z])(re)?"
    r"(approv|admit|admission|accept|grant|hire|hiring|promot|award|enrol)"
)
_NUMBER_SIGNS = (".", ",", " ", "'", "\u00a0", "\u202f", "\u2019")


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        group: column of the groups; several are crossed, with commas between them in a command, or
            each with the option of its own.
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
        mean: column of an amount whose mean is compared, such as a wage or a number of days.
        date: column of days.
        since: first day that counts, YYYY-MM-DD.
        until: last day that counts, YYYY-MM-DD.
        count: column of how many cases a row stands for, as in a table of frequencies; 1 where each
            row is one case.
        weight: column of the weight of a row in a sample or survey.
        yes: a value that means yes, such as Admitted; repeat it for several. Without `no`, every
            other value means no.
        no: a value that means no, such as Rejected; without `yes`, every other value means yes.
        missing: a value that means that nothing is known, such as -9; repeat it for several.
        keep_missing: rows without a group count, as a group of their own.
        only: a group that is kept, while others are left out; repeat it for several.
        except_: a group that is left out; repeat it for several.
        good: a yes is good for whoever gets it, as approved, admitted or hired; by default where
            the name of the column says so.
        decimal: the decimal sign of numbers that are written as text; a point by default.
        thousands: the sign between thousands in numbers that are written as text.
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
    mean: str | None = None
    date: str | None = None
    since: str | None = None
    until: str | None = None
    count: str | None = None
    weight: str | None = None
    yes: str | Sequence[str] = ()
    no: str | Sequence[str] = ()
    missing: str | Sequence[str] = ()
    keep_missing: bool = False
    only: str | Sequence[str] = ()
    except_: str | Sequence[str] = ()
    good: bool | None = None
    decimal: str | None = None
    thousands: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns of the group."""
        return several(self.group)

    @property
    def confusion(self) -> bool:
        """Whether decisions are set against outcomes."""
        return self.outcome is not None

    @property
    def benefit(self) -> bool:
        """Whether a yes is good for whoever gets it: as is given, or as the column's name says."""
        name = (self.decision or self.events or "").lower()
        return bool(_GOOD.search(name)) if self.good is None else self.good

    @property
    def counted(self) -> tuple[str, ...]:
        """The columns without whose value a row is left out."""
        number = None if self.count == EACH_ROW else self.count
        amount = None if self.events is not None or self.confusion else self.mean
        named = (self.trials, self.events, self.hits, self.decision, self.score, self.outcome)
        others = (amount, number, self.weight, self.date)
        return tuple(name for name in (*named, *others) if name is not None)

    @property
    def taken(self) -> tuple[str, ...]:
        """Every column that is named, each time that it is."""
        others = [self.by, self.versus, *([] if self.mean in self.counted else [self.mean])]
        return (*self.groups, *self.counted, *(name for name in others if name is not None))

    @property
    def whole(self) -> bool:
        """Whether each row of the table is one case."""
        return self.trials is None and self.count in (None, EACH_ROW)

    def check(self, names: Sequence[str]) -> None:
        """Raise unless the columns exist and go together."""
        if not self.groups:
            raise DataError("Name the column of the group, or several that are crossed.")
        for name in self.taken:
            if name not in names:
                raise UnknownName("column", name, names)
            if name != self.date and self.taken.count(name) > 1:
                raise DataError(f"Column {name!r} is named twice. Give each part its own column.")
        self._check_measures()
        if (self.score is None) != (self.threshold is None):
            raise DataError("A score needs a threshold, and a threshold a score: give both.")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise DataError(f"The threshold has to be a finite number, but is {self.threshold}.")
        if self.date is None and (self.since or self.until):
            raise DataError("since and until need a column of dates: name it with date=.")
        self._check_words()

    def _check_measures(self) -> None:
        if self.confusion:
            if self.events is not None or self.trials is not None or self.hits is not None:
                raise DataError("Give either events (and trials, hits) or an outcome, not both.")
            if (self.decision is None) == (self.score is None):
                raise DataError("An outcome is set against either a decision or a score: give one.")
        elif self.decision is not None or self.score is not None:
            raise DataError("A decision or a score is set against an outcome: name its column.")
        elif self.events is None and self.mean is None:
            raise DataError(
                "Nothing to count: name a column of events, or a decision and an outcome."
            )
        if self.versus is not None and self.score is None:
            raise DataError("A second score is compared with a first one: name it with score=.")

    def _check_words(self) -> None:
        said = {
            "yes": plain(self.yes),
            "no": plain(self.no),
            "missing": plain(self.missing),
        }
        for one, other in (("yes", "no"), ("yes", "missing"), ("no", "missing")):
            if twice := sorted({*said[one]} & {*said[other]}):
                raise DataError(f"{twice[0]!r} cannot mean both {one} and {other}: say it once.")
        if both := sorted({*several(self.only)} & {*several(self.except_)}):
            raise DataError(f"The group {both[0]!r} is both kept and left out: say one of them.")
        for what, sign in (("decimal", self.decimal), ("thousands", self.thousands)):
            if sign is not None and sign not in _NUMBER_SIGNS:
                raise DataError(
                    f"{what} is a point, a comma, a space or an apostrophe, not {sign!r}."
                )
        if self.thousands is not None and self.thousands == self.decimal:
            raise DataError(
                f"{self.decimal!r} cannot be both the decimal sign and between thousands."
            )

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
            "cases in a row": None if self.count == EACH_ROW else self.count,
            "weights": self.weight,
            "yes": self._meaning(self.yes, self.no),
            "no": self._meaning(self.no, self.yes),
            "missing": ", ".join(several(self.missing)),
        }
        read = [f"{part}: {name}" for part, name in parts.items() if name]
        whole = " Each row is one case." if self.whole else ""
        good = ""
        if self.benefit:
            name = self.decision or self.events or self.score
            by_name = ", by the name of its column (--no-good: it is not)" * (self.good is None)
            good = f" A yes in {name} is taken to be good for whoever gets it{by_name}."
        return f"What was read from which column. {'; '.join(read)}.{whole}{good}"

    def _meaning(self, words: str | Sequence[str], others: str | Sequence[str]) -> str:
        if words:
            return ", ".join(several(words))
        return f"everything but {', '.join(several(others))}" if others else ""


def several(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name, or several, as a tuple."""
    return (names,) if isinstance(names, str) else tuple(map(str, names))


def plain(words: str | Sequence[str]) -> tuple[str, ...]:
    """Words as they are compared: without capitals and spaces around them."""
    return tuple(word.strip().lower() for word in several(words))
