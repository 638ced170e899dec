"""Every option of every recipe reaches the training that it is meant to change."""

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from plausible.inference.recipes import RECIPES, common

# Another value of an option.
OTHER: dict[str, Any] = {
    "activation": "tanh",
    "annealing_epochs": 3,
    "batch_size": 50,
    "beta": 2.0,
    "classes": (3, 7),
    "components": 3,
    "data": "clusters",
    "epochs": 7,
    "features": 5,
    "hidden": (17,),
    "latent_size": 3,
    "likelihood": "continuous-bernoulli",
    "lr": 0.0123,
    "network": "mlp",
    "particles": 3,
    "precision": "bf16",
    "seed": 1,
    "size": 300,
    "steps": 111,
    "toy": "wave",
}
OF_RECIPE = {("regress", "data"): "heteroscedastic", ("vae", "network"): "convolutional"}
# What takes effect elsewhere, and has tests of its own: folders and devices, what follows the first
# training, and images, of which one set alone is at hand.
ELSEWHERE = {"out", "resume", "device", "folds", "images"}
LATER = {("mode-collapse", "components"), ("naive-generator", "epochs")}
UNTRAINED = {"random-generator"}


class Reached(Exception):
    """The training that an option may change has been asked for."""


def options() -> list[tuple[str, str]]:
    every = [
        (recipe, option)
        for recipe in RECIPES
        for option in inspect.signature(RECIPES[recipe]).parameters
        if recipe not in UNTRAINED and option not in ELSEWHERE
    ]
    of_points = {"naive-generator", "regress"}
    return [(r, o) for r, o in every if (r, o) not in LATER and (o != "data" or r in of_points)]


@cache
def trained_by(recipe: str, option: str = "", value: Any = None) -> list[str]:
    """What the recipe asks `fit` for, with one option changed."""
    asked: list[str] = []

    def fit(model: nn.Module, data: Any, **settings: Any) -> Any:
        asked.append(described(model, data, settings))
        raise Reached

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(common, "fit", fit)
        with pytest.raises(Reached):
            RECIPES[recipe](**({option: value} if option else {}), out=Path("unused"))
    return asked


def described(model: nn.Module, data: Any, settings: dict[str, Any]) -> str:
    parts = [str(model), str(getattr(model, "config", None))]
    parts += [f"{name}={value}" for name, value in sorted(settings.items())]
    if not isinstance(data, Tensor | tuple):  # a source of batches
        data = [x for x in vars(data).values() if isinstance(x, Tensor)]
    tensors = [data] if isinstance(data, Tensor) else data
    return "\n".join([*parts, *(f"{x.shape} {x.double().sum()}" for x in tensors)])


@pytest.mark.parametrize(("recipe", "option"), options())
def test_an_option_changes_what_is_trained(recipe: str, option: str) -> None:
    # Seen failing with the particles of the recipe vae ignored.
    other = OF_RECIPE.get((recipe, option), OTHER[option])
    assert trained_by(recipe, option, other) != trained_by(recipe)
