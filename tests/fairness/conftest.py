"""What tests of several rooms check: that a report's JSON is as the schema has it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from postgres import server

from plausible.fairness.reporting.schema import SCHEMA

_KINDS: dict[str, Callable[[Any], bool]] = {
    "object": lambda x: isinstance(x, dict),
    "array": lambda x: isinstance(x, list),
    "string": lambda x: isinstance(x, str),
    "boolean": lambda x: isinstance(x, bool),
    "integer": lambda x: isinstance(x, int) and not isinstance(x, bool),
    "number": lambda x: isinstance(x, int | float) and not isinstance(x, bool),
    "null": lambda x: x is None,
}
# Words that check values of one kind and leave others alone.
_OF = {
    **dict.fromkeys(("required", "additionalProperties", "properties"), dict),
    **dict.fromkeys(("items", "minItems", "maxItems"), list),
}
# Words that check nothing.
_NOTES = {"$schema", "$defs", "title", "description", "examples"}


def _violations(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> Iterator[str]:
    """Where a value is not as its schema has it, for the words of JSON Schema that ours uses."""
    for word, wanted in schema.items():
        if not isinstance(value, _OF.get(word, object)):
            continue
        if word == "$ref":
            yield from _violations(value, root["$defs"][wanted.rpartition("/")[2]], root, at)
        elif word == "anyOf":
            if all(list(_violations(value, one, root, at)) for one in wanted):
                yield f"{at}: none of {len(wanted)}"
        elif word == "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            if not any(_KINDS[kind](value) for kind in kinds):
                yield f"{at}: {value!r} is not {wanted}"
        elif word in ("enum", "const"):
            if value not in (wanted if word == "enum" else [wanted]):
                yield f"{at}: {value!r} is not {wanted}"
        elif word in ("minItems", "maxItems"):
            if not (len(value) >= wanted if word == "minItems" else len(value) <= wanted):
                yield f"{at}: {len(value)} items, {word} {wanted}"
        elif word == "items":
            for i, item in enumerate(value):
                yield from _violations(item, wanted, root, f"{at}/{i}")
        elif word == "required":
            yield from (f"{at}: {name} is missing" for name in wanted if name not in value)
        elif word == "additionalProperties":
            known = schema.get("properties", {})
            for name in value.keys() - known.keys():
                if wanted is False:
                    yield f"{at}: {name} is unknown"
                else:
                    yield from _violations(value[name], wanted, root, f"{at}/{name}")
        elif word == "properties":
            for name in value.keys() & wanted.keys():
                yield from _violations(value[name], wanted[name], root, f"{at}/{name}")
        elif word not in _NOTES:
            raise NotImplementedError(word)


@pytest.fixture(scope="session")
def violations() -> Callable[[str], list[str]]:
    """From the text of a report's JSON to where it is not as the schema has it."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))

    def check(text: str) -> list[str]:
        content = json.loads(text, parse_constant=str)
        return list(_violations(content, schema, schema, "report"))

    return check


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a database of a PostgreSQL server that runs for these tests alone."""
    with server() as address:
        yield address
