"""New data from any model that has a prior of latents, and decodes them."""

import inspect
from typing import Any, Literal

import torch
from torch import Tensor

from plausible.inference.isolation import evaluating
from plausible.models.base import LatentModel
from plausible.models.errors import DataError, ModelError

__all__ = ["Shown", "conditions_of", "is_latent", "new_data"]

Shown = Literal["mean", "drawn"]


def is_latent(model: Any) -> bool:
    """Whether a model keeps the contract of latents, whatever its class."""
    return all(hasattr(model, name) for name in ("latent_shape", "prior", "decode", "generate"))


def conditions_of(model: LatentModel) -> int:
    """How many conditions a model with latents takes next to them."""
    return len(inspect.signature(model.decode).parameters) - 1


def new_data(
    model: LatentModel, size: int, *condition: Tensor, shown: Shown = "mean", seed: int = 0
) -> Tensor:
    r"""Data made from latents that are drawn from the model's prior.

    .. math:: z \sim p(z), \qquad E(x \mid z) \quad\text{or}\quad x \sim p(x \mid z)

    Args:
        model: with latents.
        size: number of data.
        condition: what a conditional model makes them from, `size` rows or one.
        shown: "mean" for what `generate` shows of each latent, "drawn" for a draw of p(x given z).
        seed: seed of the draws.

    Returns:
        Shape (size, *shape of a datum).

    Raises:
        ModelError: for a size below 1, a model without latents, or conditions that are missing or
            too many.
        DataError: for conditions of another number of rows.
    """
    if size < 1:
        raise ModelError(f"The number of data must be at least 1, but is {size}.")
    if not is_latent(model):
        raise ModelError(
            f"A {type(model).__name__} has no latents to make data from: it lacks one of "
            "latent_shape, prior, decode and generate."
        )
    if len(condition) != conditions_of(model):
        raise ModelError(
            f"A {type(model).__name__} takes {conditions_of(model)} conditions next to latents, "
            f"but got {len(condition)}."
        )
    if any(len(c) not in (1, size) for c in condition):
        raise DataError(f"Give one condition, or one for each of the {size} data.")
    with evaluating(model, seed), torch.no_grad():
        z = model.prior(size).sample()
        if shown == "mean":
            return model.generate(z, *condition)
        drawn: Tensor = model.decode(z, *condition).sample()
        return drawn
