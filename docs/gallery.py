"""Writes the gallery: runs recipes with their defaults and keeps their pictures and figures.

python docs/gallery.py                       every recipe, and the reports
python docs/gallery.py --only vae regress    these alone; the rest stays as it is
"""

import argparse
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from plausible.fairness.cases import case
from plausible.inference.pictures.style import save
from plausible.inference.recipes import RECIPES

DOCS = Path(__file__).parent
PAGE = DOCS / "gallery.md"
REPORTS = ("compas", "drug-use")
# Of all loss curves only those that end at a known floor.
FLOORS = ("linear-vae", "mdn-inverse", "naive-generator")
HEAD = """# Gallery

As `python docs/gallery.py` drew and measured it: each recipe with its defaults, on a
CPU. Every recipe writes the same pictures into its own folder. What each shows of the lecture is in
[the lecture's page](lecture.md); the reports are explained in [the guide to fairness](fairness.md).

"""
_TIMES = re.compile(r" in [\d.]+ s|, [\d,]+ steps/s")
_SECTION = re.compile(r"<!-- ([\w-]+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


def recipe_section(name: str) -> str:
    """Run a recipe, keep its pictures, and describe it."""
    recipe = RECIPES[name]
    with TemporaryDirectory() as folder:
        outcome = recipe(out=Path(folder))
    title = (inspect.getdoc(recipe) or "").splitlines()[0].rstrip(".")
    text = f"## {title}\n\n    plausible train {name}\n"
    for picture in outcome.pictures:
        if picture.name == "loss" and name not in FLOORS:
            continue
        file = f"pictures/{name}-{picture.name}.png"
        save(picture.figure, DOCS / file)
        text += f"\n![{picture.alt}]({file})\n\n{picture.caption}\n"
    text += "\n| measured | value |\n|---|---|\n"
    for label, value in outcome.facts.items():
        text += f"| {label} | {_TIMES.sub('', value) if label == 'Training' else value} |\n"
    return text


def report_section(name: str) -> str:
    """The pictures of a report, each below the heading of its analysis."""
    report = case(name).report()
    text = f"## Report: {report.title}\n\n    plausible report {name}\n"
    for analysis in report.analyses:
        for number, picture in enumerate(analysis.figures(), start=1):
            file = f"pictures/report-{name}-{picture.name}-{number}.png"
            save(picture.figure, DOCS / file)
            text += f"\n![{picture.alt}]({file})\n\n{analysis.title}. {picture.caption}\n"
    return text


def contents(sections: dict[str, str]) -> str:
    """A link to every section, by its heading."""
    lines = []
    for name, text in sections.items():
        title = text.splitlines()[0].removeprefix("## ")
        lines.append(f"- [{title}](#{anchor(title)}) (`{name}`)")
    return "\n".join(lines) + "\n\n"


def anchor(title: str) -> str:
    """What GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def write(names: Sequence[str]) -> None:
    """Run what is named and write the page; sections of other names stay as they are."""
    old = dict(_SECTION.findall(PAGE.read_text(encoding="utf-8"))) if PAGE.exists() else {}
    sections: dict[str, str] = {}
    for name in (*RECIPES, *REPORTS):
        if name in names:
            sections[name] = recipe_section(name) if name in RECIPES else report_section(name)
        elif name in old:
            sections[name] = old[name]
    body = "\n".join(f"<!-- {name} -->\n{text}<!-- end -->\n" for name, text in sections.items())
    PAGE.write_text(HEAD + contents(sections) + body, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    every = (*RECIPES, *REPORTS)
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="NAME")
    write(parser.parse_args().only)
