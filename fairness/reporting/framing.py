"""The sentences of an analysis, from the texts of its chapter.

They stand in `templates/<chapter>.toml`, one section for each function that makes an analysis, and
below it one for each kind of finding.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from plausible.fairness.counts.counts import Counts
from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.analysis import Finding
from plausible.fairness.reporting.wording import cause, listed

__all__ = ["assumed", "framed", "gathered", "phrase", "worded"]


def framed(
    function: str, counts: Counts | None = None, sources: Sequence[str] = (), **values: object
) -> dict[str, Any]:
    """The name, title, question, limits and sources of an analysis.

    Args:
        function: the section.
        counts: for "{counts.group}" and the names of measures, such as "{events}"; their source
            comes first.
        sources: of other data; those of the method follow.
        values: for the other fields in the texts.
    """
    texts = _sections()[function]
    if counts is not None:
        labels = {measure: counts.label_of(measure) for measure in counts.measures}
        values = {"counts": counts, "cause": cause(counts)} | labels | values
        sources = [*counts.sources, *sources]
    lines = {key: texts[key].format_map(values) for key in ("name", "title", "question")}
    limits = [text.format_map(values) for text in texts["cannot_show"]]
    return lines | {"cannot_show": limits, "sources": [*sources, *texts.get("sources", ())]}


def assumed(function: str, **values: Any) -> list[str]:
    """What an analysis assumes besides what `wording` says of all counts.

    Args:
        function: the section.
        values: for the fields in its texts.
    """
    return [text.format_map(values) for text in _sections()[function]["assumptions"]]


def phrase(place: str, **values: Any) -> str:
    """One text of a section.

    Args:
        place: the section and its key, with a dot between them.
        values: for the fields in the text.
    """
    text: str = _at(place)
    return text.format_map(values)


def worded(place: str, e: Estimate | None = None, case: str = "", /, **values: Any) -> Finding:
    """A finding, worded by the side of no effect on which its number lies.

    A section holds `text`; or `clear`, with "{side}" for one of its two `sides`, and `unclear`, for
    a number that may lie on either; or texts by cases. A common `start` and a `caveat`, for all or
    for one case, may come with them.

    Args:
        place: the section.
        e: the number, "{e}" in the texts.
        case: which of the texts; by default what the number says.
        values: for the other fields in the texts.
    """
    texts, case = _at(place), case or "text"
    values["e"] = e
    if e is not None and case not in texts:
        case = "clear" if e.credible_direction else "unclear"
        values["side"] = texts.get("sides", ("higher", "lower"))[e.direction < 0]
    if "{start}" in texts[case]:
        values["start"] = texts["start"].format_map(values)
    caveat = texts.get(f"caveat_{case}", texts.get("caveat", ""))
    return Finding(texts[case].format_map(values), caveat.format_map(values), e)


def gathered(place: str, findings: Sequence[Finding], **values: Any) -> list[Finding]:
    """Findings of one kind, of which those that these data do not decide share one sentence.

    Args:
        place: the section; its text `undecided` has "{names}".
        findings: each with a number that has a direction.
        values: for the other fields in the text.
    """
    undecided = [f for f in findings if f.estimate and not f.estimate.credible_direction]
    if len(undecided) < 2:
        return list(findings)
    numbers = [f.estimate for f in undecided if f.estimate]
    names = listed([f"{e.group}{f' ({e.stratum})' * bool(e.stratum)}" for e in numbers])
    first = list(findings).index(undecided[0])
    rest = [f for f in findings if f not in undecided]
    together = worded(place, numbers[0], "undecided", names=names, **values)
    return [*rest[:first], together, *rest[first:]]


def _at(place: str) -> Any:
    texts: Any = _sections()
    for part in place.split("."):
        texts = texts[part]
    return texts


@cache
def _sections() -> dict[str, Any]:
    files = sorted(Path(__file__).with_name("templates").glob("*.toml"))
    chapters = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return {function: texts for chapter in chapters for function, texts in chapter.items()}
