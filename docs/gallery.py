"""Writes the gallery: runs every recipe with its defaults and keeps its pictures and figures.

python docs/gallery.py
"""

import inspect
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from plausible.inference.pictures.style import save
from plausible.inference.recipes import RECIPES

DOCS = Path(__file__).parent
_TIMES = re.compile(r" in [\d.]+ s|, [\d,]+ steps/s")
HEAD = """# Gallery

As `python docs/gallery.py` drew and measured it: each recipe with its defaults, on a
CPU. Every recipe writes the same pictures into its own folder.
"""


def main() -> None:
    (DOCS / "pictures").mkdir(exist_ok=True)
    text = HEAD
    for name, recipe in RECIPES.items():
        with TemporaryDirectory() as folder:
            outcome = recipe(out=Path(folder))
        title = (inspect.getdoc(recipe) or "").splitlines()[0].rstrip(".")
        text += f"\n## {title}\n\n    plausible train {name}\n"
        for picture in outcome.pictures:
            file = f"pictures/{name}-{picture.name}.png"
            save(picture.figure, DOCS / file)
            text += f"\n![{picture.alt}]({file})\n\n{picture.caption}\n"
        text += "\n| measured | value |\n|---|---|\n"
        for label, value in outcome.facts.items():
            text += f"| {label} | {_TIMES.sub('', value) if label == 'Training' else value} |\n"
    (DOCS / "gallery.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
