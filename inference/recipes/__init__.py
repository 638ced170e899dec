"""Recipes: one typed function for each system of the lecture; data, model, fit and pictures."""

if not __name__.startswith("plausible."):
    raise ImportError(
        "Import this package as plausible.inference.recipes, not as inference.recipes."
    )

from collections.abc import Callable
from typing import TYPE_CHECKING

from plausible.models.lazy import LazyTable

if TYPE_CHECKING:
    from plausible.inference.recipes.outcome import Outcome

__all__ = ["RECIPES"]

_HERE = "plausible.inference.recipes."

RECIPES: LazyTable[Callable[..., "Outcome"]] = LazyTable(
    {
        "classify": _HERE + "outputs.classify:classify",
        "regress": _HERE + "outputs.regress:regress",
        "regress-images": _HERE + "outputs.regress_images:regress_images",
        "mdn-inverse": _HERE + "outputs.mdn_inverse:mdn_inverse",
        "mdn-arm": _HERE + "outputs.mdn_arm:mdn_arm",
        "mode-collapse": _HERE + "outputs.mode_collapse:mode_collapse",
        "random-generator": _HERE + "generators.random_generator:random_generator",
        "naive-generator": _HERE + "generators.naive_generator:naive_generator",
        "conditional-generator": _HERE + "generators.conditional_generator:conditional_generator",
        "vae": _HERE + "autoencoders.vae:vae",
        "vae-forces": _HERE + "autoencoders.vae_forces:vae_forces",
        "linear-vae": _HERE + "autoencoders.linear_vae:linear_vae",
    }
)
