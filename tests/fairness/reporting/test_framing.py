"""The sentences of the analyses stand in texts, and are picked by what a number says."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.framing import assumed, phrase, worded

FAIRNESS = Path(__file__).parents[3] / "fairness"
# What `framed` and `assumed` take from a section; the rest has addresses of its own.
FRAME = {"name", "title", "question", "cannot_show", "sources", "assumptions"}


def gap(low: float, high: float, counted: float | None = None) -> Estimate:
    middle = (low + high) / 2
    at = {"group": "a", "reference": "b", "counted": counted}
    return Estimate("rate_at_equal_score", middle, low, high, "difference", words="events", **at)


def chapters() -> dict[str, Any]:
    files = sorted((FAIRNESS / "reporting" / "templates").glob("*.toml"))
    return {
        name: section
        for file in files
        for name, section in tomllib.loads(file.read_text(encoding="utf-8")).items()
    }


def places() -> Iterator[str]:
    """Every section of findings and every single text, by its address."""
    for function, section in chapters().items():
        yield from (f"{function}.{key}" for key in section if key not in FRAME)


def code() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(FAIRNESS.rglob("*.py")))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.2, "is higher for a than for b"),
        (-0.2, -0.1, "is lower for a than for b"),
        (-0.1, 0.1, "these data do not tell"),
    ],
)
def test_a_finding_names_the_side_on_which_the_whole_interval_lies(
    low: float, high: float, words: str
) -> None:
    assert words in worded("calibration.gap", gap(low, high)).text


def test_a_finding_does_not_name_a_side_that_the_prior_alone_puts_it_on() -> None:
    finding = worded("calibration.gap", gap(0.1, 0.2, counted=-0.01))
    assert "do not tell" in finding.text


def test_a_finding_keeps_its_number_and_has_the_caveat_of_its_case() -> None:
    e = gap(0.1, 0.2)
    assert worded("calibration.gap", e).estimate is e
    values = {"rows": 9, "often": "1 in 2", "r": 0.5, "searched": 7, "largest": 0.4}
    one = worded("correlation.by_chance", None, "one", **values)
    searched = worded("correlation.by_chance", None, "searched", **values)
    assert "finds one" in one.caveat and "share columns" in searched.caveat
    assert searched.text.startswith(one.text) and searched.text != one.text


def test_a_text_that_lacks_a_value_is_an_error_and_not_a_gap_in_a_sentence() -> None:
    with pytest.raises(KeyError):
        phrase("decisions.given")
    with pytest.raises(KeyError):
        assumed("thresholds")


def test_every_text_is_used_and_every_text_that_is_used_is_there() -> None:
    wanted = set(re.findall(r'(?:worded|phrase)\(\s*"([\w.]+)"', code()))
    known = set(places())
    assert wanted - known == set()
    # The others are picked by what is known when an analysis runs.
    unused = {place for place in known - wanted if f'"{place}"' not in code()}
    assert unused == {
        "relative_rates.clear",
        "relative_rates.unclear",
        "survivorship.given_exposure",
        "survivorship.any_exposure",
    }


def test_every_section_of_findings_can_be_worded() -> None:
    for place in places():
        function, _, key = place.partition(".")
        section = chapters()[function][key]
        if isinstance(section, dict):
            cases = {case for case in section if case not in {"start", "sides"}}
            texts = {case for case in cases if not case.startswith("caveat")}
            assert texts, place
            assert ("clear" in texts) or ("sides" not in section), place
            assert {c.removeprefix("caveat_") for c in cases if c.startswith("caveat_")} <= texts
