"""What an analysis asks and what it cannot show, from the texts of its chapter."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from plausible.fairness.counts.counts import Counts
from plausible.fairness.reporting.wording import cause

__all__ = ["framed"]


def framed(
    function: str, counts: Counts | None = None, sources: Sequence[str] = (), **values: object
) -> dict[str, Any]:
    """The name, title, question, limits and sources of an analysis.

    They stand in `templates/<chapter>.toml`, one section for each function that makes an analysis.

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


@cache
def _sections() -> dict[str, Any]:
    files = sorted(Path(__file__).with_name("templates").glob("*.toml"))
    chapters = [tomllib.loads(file.read_text(encoding="utf-8")) for file in files]
    return {function: texts for chapter in chapters for function, texts in chapter.items()}
