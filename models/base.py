"""The contract that every model keeps: a Pyro program, its guide, how they are fitted, a name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from pyro.nn import PyroModule
from torch import Tensor, nn

from plausible.models.copies import copied
from plausible.models.errors import DataError, ModelError
from plausible.models.likelihoods.likelihood import Likelihood
from plausible.models.objectives.elbo import ELBO
from plausible.models.objectives.objective import Objective
from plausible.models.ownership import own_parameters
from plausible.models.registry import FORMER_PLACES, MODELS

__all__ = [
    "ConditionalModel",
    "GenerativeModel",
    "LatentModel",
    "Model",
    "check_precision",
    "from_config",
    "up_to_date",
    "with_prior",
]


class Model(PyroModule):
    """A Pyro model with its guide, whose parameters belong to the module alone.

    Subclass `GenerativeModel` for a model of data, `ConditionalModel` for one of outputs given
    inputs, and `LatentModel` besides where something is latent. A subclass whose weights are
    themselves random (`PyroSample`) decorates model and guide with `pyro.nn.pyro_method`.

    A checkpoint can build the same model again without being told its class: it keeps the name
    that the class gives itself, `class Mine(GenerativeModel, name="mine")`, or else its module and
    its own name, and the constructor's arguments. These must be numbers, strings, booleans, None,
    a `Likelihood`, another `Model`, or tuples of them; a model built from anything else trains all
    the same, but needs `model=` to load.

    Attributes:
        objective: how `fit` trains the model unless it is told otherwise.
        batch_size: data per step unless `fit` is told otherwise; None is the whole data set.
        renamed: from names that arguments of the constructor once had to those that they have now.
    """

    registry: ClassVar[dict[str, type["Model"]]] = {}
    registered_name: ClassVar[str]
    renamed: ClassVar[Mapping[str, str]] = {}
    objective: Objective = ELBO()
    batch_size: int | None = None

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        place = f"{cls.__module__}:{cls.__qualname__}"
        if name is not None:
            _check_name(name, place)
            Model.registry[name] = cls
        Model.registry[place] = cls  # a name that is added later does not lose older checkpoints
        cls.registered_name = place if name is None else name

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", _named(cls, args, kwargs))
        return self

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        own_parameters(self)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, nn.Module):
            own_parameters(value)

    def model(self, *batch: Any, **context: Any) -> Any:
        """The generative program; what it takes is the subclass's to say."""
        raise ModelError(f"{type(self).__name__} has no model: write its `model` method.")

    def guide(self, *batch: Any, **context: Any) -> Any:
        """The variational program; empty where nothing is latent, which is maximum likelihood."""

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless the data fit the model; `fit` calls it before any step."""

    def config(self) -> dict[str, Any]:
        """The class and constructor arguments as plain values, for `from_config`.

        Raises:
            ModelError: if an argument is not a plain value; says which.
        """
        cls = type(self)
        arguments = {k: _plain(cls, k, v) for k, v in self._arguments.items()}
        return {"class": cls.registered_name, "arguments": arguments}


def check_precision(model: Model, *batch: Any) -> None:
    """Raise `DataError` unless data are tensors, the first, which networks see, of their type."""
    for x in batch:
        if not isinstance(x, Tensor):
            raise DataError(
                f"A {type(model).__name__} takes tensors, but got a {type(x).__name__}. Convert it "
                "with torch.as_tensor."
            )
    weights = next(model.parameters(), batch[0])
    if batch[0].is_floating_point() and batch[0].dtype != weights.dtype:
        raise DataError(
            f"The data are {batch[0].dtype}, but the weights of this {type(model).__name__} are "
            f"{weights.dtype}. Convert one of the two: x.to({weights.dtype}), or "
            f"model.to({batch[0].dtype})."
        )


class GenerativeModel(Model):
    """A model of data: `model` observes `x`, or samples `size` new data."""

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """The generative program: `x` observed, or `size` data sampled when `x` is None."""
        raise ModelError(f"{type(self).__name__} has no model: write its `model` method.")

    def guide(self, x: Tensor | None = None, *, size: int | None = None) -> None:
        """The variational program; empty where nothing is latent, which is maximum likelihood."""

    @torch.no_grad()
    def sample(self, size: int) -> Tensor:
        """Draw `size` data from the generative program, on the device of the parameters."""
        if size < 1:
            raise ModelError(f"sample needs a positive number of draws, but got {size}.")
        return self.model(size=size)


class ConditionalModel(Model):
    """A model of outputs given inputs: the condition comes first, the target second."""

    def model(self, x: Tensor, y: Tensor | None = None, /) -> Tensor:
        """The generative program for each input `x`: `y` observed, or drawn when None."""
        raise ModelError(f"{type(self).__name__} has no model: write its `model` method.")

    def guide(self, x: Tensor, y: Tensor | None = None, /) -> None:
        """The variational program; empty where nothing is latent, which is maximum likelihood."""

    @torch.no_grad()
    def sample(self, x: Tensor, draws: int = 1) -> Tensor:
        """Draw outputs for every input, each with latents of its own.

        Args:
            x: inputs, shape (N, ...).
            draws: outputs for each.

        Returns:
            Shape (draws, N, ...).

        Raises:
            ModelError: unless there is at least one draw.
        """
        if draws < 1:
            raise ModelError(f"sample needs a positive number of draws, but got {draws}.")
        repeated = x.expand((draws, *x.shape)).flatten(0, 1)
        return self.model(repeated).unflatten(0, (draws, len(x)))


class LatentModel(Model):
    """What every model with latents offers, whatever it is: tools go by this, not by classes.

    A subclass sets `latent_shape`, writes `decode`, and draws its (top) latent from `self.prior`.
    Where something maps data to latents it writes `encode(x, *condition)` too, which returns their
    distribution (`Delta` where it is deterministic). A conditional model takes its condition last.

    Attributes:
        latent_shape: shape of one latent; of the top one where there are several.
        decode: from latents (..., *latent_shape) and any condition to the distribution of data
            (`Delta` where nothing is drawn).
    """

    latent_shape: tuple[int, ...]
    decode: Callable[..., TorchDistribution]

    def prior(self, size: int) -> TorchDistribution:
        """p(z): N(0, I), or what `with_prior` put in its place.

        Args:
            size: number of latents.

        Returns:
            Batch shape (size,), event shape `latent_shape`.
        """
        density = self._modules.get("density")
        if density is not None:
            return _distribution_of(density).expand((size,))
        loc = next(self.parameters()).new_zeros((size, *self.latent_shape))
        return dist.Normal(loc, 1.0).to_event(len(self.latent_shape))

    def generate(self, z: Tensor, *condition: Tensor) -> Tensor:
        """What a person looks at: the mean of p(x given z), or the output itself."""
        mean: Tensor = self.decode(z, *condition).mean
        return mean

    def config(self) -> dict[str, Any]:
        """As in `Model`, with the prior's own description where `with_prior` set one."""
        density = self._modules.get("density")
        prior = {"prior": density.config()} if isinstance(density, Model) else {}
        return super().config() | prior


