"""What ran: the command, its arguments, the date and the version, kept as `run.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from plausible.inference.pictures.style import write_whole
from plausible.models.errors import CheckpointError

__all__ = ["Record"]

_FILE = "run.json"


@dataclass(frozen=True)
class Record:
    """A run of a recipe.

    Attributes:
        recipe: its name.
        command: as it was typed.
        arguments: what the recipe was called with, defaults included.
        date: when it began, to the minute.
        version: of Plausible.
        facts: its figures in words, by label; none where it did not finish.
        pictures: names of the pictures in its folder.
    """

    recipe: str
    command: str
    arguments: Mapping[str, Any]
    date: str
    version: str
    facts: Mapping[str, str]
    pictures: Sequence[str]

    @classmethod
    def now(cls, recipe: str, command: str, arguments: Mapping[str, Any]) -> "Record":
        """The record of a run that begins."""
        date = datetime.now().astimezone().isoformat(" ", timespec="minutes")
        return cls(recipe, command, dict(arguments), date, version("plausible"), {}, ())

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """The record in a folder; None where there is none.

        Raises:
            CheckpointError: for a file that cannot be read as one.
        """
        path = folder / _FILE
        if not path.exists():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            recipe = content["recipe"]
            command = content.get("command", f"plausible train {recipe}")
            return cls(
                recipe,
                command,
                content["arguments"],
                content.get("date", ""),
                content["version"],
                content["facts"],
                content.get("pictures", ()),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path} is not the record of a run ({type(error).__name__} while reading it)."
            ) from error

    def write(self, folder: Path) -> Path:
        """Write `run.json`."""
        content = {
            "recipe": self.recipe,
            "command": self.command,
            "arguments": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in self.arguments.items()
            },
            "date": self.date,
            "version": self.version,
            "facts": dict(self.facts),
            "pictures": list(self.pictures),
        }
        text = json.dumps(content, indent=2, ensure_ascii=False)
        return write_whole(folder / _FILE, f"{text}\n".encode())

    def __str__(self) -> str:
        return f"{self.command} ({self.date})" if self.date else self.command
