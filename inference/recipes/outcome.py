"""What a recipe gives back: a fitted model, its figures and its pictures, ready to be written."""

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from plausible.inference.pages.page import Page, Picture
from plausible.inference.pictures.style import save
from plausible.inference.training.result import Fit

__all__ = ["Outcome", "Picture"]


@dataclass(frozen=True)
class Outcome:
    """The result of a recipe.

    Attributes:
        recipe: its name.
        out: the folder of the run.
        fit: the training run; None where nothing was trained.
        facts: figures in words, by label, each with its uncertainty.
        pictures: in the order of the page.
    """

    recipe: str
    out: Path
    fit: Fit | None
    facts: dict[str, str] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)

    def add_to(self, page: Page) -> None:
        """Put the pictures, and a table of the figures, at the end of a page."""
        for picture in self.pictures:
            page.picture(picture.figure, picture.caption, picture.alt)
        page.table(("measured", "value"), list(self.facts.items()), "Figures of this run.")

    def write(self, arguments: dict[str, Any], title: str) -> Path:
        """Write the pictures, `run.json` and `index.html` into the run's folder.

        Args:
            arguments: what the recipe was called with.
            title: heading of the page.

        Returns:
            The page.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        record = {
            "recipe": self.recipe,
            "arguments": {k: str(v) if isinstance(v, Path) else v for k, v in arguments.items()},
            "facts": self.facts,
            "version": version("plausible"),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (self.out / "run.json").write_text(text + "\n", encoding="utf-8")
        page = Page(title, f"plausible train {self.recipe}")
        for picture in self.pictures:
            save(picture.figure, self.out / f"{picture.name}.png")
        self.add_to(page)
        return page.write(self.out / "index.html")
