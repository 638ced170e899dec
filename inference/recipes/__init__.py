"""Recipes: one typed function for each system of the lecture; data, model, fit and pictures."""

if not __name__.startswith("plausible."):
    raise ImportError(
        "Import this package as plausible.inference.recipes, not as inference.recipes."
    )

from collections.abc import Callable

from plausible.inference.recipes.autoencoders.linear_vae import linear_vae
from plausible.inference.recipes.autoencoders.vae import vae
from plausible.inference.recipes.autoencoders.vae_forces import vae_forces
from plausible.inference.recipes.generators.naive_generator import naive_generator
from plausible.inference.recipes.generators.random_generator import random_generator
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.recipes.outputs.classify import classify
from plausible.inference.recipes.outputs.mdn_arm import mdn_arm
from plausible.inference.recipes.outputs.mdn_inverse import mdn_inverse
from plausible.inference.recipes.outputs.mode_collapse import mode_collapse
from plausible.inference.recipes.outputs.regress import regress

__all__ = [
    "RECIPES",
    "Outcome",
    "Picture",
    "classify",
    "linear_vae",
    "mdn_arm",
    "mdn_inverse",
    "mode_collapse",
    "naive_generator",
    "random_generator",
    "regress",
    "vae",
    "vae_forces",
]

RECIPES: dict[str, Callable[..., Outcome]] = {
    "classify": classify,
    "regress": regress,
    "mdn-inverse": mdn_inverse,
    "mdn-arm": mdn_arm,
    "mode-collapse": mode_collapse,
    "random-generator": random_generator,
    "naive-generator": naive_generator,
    "vae": vae,
    "vae-forces": vae_forces,
    "linear-vae": linear_vae,
}
