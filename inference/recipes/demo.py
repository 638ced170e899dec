"""The demonstration: every recipe, shortened to fit into a few minutes, and two reports."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from plausible.fairness.cases import case
from plausible.inference.pages.page import Page
from plausible.inference.recipes.autoencoders.linear_vae import linear_vae
from plausible.inference.recipes.autoencoders.vae import vae
from plausible.inference.recipes.autoencoders.vae_forces import vae_forces
from plausible.inference.recipes.generators.conditional_generator import conditional_generator
from plausible.inference.recipes.generators.naive_generator import naive_generator
from plausible.inference.recipes.generators.random_generator import random_generator
from plausible.inference.recipes.outcome import Outcome
from plausible.inference.recipes.outputs.classify import classify
from plausible.inference.recipes.outputs.mdn_arm import mdn_arm
from plausible.inference.recipes.outputs.mdn_inverse import mdn_inverse
from plausible.inference.recipes.outputs.mode_collapse import mode_collapse
from plausible.inference.recipes.outputs.regress import regress
from plausible.inference.recipes.outputs.regress_images import regress_images

__all__ = ["CHAPTERS", "demo"]


@dataclass(frozen=True)
class _Chapter:
    """A recipe with the settings of the demonstration, and what the page says about it."""

    name: str
    recipe: Callable[..., Outcome]
    heading: str
    text: str

    @property
    def command(self) -> str:
        """What trains it alone, with the settings of the demonstration."""
        settings = self.recipe.keywords if isinstance(self.recipe, partial) else {}
        options = [f" --{key.replace('_', '-')} {value}" for key, value in settings.items()]
        return f"plausible train {self.name}{''.join(options)}"


REPORTS = ("compas", "drug-use", "admissions")
CHAPTERS = (
    _Chapter(
        "vae",
        partial(vae, activation="tanh"),
        "A variational autoencoder with two latent dimensions",
        "Trained on 4,000 handwritten digits without their labels, by amortised stochastic "
        "variational inference; everything below is about 1,000 digits that it has not seen. "
        "The encoder places each digit in a plane, the decoder draws a digit for each point.",
    ),
    _Chapter(
        "vae-forces",
        partial(vae_forces, epochs=15),
        "Three forces on the latent space",
        "The reconstruction pulls each digit to a point of its own, the KL term pulls all of them "
        "to the prior, and sampling makes a whole neighbourhood of points decode to the digit. "
        "What each does shows when it is left out.",
    ),
    _Chapter(
        "linear-vae",
        linear_vae,
        "The bound, the gap and the evidence",
        "In a linear-Gaussian model everything is known exactly: the evidence lower bound and the "
        "divergence from the true posterior add up to the log evidence, datum by datum.",
    ),
    _Chapter(
        "classify",
        partial(classify, epochs=5),
        "Classes with their probabilities",
        "A network that outputs a distribution over classes. Whether its probabilities can be "
        "believed is measured on digits that it has not seen.",
    ),
    _Chapter(
        "regress",
        partial(regress, folds=5),
        "A network that says how sure it is",
        "Its output is a mean and a scale. On real measurements that scatter more at some times "
        "than at others this is worth more than one scale for all.",
    ),
    _Chapter(
        "regress-images",
        partial(regress_images, steps=400),
        "How sure of each pixel",
        "The output is an image: a mean and a scale for each channel of every pixel. What the seen "
        "half of a digit settles is sharp, and where it leaves a stroke open the scale is large.",
    ),
    _Chapter(
        "mdn-inverse",
        partial(mdn_inverse, steps=3000),
        "A question with several answers",
        "Where one input has several right outputs, their mean is wrong. A mixture density network "
        "outputs a mixture; the exact floor of the problem says how much is left to learn.",
    ),
    _Chapter(
        "mdn-arm",
        partial(mdn_arm, steps=4000),
        "Two ways to reach a target",
        "Which angles of a robot's two joints put its hand at a given place? Most places can be "
        "reached with the elbow on either side.",
    ),
    _Chapter(
        "mode-collapse",
        partial(mode_collapse, steps=600),
        "One Gaussian for many clusters",
        "Maximum likelihood lays a single Gaussian over all the data, and its peak where there are "
        "none.",
    ),
    _Chapter(
        "random-generator",
        partial(random_generator, size=50_000),
        "Generators that nobody has trained",
        "Normal noise, sent through networks with random weights, is no longer normal.",
    ),
    _Chapter(
        "naive-generator",
        partial(naive_generator, steps=1500, epochs=15),
        "How not to train a generator",
        "Paired with random data, a generator can do no better than their mean.",
    ),
    _Chapter(
        "conditional-generator",
        partial(conditional_generator, epochs=10),
        "One input, many outputs",
        "A generator that sees half of a digit and draws the other half. What it sees does not "
        "settle the rest; its latents do, and each draw of them is another answer.",
    ),
)


def demo(out: Path, seed: int = 0) -> Path:
    """Train the demonstration models and write `index.html`.

    Args:
        out: folder for the page and the runs.
        seed: seed of everything random.

    Returns:
        The page.

    Raises:
        Interrupted: after Ctrl-C in a training run.
    """
    page = Page(
        "Plausible: generative models that say how sure they are",
        "Every picture and every figure on this page was computed by the command that wrote it.",
    )
    for chapter in CHAPTERS:
        outcome = chapter.recipe(out=out / chapter.name, seed=seed)
        page.section(chapter.heading, chapter.text, chapter.command)
        outcome.add_to(page)
    for name in REPORTS:
        report = case(name).report()
        report.write(out / f"{name}.html")
        headlines = [a.findings[0].text for a in report.analyses if a.findings]
        page.section(
            report.title, "\n\n".join([report.lead, *headlines]), f"plausible report {name}"
        )
        page.link("The whole report: counts, assumptions, what it cannot show", f"{name}.html")
    return page.write(out / "index.html")
