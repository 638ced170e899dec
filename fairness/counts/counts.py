"""Counts per group: the data of every analysis, checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plausible.inference.errors import DataError, UnknownName

__all__ = ["CONFUSION", "MEASURES", "Counts", "line"]

# Each may not exceed the one before it.
MEASURES = ("trials", "events", "hits")
_LINE = 160  # signs of a name in a terminal
CONFUSION = ("true_negative", "false_positive", "false_negative", "true_positive")


@dataclass(frozen=True, eq=False, repr=False)
class Counts:
    """Whole numbers for each group, or for each group in each stratum.

    Measures are `trials`, `events` (of the trials) and `hits` (of the events), or the four cells
    of a decision against an outcome: `true_negative`, `false_positive`, `false_negative`,
    `true_positive`.

    Attributes:
        frame: one row for each group (and stratum), with the columns `group`, `by` where there are
            strata, and the measures.
        group: what the groups are, such as "race".
        by: what the strata are, such as "department"; None without.
        names: what sentences call a measure, such as {"trials": "stops"}, and the "decision" and
            the "outcome" where there are such.
        missing: totals of the measures, and "rows", over rows without a group or stratum, which
            no analysis uses and every report shows.
        rows: rows that were read; None where counts were given as such.
        source: where they come from, with a link.
        lost: trials of each group that are left out because a value is missing; groups without any
            are not in it.
        notes: what a reader has to know of how they were read, a sentence each.
        good: whether an event, or a positive decision, is good for whoever gets it, as an approval.
        weighted: whether rows had weights: then counts are effective ones, with fractions.

    Raises:
        DataError: for counts that are negative, fractional or missing, more events than trials or
            more hits than events, a group that occurs twice in a stratum, or no group.
        UnknownName: for a measure of another name.
    """

    frame: pd.DataFrame
    group: str = "group"
    by: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    rows: int | None = None
    source: str = ""
    lost: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    weighted: bool = False
    good: bool = False

    def __post_init__(self) -> None:
        keys = ["group"] if self.by is None else ["group", "by"]
        frame = self.frame.reset_index(drop=True)
        for key in keys:
            if key not in frame:
                raise DataError(f"Counts need a column {key!r}; there are {list(frame.columns)}.")
            frame[key] = frame[key].astype(str)
        measures = [column for column in frame.columns if column not in keys]
        for name in measures:
            if name not in (*MEASURES, *CONFUSION):
                raise UnknownName("measure", str(name), (*MEASURES, *CONFUSION))
            label = self.label_of(name)
            frame[name] = _numbers(frame[name], label, frame["group"], fractions=self.weighted)
        if not len(frame) or not measures:
            raise DataError("There is nothing to analyse: counts need a group and a measure.")
        if (twice := frame[frame.duplicated(keys)]).size:
            raise DataError(f"The {self.group} {twice.iloc[0]['group']!r} has two rows of counts.")
        for more, less in combinations(MEASURES, 2):
            if more in frame and less in frame and (frame[less] > frame[more]).any():
                row = frame[frame[less] > frame[more]].iloc[0]
                raise DataError(
                    f"{self.group} {row['group']!r} has {row[less]:,} {self.label_of(less)} in "
                    f"{row[more]:,} {self.label_of(more)}. Check which column is which."
                )
        object.__setattr__(self, "frame", frame[[*keys, *measures]])

    def __repr__(self) -> str:
        totals = ", ".join(f"{self[m].sum():,} {self.label_of(m)}" for m in self.measures)
        strata = f" in {len(self.strata):,} of {self.by}" if self.by else ""
        return line(f"<Counts of {len(self.groups):,} of {self.group}{strata}: {totals}>")

    @classmethod
    def of(
        cls,
        cells: Mapping[str, Mapping[str, int]],
        *,
        group: str = "group",
        names: Mapping[str, str] | None = None,
        source: str = "",
        good: bool = False,
    ) -> "Counts":
        """Counts from numbers: {"Black": {"trials": 15220, "events": 3099}, ...}."""
        frame = pd.DataFrame([{"group": name, **values} for name, values in cells.items()])
        return cls(frame, group=group, names=names or {}, source=source, good=good)

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups in the order in which they came."""
        return tuple(self.frame["group"].unique())

    @property
    def strata(self) -> tuple[str, ...]:
        """The strata in the order in which they came; none without `by`."""
        return () if self.by is None else tuple(self.frame["by"].unique())

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the columns of counts."""
        return tuple(c for c in self.frame.columns if c not in ("group", "by"))

    @property
    def unit(self) -> str:
        """What rates are compared across: the strata, or else the groups."""
        return self.by or self.group

    @property
    def sources(self) -> tuple[str, ...]:
        """The source, where one was given."""
        return (self.source,) if self.source else ()

    def label_of(self, measure: str) -> str:
        """A measure in the user's word."""
        return self.names.get(measure, measure.replace("_", " "))

    def __getitem__(self, measure: str) -> NDArray[Any]:
        """The totals of a measure, shape (groups,), in the order of `groups`; whole numbers, or
        fractions where rows had weights.

        Raises:
            UnknownName: if these counts have no such measure.
        """
        if measure not in self.measures:
            raise UnknownName("measure", measure, self.measures)
        totals = self.frame.groupby("group", sort=False)[measure].sum()
        return np.asarray(totals.loc[list(self.groups)])

    def cells(self, measure: str) -> NDArray[Any]:
        """A measure for each stratum and group, shape (strata, groups); 0 where there is no row."""
        if self.by is None:
            return self[measure][None]
        wide = self.frame.pivot(index="by", columns="group", values=measure)
        wide = wide.reindex(index=list(self.strata), columns=list(self.groups), fill_value=0)
        return np.asarray(wide.fillna(0), dtype=self.frame[measure].dtype)

    def total(self) -> "Counts":
        """The same without strata."""
        if self.by is None:
            return self
        frame = self.frame.groupby("group", sort=False, as_index=False)[list(self.measures)].sum()
        return replace(self, frame=frame, by=None)

    def only(self, *groups: str) -> "Counts":
        """The same with these groups only, in this order.

        Raises:
            UnknownName: for a group that is not there.
        """
        for name in groups:
            if name not in self.groups:
                raise UnknownName(self.group, name, self.groups)
        parts = [self.frame[self.frame["group"] == name] for name in groups]
        return replace(self, frame=pd.concat(parts))


def line(text: str) -> str:
    """A text on one line that a terminal has room for."""
    words = " ".join(text.split())
    return words if len(words) <= _LINE else f"{words[: _LINE - 2]} …"


def _numbers(
    values: pd.Series, name: str, groups: pd.Series, *, fractions: bool
) -> NDArray[np.int64] | NDArray[np.float64]:
    given = pd.to_numeric(values, errors="coerce")
    numbers = np.asarray(given, dtype=np.float64)
    for wrong, what in (
        (~np.isfinite(numbers), "no number"),
        (numbers < 0, "a negative number"),
        ((numbers != np.floor(numbers)) & (not fractions), "a fractional number"),
        (np.asarray(given > 2**53), "too large a number"),
    ):
        if wrong.any():
            i = int(wrong.argmax())
            raise DataError(
                f"{groups.iloc[i]!r} has {what} of {name}: {values.iloc[i]}. "
                "Counts are whole numbers from 0 up."
            )
    whole: NDArray[np.int64] = numbers.astype(np.int64)
    return numbers if fractions and (whole != numbers).any() else whole
