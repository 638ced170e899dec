"""What one column of a table says of each row: a number, yes or no, a day, or nothing known.

Every expression is one that all back ends of Ibis know: no cast that may fail, no boolean added up.
"""

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ibis

from plausible.fairness.counts.columns import Columns, plain
from plausible.fairness.counts.dialects import as_name, as_number, days
from plausible.inference.errors import DataError

__all__ = ["FALSE", "NOTHING", "TRUE", "Column", "day", "worded"]

TRUE = ("true", "t", "yes", "y", "1", "1.0")
FALSE = ("false", "f", "no", "n", "0", "0.0")
NOTHING = ("", "na", "n/a", "nan", "none", "null", "unknown", "?", "-", ".")


@dataclass(frozen=True)
class Column:
    """A column of a table, as the columns of an analysis are read.

    Attributes:
        table: of which it is one.
        name: its name.
        columns: what means yes, no and missing, and how numbers are written.
    """

    table: ibis.Table
    name: str
    columns: Columns

    @property
    def raw(self) -> Any:
        """As it is in the table."""
        return self.table[self.name]

    @property
    def is_number(self) -> bool:
        """Whether its type is one of numbers."""
        return self.raw.type().is_numeric() and not self.raw.type().is_boolean()

    @property
    def is_text(self) -> bool:
        """Whether its type is text."""
        return bool(self.raw.type().is_string())

    @property
    def exact(self) -> bool:
        """Whether its numbers are whole by their type."""
        return bool(self.raw.type().is_integer() or self.raw.type().is_boolean())

    @cached_property
    def text(self) -> Any:
        """Without the spaces around it, and missing where it says that nothing is known."""
        if (kept := f"text of {self.name}") in self.table.columns:
            return self.table[kept]
        words = (*NOTHING, *plain(self.columns.missing))
        text = self.raw.strip() if self.is_text else self.raw.cast("string")
        return text.lower().isin(words).ifelse(ibis.null("string"), text)

    @property
    def as_key(self) -> Any:
        """As text that names a group; whole numbers without a point."""
        if not self.raw.type().is_floating():
            return as_name(self.raw)
        number = as_number(self.raw)
        whole = (number.abs() < 2**53) & (number == number.floor())
        return whole.ifelse(number.cast("int64").cast("string"), as_name(self.raw))

    def number(self) -> Any:
        """A number, missing where there is none.

        Raises:
            DataError: for a column that is neither numbers nor text.
        """
        if self.is_text:
            return self._written
        if not self.is_number:
            raise DataError(
                f"Column {self.name!r} holds {self.raw.type()}, but a number is needed."
            )
        column = as_number(self.raw)
        for value in _numbers(plain(self.columns.missing)):
            column = (column == value).ifelse(None, column)
        return column

    def flag(self) -> Any:
        """1 for yes, 0 for no, missing where it is neither.

        Raises:
            DataError: for a column that can say neither.
        """
        if (kept := f"flag of {self.name}") in self.table.columns:
            return self.table[kept]
        column = self.raw
        if column.type().is_boolean():
            return column.cast("int32")
        if not (self.is_number or self.is_text):
            raise DataError(f"Column {self.name!r} holds {column.type()}, but yes or no is needed.")
        value = self.text.lower() if self.is_text else self.number()
        return ibis.cases(
            *((condition, ibis.literal(says, "int32")) for condition, says in self._says(value)),
            else_=ibis.null("int32"),
        )

    def amount(self) -> Any:
        """A number, or 1 for yes and 0 for no, as each value is written."""
        if self.is_number and not self.as_words:
            return self.number()
        if not self.is_text:
            return self.flag()
        flag = self.flag()
        return flag.notnull().ifelse(flag.cast("float64"), self._written)

    @cached_property
    def as_words(self) -> bool:
        """Whether a column of numbers is read as yes and no, because a number means one of them."""
        given = (*plain(self.columns.yes), *plain(self.columns.no))
        return self.is_number and bool(_numbers(given))

    def unclear(self, amounts: bool = False) -> Any:
        """The values that are neither yes nor no (nor a number, if those count), as text."""
        clear = self.flag().notnull()
        if amounts and self.is_text:
            clear = clear | self._written.notnull()
        return clear.ifelse(ibis.null("string"), self.text)

    def no_number(self) -> Any:
        """The values that are not numbers, as text."""
        return self._written.notnull().ifelse(ibis.null("string"), self.text)

    def is_word(self) -> Any:
        """Where a text says yes or no in letters."""
        return self._written.isnull() & self.flag().notnull()

    def is_amount(self) -> Any:
        """Where a text is a number that says neither yes nor no."""
        return self._written.notnull() & self.flag().isnull()

    def in_other_words(self) -> Any:
        """Where a value is an ordinary word for what other words are given for."""
        yes, no = plain(self.columns.yes), plain(self.columns.no)
        given = {*yes, *no, *map(str, _numbers((*yes, *no)))}
        usual = (*(TRUE if yes else ()), *(FALSE if no else ()))
        return self._is(tuple(w for w in usual if not {w, w.removesuffix(".0")} & given))

    def in_given_words(self) -> Any:
        """Where a value is one of the given words for yes or no."""
        return self._is((*plain(self.columns.yes), *plain(self.columns.no)))

    def in_thousands(self) -> Any:
        """Where a text could be a number with points between its thousands."""
        return self.text.re_search(r"^[0-9]{1,3}([.][0-9]{3})+$")

    def with_decimals(self) -> Any:
        """Where a text has a point that cannot stand between thousands."""
        return self.text.contains(".") & ~self.in_thousands()

    def day(self) -> tuple[Any, Any]:
        """What is written, and the day that it can be read as."""
        return days(self.text if self.is_text else self.raw, self.name)

    @cached_property
    def _written(self) -> Any:
        """The number that a text is, in the signs that are given."""
        if (kept := f"number of {self.name}") in self.table.columns:
            return self.table[kept]
        between, sign = self.columns.thousands, self.columns.decimal
        sign = sign or ("," if between == "." else ".")
        digits = "[0-9]+"
        if between is not None:
            digits = rf"([0-9]+|[0-9]{{1,3}}([{between}][0-9]{{3}})+)"
        pattern = rf"^[+-]?({digits}([{sign}][0-9]*)?|[{sign}][0-9]+)([eE][+-]?[0-9]+)?$"
        text = self.text.re_search(pattern).ifelse(self.text, ibis.null("string"))
        if between is not None:
            text = text.replace(between, "")
        return (text if sign == "." else text.replace(sign, ".")).cast("float64")

    def _says(self, value: Any) -> list[tuple[Any, int]]:
        """Which values mean yes and no, in the order in which that is decided."""
        yes, no = plain(self.columns.yes), plain(self.columns.no)
        pairs = ((yes, 1), (no, 0), (TRUE, 1), (FALSE, 0))  # the first that holds decides
        says = [(self._is(words), meaning) for words, meaning in pairs if self._can_be(words)]
        if bool(yes) != bool(no) and (self.is_text or self.as_words):
            says.append((value.notnull(), 0 if yes else 1))
        return says

    def _can_be(self, words: tuple[str, ...]) -> bool:
        return bool(words if self.is_text else _numbers(words))

    def _is(self, words: tuple[str, ...]) -> Any:
        if self.is_text:
            return self.text.lower().isin(words) if words else ibis.literal(False)
        numbers = _numbers(words) if self.is_number else []
        return self.number().isin(numbers) if numbers else ibis.literal(False)


def worded(table: ibis.Table, names: Sequence[str], columns: Columns) -> ibis.Table:
    """The table with what its texts say in columns of their own, so that it is read but once.

    Args:
        table: of any kind.
        names: of the columns whose values count.
        columns: what means yes, no and missing, and how numbers are written.
    """
    texts = [name for name in names if Column(table, name, columns).is_text]
    steps = {
        "text": lambda column: column.text,
        "number": lambda column: column._written,
        "flag": lambda column: column.flag(),
    }
    for what, reading in steps.items() if texts else ():
        table = table.mutate(
            **{f"{what} of {name}": reading(Column(table, name, columns)) for name in texts}
        )
    return table


def _numbers(words: tuple[str, ...]) -> list[float]:
    """Those of some words that are numbers."""
    plain_number = re.compile(r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?")
    numbers = {float(word) for word in words if plain_number.fullmatch(word)}
    return [int(x) if x.is_integer() else x for x in sorted(numbers)]


def day(text: str) -> datetime.date:
    """A day that is given as text.

    Raises:
        DataError: for any other text.
    """
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{text!r} is not a day; write it as YYYY-MM-DD.") from None