Latent = TypeVar("Latent", bound=LatentModel)


def with_prior(model: Latent, density: Model) -> Latent:
    """A copy of a model whose latents come from another density: the second stage of training.

    Autoencoders have no prior worth the name, and the latents of encoded data rarely fill that of a
    VAE. A density that is fitted to them, `density` here, makes better samples. The copy shares no
    weights with the two; checkpoints describe it with both.

    Args:
        model: with latents.
        density: a fitted model of them, with a method `distribution()` that returns the density of
            one latent, batch shape () and event shape `model.latent_shape`.

    Returns:
        The copy, whose `prior` is that density.

    Raises:
        ModelError: if one of the two is something else, or the shapes differ.
    """
    if not isinstance(model, LatentModel):
        raise ModelError(f"with_prior takes a LatentModel, but got a {type(model).__name__}.")
    shape = tuple(_distribution_of(density).event_shape)
    if shape != model.latent_shape:
        raise ModelError(
            f"The latents of this {type(model).__name__} have shape {model.latent_shape}, but the "
            f"density is one of shape {shape}. Fit it to model.encode(x).mean."
        )
    twin = copied(model)
    twin.add_module("density", copied(density))
    return twin


def _distribution_of(density: Any) -> TorchDistribution:
    if not isinstance(density, Model) or not hasattr(density, "distribution"):
        raise ModelError(
            "A prior is a fitted model with a method distribution(), such as NormalDensity, but "
            f"got a {type(density).__name__}."
        )
    distribution: TorchDistribution = density.distribution()
    return distribution


def _check_name(name: str, place: str) -> None:
    """Refuse a name that stands for another class, or could be taken for a place."""
    ours = MODELS.places
    owner = ours.get(name)
    if owner is None and name in Model.registry:
        other = Model.registry[name]
        owner = f"{other.__module__}:{other.__qualname__}"
    if ":" in name or not name:
        raise ModelError(f"A model's name is a word without ':', but {place} has {name!r}.")
    if owner not in (None, place):
        raise ModelError(f"The name {name!r} belongs to {owner}; give {place} another.")
    if place.startswith("plausible.") and name not in ours:
        raise ModelError(f"{place} has the name {name!r}, which the table of models lacks.")


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
    if isinstance(value, Likelihood) and Likelihood.named(value.name) is type(value):
        return {"likelihood": value.name, "arguments": value.config()}
    if isinstance(value, Model):
        return {"model": value.config()}
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
        if "model" in value:
            return from_config(value["model"])
        return Likelihood.from_config(value["likelihood"], value["arguments"])
    if isinstance(value, list):
        return tuple(_built(item) for item in value)
    return value


def from_config(config: Mapping[str, Any]) -> Model:
    """Build the model that `Model.config` described, with fresh weights.

    Only classes of our own table and classes that are already imported are built: a file never
    makes Python import anything else.

    Raises:
        ModelError: if no such class is known.
    """
    cls = _class_of(config["class"])
    arguments = {n: _built(v) for n, v in up_to_date(config)["arguments"].items()}
    model = cls(*arguments.pop("*", ()), **arguments)
    if isinstance(model, LatentModel) and "prior" in config:
        return with_prior(model, from_config(config["prior"]))
    return model


def up_to_date(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `Model.config` would say today of a model that it described some time ago."""
    name = FORMER_PLACES.get(config["class"], config["class"])
    cls = _known(name)
    if cls is None:
        return config
    arguments, accepted = dict(config["arguments"]), inspect.signature(cls.__init__).parameters
    for old, new in cls.renamed.items():
        if old in arguments and old not in accepted:
            arguments[new] = arguments.pop(old)
    return {**config, "class": cls.registered_name, "arguments": arguments}


def _known(name: str) -> type[Model] | None:
    return MODELS[name] if name in MODELS else Model.registry.get(name)


def _class_of(name: str) -> type[Model]:
    cls = _known(FORMER_PLACES.get(name, name))
    if cls is not None:
        return cls
    module, _, qualname = name.rpartition(":")
    first = f"import {module} before loading, or"
    if not module:
        first = "import the module that defines it before loading, or"
    if module == "__main__" or "<locals>" in qualname:
        first = "it was defined in a script or function, so"
    raise ModelError(
        f"The model class {qualname} is not known here: {first} pass the model itself with model=."
    )
