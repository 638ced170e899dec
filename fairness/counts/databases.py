"""Opens the table of a database by its address."""

import importlib
from pathlib import Path
from typing import Any

import ibis
from ibis.common.exceptions import TableNotFound

from plausible.fairness.counts.addresses import Address, masked
from plausible.inference.errors import DataError, UnknownName

__all__ = ["of_database"]

_FILES = ("duckdb", "sqlite")
_ALIASES = {"postgresql": "postgres"}
# What a database needs besides Ibis: the module, and what pip calls it.
_DRIVERS = {"postgres": ("psycopg", "psycopg[binary]")}
_SYSTEM = ("information_schema", "pg_catalog", "pg_toast", "sys", "temp")


def of_database(text: str) -> ibis.Table:
    """The table that an address names.

    Raises:
        DataError: without a table, for a driver that is not installed, and a file that is missing.
        UnknownName: for a table that is not in the database; suggests the nearest.
    """
    address = Address.of(text)
    if address.table is None:
        mark = "&" if address.options else "?"
        raise DataError(f"Which table? Write the address as {masked(text)}{mark}table=NAME.")
    scheme = _ALIASES.get(address.scheme, address.scheme)
    _check_driver(scheme)
    options = {}
    if scheme in _FILES and ":memory:" not in address.place:
        file = Path(address.place).expanduser()
        if not file.is_file() and not address.place.startswith("md:"):
            raise DataError(f"{address.table} could not be read: there is no file {file}.")
    if scheme == "duckdb":
        options["read_only"] = "True"
    try:
        connection = ibis.connect(address.url(**options))
    except (TypeError, ValueError) as error:
        reason = address.scrubbed(str(error))
        raise DataError(f"{masked(text)} could not be read: {reason}") from None
    return _table(connection, address.table)


def _check_driver(scheme: str) -> None:
    module, package = _DRIVERS.get(scheme, ("", f"ibis-framework[{scheme}]"))
    try:
        if module:
            importlib.import_module(module)
        importlib.import_module(f"ibis.backends.{scheme}")
    except ImportError as error:
        if error.name == f"ibis.backends.{scheme}":
            known = ", ".join(("bigquery", "duckdb", "mysql", "postgres", "snowflake", "sqlite"))
            raise DataError(
                f"The table could not be read: there is no database called {scheme!r}. An "
                f"address begins with the name of one that Ibis knows, such as {known}."
            ) from None
        raise DataError(
            f"The table could not be read: the driver for {scheme} is missing ({error}). Install "
            f"it: pip install '{package}'"
        ) from None


def _table(connection: Any, name: str) -> ibis.Table:
    """A table by its name, or by schema and name with a dot between them."""
    schema, dot, bare = name.partition(".")
    for place in ({}, {"database": schema}) if dot else ({},):
        try:
            return connection.table(bare if place else name, **place)
        except TableNotFound:
            continue
    raise UnknownName("table", name, _tables(connection))


def _tables(connection: Any) -> list[str]:
    """The tables of a database; those of other schemas with the schema before them."""
    names = list(connection.list_tables())
    if not hasattr(connection, "list_databases"):
        return names
    for schema in connection.list_databases():
        if schema != connection.current_database and not schema.startswith(_SYSTEM):
            names += [f"{schema}.{name}" for name in connection.list_tables(database=schema)]
    return names
