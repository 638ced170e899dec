"""The demonstration: every recipe that fits into a few minutes, on one page."""

from pathlib import Path

from plausible.inference.page import Page
from plausible.inference.recipes.linear_vae import linear_vae
from plausible.inference.recipes.vae import vae
from plausible.inference.recipes.vae_forces import vae_forces

__all__ = ["demo"]


def demo(out: Path, seed: int = 0) -> Path | None:
    """Train the demonstration models and write `index.html`.

    Args:
        out: folder for the page and the runs.
        seed: seed of everything random.

    Returns:
        The page; None where Ctrl-C ended a training run.
    """
    page = Page(
        "Plausible: generative models that say how sure they are",
        "Every picture and every figure on this page was computed by the command that wrote it. "
        "The data are handwritten digits; the models never saw a label.",
    )
    digits = vae(activation="tanh", out=out / "vae", seed=seed)
    if digits.interrupted:
        return None
    page.section(
        "A variational autoencoder with two latent dimensions",
        "Trained on 4,000 handwritten digits without their labels, by amortised stochastic "
        "variational inference; everything below is about 1,000 digits that it has not seen. "
        "The encoder places each digit in a plane, the decoder draws a digit for each point.",
    )
    digits.add_to(page)
    three = vae_forces(out=out / "vae-forces", epochs=15, seed=seed)
    if three.interrupted:
        return None
    page.section(
        "Three forces on the latent space",
        "The reconstruction pulls each digit to a point of its own, the KL term pulls all of them "
        "to the prior, and sampling makes a whole neighbourhood of points decode to the digit. "
        "What each does shows when it is left out.",
    )
    three.add_to(page)
    linear = linear_vae(out=out / "linear-vae", seed=seed)
    if linear.interrupted:
        return None
    page.section(
        "The bound, the gap and the evidence",
        "In a linear-Gaussian model everything is known exactly: the evidence lower bound and the "
        "divergence from the true posterior add up to the log evidence, datum by datum.",
    )
    linear.add_to(page)
    return page.write(out / "index.html")
