"""docs/lecture.md: each command exists, each link opens, each recipe and case stands in a line."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from plausible.fairness.cases import CASES
from plausible.inference.cli import main
from plausible.inference.recipes import RECIPES

PAGE = Path(__file__).parents[1] / "docs" / "lecture.md"
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| passage")
]
COMMAND = re.compile(r"`plausible (train|report) ([\w-]+)`")
COMMANDS = sorted({c for row in ROWS for c in COMMAND.findall(row[1])})


def test_every_line_has_a_command_or_says_not_yet() -> None:
    assert [row for row in ROWS if row[1] != "not yet" and not COMMAND.fullmatch(row[1])] == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command))
def test_each_command_explains_itself(
    command: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    verb, name = command
    assert name in (RECIPES if verb == "train" else CASES)
    with pytest.raises(SystemExit) as end:
        main([verb, name, "--help"])
    assert not end.value.code
    assert "--out" in capsys.readouterr().out


def test_every_recipe_and_every_case_stands_in_a_line() -> None:
    # Seen failing with lines of recipes that did not exist yet.
    expected = {("train", name) for name in RECIPES} | {("report", name) for name in CASES}
    assert set(COMMANDS) == expected


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE.read_text()))))
def test_each_link_opens(link: str) -> None:
    assert (PAGE.parent / link).is_file()


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(plausible\.[\w.]+)`", PAGE.read_text())))
)
def test_each_function_can_be_imported(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute)
