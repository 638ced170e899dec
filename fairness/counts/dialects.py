"""What databases do differently, written once: numbers that are none, days and booleans in text."""

from typing import Any

import ibis
from ibis.expr import operations

from plausible.inference.errors import DataError

__all__ = ["as_feature", "as_name", "as_number", "days", "exactly", "in_any_database"]

# They read a text as a day or end the query; elsewhere what is not a day becomes null.
_END_THE_QUERY = ("materialize", "postgres", "risingwave")
_YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})"
_LEAP = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    f"^({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    f"|02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)([T ].*)?$"
)


def as_name(column: Any) -> Any:
    """A column as text; true and false also where the database keeps 1 and 0."""
    if column.type().is_boolean() and _backend_of(column) == "sqlite":
        return column.ifelse("true", "false")
    return column.cast("string")


def as_number(column: Any) -> Any:
    """A column of numbers without NaN; decimals as floating-point numbers."""
    if _backend_of(column) == "sqlite":  # keeps any text in any column
        return column.typeof().isin(("integer", "real")).ifelse(column, None)
    if column.type().is_decimal():
        column = column.cast("float64")
    if not column.type().is_floating() or not _knows(column, operations.IsNan):
        return column
    return column.isnan().ifelse(None, column)


def as_feature(column: Any) -> Any:
    """A column as a number or as text, alike in every database."""
    if column.type().is_boolean():
        return column.cast("int32")
    return as_number(column) if column.type().is_numeric() else as_name(column)


def in_any_database(number: float) -> float:
    """A number of 15 digits, since databases read more of them with different last digits.

    They also divide with different last digits, but compare, add and multiply alike.
    """
    return float(f"{number:.15g}")


def exactly(number: float) -> Any:
    """A number with all its digits, as a sum of two that every database reads alike."""
    short = in_any_database(number)
    return ibis.literal(short, "float64") + ibis.literal(in_any_database(number - short), "float64")


def days(column: Any, name: str) -> tuple[Any, Any]:
    """What is written in a column of dates, and the days that it can be read as.

    Raises:
        DataError: for a column of another type.
    """
    if column.type().is_temporal() and _backend_of(column) == "sqlite":
        column = column.cast("string")  # as it is kept there
    if column.type().is_string():
        written = column.strip().nullif("")
        if _knows(column, operations.TryCast) and _backend_of(column) not in _END_THE_QUERY:
            return written, written.try_cast("date")
        is_day = written.re_search(_DAY)
        return written, ibis.cases((is_day, written.left(10).cast("date")), else_=None)
    if not (column.type().is_date() or column.type().is_timestamp()):
        raise DataError(f"Column {name!r} holds {column.type()}, but days are needed.")
    return column, column.cast("date")


def _backend_of(column: Any) -> str:
    """The name of the database that holds a column; empty where it is not known yet."""
    tables = column.op().find((operations.DatabaseTable, operations.SQLQueryResult))
    return str(tables[0].source.name) if tables else ""


def _knows(column: Any, operation: Any) -> bool:
    """Whether the database of a column has an operation; true where it is not known yet."""
    tables = column.op().find((operations.DatabaseTable, operations.SQLQueryResult))
    return not tables or bool(tables[0].source.has_operation(operation))
