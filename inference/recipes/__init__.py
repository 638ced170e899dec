"""Recipes: one typed function for each system of the lecture; data, model, fit and pictures."""

if not __name__.startswith("plausible."):
    raise ImportError(
        "Import this package as plausible.inference.recipes, not as inference.recipes."
    )

from collections.abc import Callable

from plausible.inference.recipes.linear_vae import linear_vae
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.recipes.vae import vae
from plausible.inference.recipes.vae_forces import vae_forces

__all__ = ["RECIPES", "Outcome", "Picture", "linear_vae", "vae", "vae_forces"]

RECIPES: dict[str, Callable[..., Outcome]] = {
    "vae": vae,
    "vae-forces": vae_forces,
    "linear-vae": linear_vae,
}
