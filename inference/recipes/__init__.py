"""Recipes: one typed function for each system of the lecture; data, model, fit and pictures."""

if not __name__.startswith("plausible."):
    raise ImportError(
        "Import this package as plausible.inference.recipes, not as inference.recipes."
    )

from collections.abc import Callable

from plausible.inference.recipes.classify import classify
from plausible.inference.recipes.linear_vae import linear_vae
from plausible.inference.recipes.mdn_arm import mdn_arm
from plausible.inference.recipes.mdn_inverse import mdn_inverse
from plausible.inference.recipes.mode_collapse import mode_collapse
from plausible.inference.recipes.naive_generator import naive_generator
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.recipes.random_generator import random_generator
from plausible.inference.recipes.regress import regress
from plausible.inference.recipes.vae import vae
from plausible.inference.recipes.vae_forces import vae_forces

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
