"""The JSON schema of a report, written from the classes that it holds and from the registry.

python -m plausible.fairness.reporting.schema
"""

import inspect
import json
import re
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Analysis, Finding, Table
from plausible.fairness.reporting.contents import FORMAT
from plausible.fairness.reporting.questions import QUESTIONS, Answer
from plausible.fairness.reporting.registry import ANALYSES

__all__ = ["SCHEMA", "report_schema"]

SCHEMA = Path(__file__).with_name("report.schema.json")
_TEXT = {"type": "string"}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: _TEXT,
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": ["number", "null"]},
}
_TEXTS = {"type": "array", "items": _TEXT}
_COLUMNS = {"type": "object", "additionalProperties": {"type": "array"}}
_COUNT = {"type": ["number", "null"]}
_TOTALS = {"type": "object", "additionalProperties": {"type": "integer"}}
_ATTRIBUTE = re.compile(r"^    (\w+): (.*?)(?=^    \w+:|^\S|\Z)", re.MULTILINE | re.DOTALL)


def report_schema() -> dict[str, Any]:
    """The schema of `Report.to_json`, as JSON Schema 2020-12 has it.

    Names of analyses are not closed, because a user's own may stand in a report; those of the
    registry are its examples.
    """
    cases = _closed(
        events={"type": "number"},
        trials={"type": "number"},
        reference_events=_COUNT,
        reference_trials=_COUNT,
    )
    estimate = _object(
        Estimate,
        without=("words", "counted"),
        label=_TEXT,
        counts={"anyOf": [cases, {"type": "null"}]},
    )
    headings = [question.heading for question in QUESTIONS.values()]
    definitions = {
        "estimate": estimate,
        "finding": _object(
            Finding, estimate={"anyOf": [{"$ref": "#/$defs/estimate"}, {"type": "null"}]}
        ),
        "counts": _object(
            Counts,
            without=("frame",),
            names={"type": "object", "additionalProperties": _TEXT},
            missing=_TOTALS,
            lost=_TOTALS,
            notes=_TEXTS,
            table=_COLUMNS,
        ),
        "table": _object(Table, without=("frame", "front"), table=_COLUMNS),
        "analysis": _object(
            Analysis,
            without=("posterior", "draw"),
            optional=("counts",),
            name={**_TEXT, "examples": list(ANALYSES)},
            findings={"type": "array", "items": {"$ref": "#/$defs/finding"}},
            estimates={"type": "array", "items": {"$ref": "#/$defs/estimate"}},
            tables={"type": "array", "items": {"$ref": "#/$defs/table"}},
            **dict.fromkeys(("assumptions", "cannot_show", "sources"), _TEXTS),
            counts={"$ref": "#/$defs/counts"},
            details={"type": "object"},
        ),
        "question": _object(Answer, heading={"enum": headings}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report of plausible.fairness",
        **_closed(
            format={"const": FORMAT},
            version=_TEXT,
            title=_TEXT,
            lead=_TEXT,
            notes=_TEXTS,
            analyses={"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/analysis"}},
            skipped={"type": "array", "items": _closed(analysis=_TEXT, reason=_TEXT)},
            questions={
                "type": "array",
                "minItems": len(headings),
                "maxItems": len(headings),
                "items": {"$ref": "#/$defs/question"},
            },
        ),
        "$defs": definitions,
    }


def _closed(**properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": properties,
    }


def _object(
    kind: type, *, without: Collection[str] = (), optional: Collection[str] = (), **given: Any
) -> dict[str, Any]:
    """A dataclass as an object: what its types do not say is given; its docstring describes it."""
    words = dict(_ATTRIBUTE.findall(inspect.getdoc(kind) or ""))
    properties = {
        one.name: given.pop(one.name) if one.name in given else _type(one.type)
        for one in fields(kind)
        if one.name not in without
    } | given
    for name, text in words.items():
        if name in properties and "$ref" not in properties[name]:
            properties[name] = {"description": " ".join(text.split()), **properties[name]}
    closed = _closed(**properties)
    return closed | {"required": [name for name in properties if name not in optional]}


def _type(kind: Any) -> dict[str, Any]:
    """The schema of a plain type; a number may be null, because it may not be finite."""
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if isinstance(kind, UnionType):
        (one,) = (part for part in get_args(kind) if part is not type(None))
        return {"type": [_type(one)["type"], "null"]} if one is not float else _type(one)
    return _PLAIN[kind]


if __name__ == "__main__":
    text = json.dumps(report_schema(), indent=2, ensure_ascii=False)
    SCHEMA.write_text(text + "\n", encoding="utf-8")
