"""The contract that every generative model keeps: a model, its guide, how they are fitted."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pyro.nn import PyroModule
from torch import Tensor

from plausible.models.errors import ModelError
from plausible.models.likelihoods.likelihood import Likelihood
from plausible.models.objectives.elbo import ELBO
from plausible.models.objectives.objective import Objective

__all__ = ["GenerativeModel", "from_config"]


class GenerativeModel(PyroModule):
    """A Pyro model with its guide, whose parameters belong to the module alone.

    Subclasses write `model` and, where something is latent, `guide`. Both are called with the
    batch as positional arguments, condition first and target second. A subclass whose weights are
    themselves random (`PyroSample`) decorates both with `pyro.nn.pyro_method`.

    The constructor's arguments are remembered, so that a checkpoint can build the same model again
    without being told its class. They must be numbers, strings, booleans, None, tuples of these,
    or a `Likelihood`; a model built from anything else trains all the same, but needs `model=` to
    load.

    Attributes:
        objective: how `fit` trains the model unless it is told otherwise.
        batch_size: data per step unless `fit` is told otherwise; None is the whole data set.
    """

    registry: ClassVar[dict[str, type["GenerativeModel"]]] = {}
    objective: Objective = ELBO()
    batch_size: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        GenerativeModel.registry[f"{cls.__module__}:{cls.__qualname__}"] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", _named(cls, args, kwargs))
        return self

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """The generative program: `x` observed, or `size` data sampled when `x` is None."""
        raise ModelError(f"{type(self).__name__} has no model: write its `model` method.")

    def guide(self, x: Tensor | None = None, *, size: int | None = None) -> None:
        """The variational program; empty where nothing is latent, which is maximum likelihood."""

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless the data fit the model; `fit` calls it before any step."""

    @torch.no_grad()
    def sample(self, size: int) -> Tensor:
        """Draw `size` data from the generative program, on the device of the parameters."""
        if size < 1:
            raise ModelError(f"sample needs a positive number of draws, but got {size}.")
        return self.model(size=size)

    def config(self) -> dict[str, Any]:
        """The class and constructor arguments as plain values, for `from_config`.

        Raises:
            ModelError: if an argument is not a plain value; says which.
        """
        cls = type(self)
        return {
            "class": f"{cls.__module__}:{cls.__qualname__}",
            "arguments": {k: _plain(cls, k, v) for k, v in self._arguments.items()},
        }


def _named(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments by name; all positional ones under "*" where the constructor has it."""
    signature = inspect.signature(cls.__init__)
    bound = signature.bind_partial(None, *args, **kwargs)
    if any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return {"*": bound.args[1:], **bound.kwargs}
    arguments = dict(list(bound.arguments.items())[1:])
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(arguments.pop(parameter.name, {}))
    return arguments


def _plain(cls: type, name: str, value: Any) -> Any:
    if isinstance(value, Likelihood):
        return {"likelihood": value.name, "arguments": value.config()}
    if isinstance(value, (tuple, list)):
        return [_plain(cls, name, item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ModelError(
        f"{cls.__name__} was built with {name}={type(value).__name__}, which a checkpoint cannot "
        "describe; it holds the weights all the same, so build the model yourself and load it "
        "with load(path, model=...)."
    )


def _built(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Likelihood.from_config(value["likelihood"], value["arguments"])
    if isinstance(value, list):
        return tuple(_built(item) for item in value)
    return value


def from_config(config: Mapping[str, Any]) -> GenerativeModel:
    """Build the model that `GenerativeModel.config` described, with fresh weights.

    Only classes that are already imported are built: a file never makes Python import anything.

    Raises:
        ModelError: if no imported `GenerativeModel` has the class name.
    """
    cls = GenerativeModel.registry.get(config["class"])
    if cls is None:
        module, name = config["class"].split(":")
        first = f"import {module} before loading, or"
        if module == "__main__" or "<locals>" in name:
            first = "it was defined in a script or function, so"
        raise ModelError(
            f"The model class {name} is not known here: {first} pass the model itself with model=."
        )
    arguments = {name: _built(value) for name, value in config["arguments"].items()}
    return cls(*arguments.pop("*", ()), **arguments)
