"""What a recipe gives back: a fitted model, its figures and its pictures, ready to be written."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from plausible.inference.pages.page import Page, Picture
from plausible.inference.pictures.style import save
from plausible.inference.recipes.common import draws_images, scores_images
from plausible.inference.recipes.record import Record
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

    def write(self, record: Record, title: str) -> Path:
        """Write the pictures, `index.html` and `run.json` into the run's folder.

        Pictures of an earlier run in that folder are removed.

        Args:
            record: of this run.
            title: heading of the page.

        Returns:
            The page.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        names = [picture.name for picture in self.pictures]
        earlier = Record.read(self.out)
        for name in set(earlier.pictures if earlier is not None else ()) - set(names):
            (self.out / f"{name}.png").unlink(missing_ok=True)
        page = Page(title, record.command)
        for picture in self.pictures:
            save(picture.figure, self.out / f"{picture.name}.png")
        self.add_to(page)
        page.section("This run", "")
        page.facts(
            {
                "Command": record.command,
                "Seed": record.arguments["seed"],
                "Date": record.date,
                "Plausible": record.version,
            }
        )
        page.section("Next steps", "")
        page.facts(self._next_steps())
        written = page.write(self.out / "index.html")
        replace(record, facts=self.facts, pictures=names).write(self.out)
        return written

    def _next_steps(self) -> dict[str, str]:
        """Commands that go on from here, by what they do."""
        folder = shlex.quote(str(self.out))
        steps = {}
        if self.fit is not None and self.fit.checkpoint is not None:
            model = self.fit.model
            if draws_images(model):
                steps["Draw new images"] = f"plausible sample {folder}"
            if scores_images(model):
                steps["Evaluate with more draws"] = f"plausible evaluate {folder} --particles 5000"
            steps["Use the model in Python"] = f'plausible.inference.load("{self.out}")'
        steps["Train another"] = f"plausible train {self.recipe} --seed 1 --out {folder}-1"
        steps["See its options"] = f"plausible train {self.recipe} --help"
        return steps
