"""What each row of a table says of groups and measures, before a query adds it up."""

from functools import cached_property
from typing import Any

import ibis

from plausible.fairness.counts.columns import EACH_ROW, Columns
from plausible.fairness.counts.counts import CONFUSION
from plausible.fairness.counts.values import Column, day, worded

__all__ = ["Parts"]

# A part of nothing is zero, as in records that leave the hit empty where nobody was searched.
_WHOLE = {"events": "trials", "hits": "events"}


class Parts:
    """The columns of the query before it adds up.

    Args:
        table: of any kind.
        columns: which of its columns hold what.

    Attributes:
        table: the needed columns, and next to them what they say.
        keys: the columns of the groups and strata, as text.
    """

    def __init__(self, table: ibis.Table, columns: Columns) -> None:
        self.columns = columns
        needed = table.select(*dict.fromkeys(columns.taken))
        self.table = worded(needed, columns.counted, columns)
        named = (
            "trials", "events", "hits", "decision", "score", "outcome", "mean", "count", "weight",
            "date",
        )  # fmt: skip
        names = {part: getattr(columns, part) for part in named}
        names["count"] = None if columns.count == EACH_ROW else columns.count
        names = {part: name for part, name in names.items() if name in columns.counted}
        for part, name in names.items():
            column = Column(self.table, name, columns)
            self.table = self.table.mutate(**{f"value of {part}": self._value(part, column)})
        self.parts = {part: Column(self.table, name, columns) for part, name in names.items()}
        self.keys = {
            f"g{i}": Column(self.table, name, columns).as_key
            for i, name in enumerate(columns.groups)
        }
        if columns.by is not None:
            self.keys["by"] = Column(self.table, columns.by, columns).as_key

    def _value(self, part: str, column: Column) -> Any:
        """What a part says in a row, before it is multiplied."""
        if part in ("decision", "outcome"):
            return column.flag()
        if part == "date":
            return column.day()[1]
        if part not in ("trials", "events", "hits"):
            number = column.number()
            return number.cast("int64") if number.type().is_integer() else number
        value, whole = column.amount(), f"value of {_WHOLE.get(part)}"
        if whole not in self.table.columns:
            return value
        return (value.isnull() & (self.table[whole] == 0)).ifelse(0, value)

    @cached_property
    def values(self) -> dict[str, Any]:
        """The value of each part, and one trial a row where no column holds trials."""
        values = {part: self.table[f"value of {part}"] for part in self.parts}
        return {"trials": ibis.literal(1, "int64")} | values

    @cached_property
    def measures(self) -> dict[str, Any]:
        """What is added up, by the name of its measure."""
        values = self.values
        if self.columns.confusion:
            yes, true = values.get("decision"), values["outcome"]
            if yes is None:
                yes = (values["score"] > self.columns.threshold).cast("int32")
            cells = ((1 - yes) * (1 - true), yes * (1 - true), (1 - yes) * true, yes * true)
            measures = dict(zip(CONFUSION, cells, strict=True))
        else:
            measures = {
                part: values[part] for part in ("trials", "events", "hits") if part in values
            }
        if self.apart is not None:
            measures["hits"] = self.apart.ifelse(0, measures["hits"])
        return {name: self.times(value) for name, value in measures.items()}

    @cached_property
    def apart(self) -> Any:
        """Where a row of one case has a hit and no event; None where that cannot be told."""
        if "hits" not in self.parts or "trials" in self.parts:
            return None
        return (self.values["events"] == 0) & (self.values["hits"] > 0)

    def times(self, value: Any) -> Any:
        """A value of a row, for all cases that the row stands for."""
        return value * self.values["count"] if "count" in self.parts else value

    @property
    def amounts(self) -> dict[str, Column]:
        """The columns of numbers that are added up or multiply, by their part."""
        numbers = ("trials", "events", "hits", "count", "weight")
        return {
            part: column
            for part, column in self.parts.items()
            if part in numbers and (column.is_text or (column.is_number and not column.as_words))
        }

    @cached_property
    def words(self) -> dict[str, Any]:
        """The values of a column that cannot be read, as text, by the name of the column."""
        unclear = {}
        for part, column in self.parts.items():
            if part in ("decision", "outcome") and not column.raw.type().is_boolean():
                unclear[column.name] = column.unclear()
            elif part in ("trials", "events", "hits") and (column.is_text or column.as_words):
                unclear[column.name] = column.unclear(amounts=True)
            elif part in ("count", "score", "mean", "weight") and column.is_text:
                unclear[column.name] = column.no_number()
        return unclear

    @cached_property
    def manners(self) -> dict[str, Any]:
        """Where a value is written in one way or another, by way and column."""
        manners = {}
        given = self.columns.yes or self.columns.no
        for part, column in self.parts.items():
            name = column.name
            if name in self.words and part not in ("count", "score", "mean", "weight"):
                manners[f"yes {name}"] = column.flag() == 1
                manners[f"no {name}"] = column.flag() == 0
            amount = part in ("trials", "events", "hits")
            if column.is_text and (amount or part in ("count", "mean")):
                manners[f"thousands {name}"] = column.in_thousands()
                manners[f"decimals {name}"] = column.with_decimals()
            if column.is_text and amount:
                manners[f"worded {name}"] = column.is_word()
                manners[f"numbered {name}"] = column.is_amount()
            if given and name in self.words and part not in ("count", "score", "mean", "weight"):
                manners[f"given {name}"] = column.in_given_words()
                manners[f"other {name}"] = column.in_other_words()
        return manners

    @cached_property
    def selected(self) -> dict[str, Any]:
        """All that is added up, looked at or counted, by name."""
        values, columns = self.values, self.columns
        complete = ibis.and_(*(value.notnull() for value in values.values()))
        undated, kept = ibis.literal(False), ibis.literal(True)
        if "date" in self.parts:
            on = values["date"]
            undated = self.parts["date"].day()[0].notnull() & on.isnull()
            if columns.since is not None:
                kept = kept & (on >= day(columns.since))
            if columns.until is not None:
                kept = kept & (on <= day(columns.until))
        larger = [values[part] > values[whole] for part, whole in _WHOLE.items() if part in values]
        if self.apart is not None:
            larger[-1] = ibis.literal(False)
        selected = {
            "size": self.times(values["trials"]),
            "complete": complete,
            "kept": kept.fill_null(True),
            "undated": undated,
            "disorder": ibis.or_(*larger, ibis.literal(False)),
            **self.measures,
            **{f"blank {i}": values[part].isnull() for i, part in enumerate(self.parts)},
            **{f"amount {part}": values[part] for part in self.amounts},
            **{f"unclear {name}": text for name, text in self.words.items()},
            **self.manners,
        }
        if "weight" in self.parts:
            selected["weight"] = values["weight"]
        if self.apart is not None:
            selected["outside"] = self.times(self.apart.cast("int32"))
        return selected
