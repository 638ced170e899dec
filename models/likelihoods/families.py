"""Likelihoods: what turns the outputs of a network into a distribution of the data."""

import inspect
import math
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn

from plausible.models.distributions import continuous_bernoulli as distributions
from plausible.models.errors import DataError, ModelError, UnknownName
from plausible.models.likelihoods.likelihood import Likelihood, positive_scale
from plausible.models.registry import LIKELIHOODS

__all__ = [
    "Bernoulli",
    "BinaryCrossEntropy",
    "Categorical",
    "ContinuousBernoulli",
    "DiagonalNormal",
    "Laplace",
    "Likelihood",
    "Normal",
    "likelihood",
    "names",
    "positive_scale",
]

_ACTIVATIONS = ("exp", "softplus")


class _LocScale(Likelihood):
    """One output per value, the location; the scale is fixed or one learned number."""

    is_real_valued = True
    kind: type[dist.Normal] | type[dist.Laplace]

    def __init__(self, scale: float | str = 1.0, min_scale: float = 1e-3) -> None:
        super().__init__()
        self.scale = scale if scale == "learned" else _positive(scale)
        self.min_scale = _floor(min_scale)
        if scale == "learned":
            self.raw_scale = nn.Parameter(torch.zeros(()))

    def current_scale(self, like: Tensor) -> Tensor:
        """The scale as a scalar tensor of the dtype and device of `like`."""
        if isinstance(self.scale, str):
            return positive_scale(self.raw_scale, "exp", self.min_scale).to(like)
        return like.new_full((), self.scale)

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        return self.kind(outputs.squeeze(-1), self.current_scale(outputs))

    def affine(
        self, distribution: TorchDistribution, loc: Tensor, scale: Tensor
    ) -> TorchDistribution:
        one: Any = getattr(distribution, "base_dist", distribution)
        learned = isinstance(self.scale, str)
        width = one.scale * scale if learned else one.scale
        return self.kind(one.loc * scale + loc, width).to_event(len(distribution.event_shape))


class Normal(_LocScale):
    r"""Normal around the output; with a fixed scale, maximum likelihood is least squares.

    .. math:: \ln p(x) = -\frac{(x - \mu)^2}{2 \sigma^2} - \ln \sigma - \tfrac12 \ln 2\pi

    Args:
        scale: σ in the data's unit, or "learned": one parameter for all values, at first 1.
        min_scale: floor of a learned scale; see `positive_scale`.

    Raises:
        ModelError: for a scale that is not positive.
    """

    name = "normal"
    kind = dist.Normal


class Laplace(_LocScale):
    r"""Laplace around the output; with a fixed scale, maximum likelihood is least absolute error.

    .. math:: \ln p(x) = -\frac{|x - \mu|}{b} - \ln 2b

    Args:
        scale: b in the data's unit, or "learned": one parameter for all values, at first 1.
        min_scale: floor of a learned scale; see `positive_scale`.

    Raises:
        ModelError: for a scale that is not positive.
    """

    name = "laplace"
    kind = dist.Laplace


class DiagonalNormal(Likelihood):
    r"""Normal with a predicted mean and scale for each value: the network says how sure it is.

    .. math:: x_i \sim N(\mu_i, \sigma_i^2), \qquad \sigma_i = \texttt{min\_scale} + f(r_i)

    Args:
        activation: f: "exp" reaches any scale in a few steps; "softplus" grows only linearly, so
            that one large output does little harm.
        min_scale: floor of all scales; see `positive_scale`.

    Raises:
        UnknownName: for another activation.
        ModelError: for a negative floor.

    Source: Nix and Weigend, Estimating the mean and variance of the target probability
    distribution (1994).
    """

    name = "diagonal-normal"
    is_real_valued = True
    outputs = 2

    def __init__(self, activation: str = "exp", min_scale: float = 1e-3) -> None:
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise UnknownName("activation", str(activation), _ACTIVATIONS)
        self.activation = activation
        self.min_scale = _floor(min_scale)

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        loc, raw = outputs.unbind(-1)
        return dist.Normal(loc, positive_scale(raw, self.activation, self.min_scale))

    def affine(
        self, distribution: TorchDistribution, loc: Tensor, scale: Tensor
    ) -> TorchDistribution:
        one: Any = getattr(distribution, "base_dist", distribution)
        events = len(distribution.event_shape)
        return dist.Normal(one.loc * scale + loc, one.scale * scale).to_event(events)


class Bernoulli(Likelihood):
    r"""A coin on the sigmoid λ of the output; its negative log is the binary cross-entropy.

    .. math:: \ln p(x) = x \ln\lambda + (1 - x) \ln(1 - \lambda), \qquad x \in \{0, 1\}
    """

    name = "bernoulli"
    accepts = "0 and 1"
    advice = (
        "Binarise them, or use 'continuous-bernoulli' for greys between 0 and 1 "
        "('binary-cross-entropy' takes greys too, but is not a density)."
    )

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        return dist.Bernoulli(logits=outputs.squeeze(-1))

    def in_support(self, x: Tensor) -> Tensor:
        return (x == 0) | (x == 1)


class ContinuousBernoulli(Likelihood):
    """Binary cross-entropy with the normaliser it lacks: a density of greys between 0 and 1.

    Its mean is not the sigmoid of the output: see
    `plausible.models.distributions.continuous_bernoulli.ContinuousBernoulli`.
    """

    name = "continuous-bernoulli"
    accepts = "values between 0 and 1"
    advice = "Rescale them, or use 'normal'."

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        return distributions.ContinuousBernoulli(outputs.squeeze(-1))

    def in_support(self, x: Tensor) -> Tensor:
        return (x >= 0) & (x <= 1)


class BinaryCrossEntropy(ContinuousBernoulli):
    """Binary cross-entropy on greys: it trains a mean, but is not a density and ranks with none.

    See `plausible.models.distributions.continuous_bernoulli.BinaryCrossEntropy`.
    """

    name = "binary-cross-entropy"
    is_density = False

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        return distributions.BinaryCrossEntropy(logits=outputs.squeeze(-1))


class Categorical(Likelihood):
    r"""One of several classes by a softmax; its negative log is the cross-entropy.

    .. math:: p(x = k) = e^{o_k} \Big/ \sum_j e^{o_j}

    Args:
        classes: how many there are; data are labels from 0 to classes - 1.

    Raises:
        ModelError: for fewer than two classes.
    """

    name = "categorical"
    advice = "Number the classes from 0, or raise `classes`."

    def __init__(self, classes: int) -> None:
        super().__init__()
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise ModelError(f"classes must be a whole number from 2 up, but got {classes!r}.")
        self.classes = self.outputs = classes
        self.accepts = f"whole numbers from 0 to {classes - 1}"

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        return dist.Categorical(logits=outputs)

    def in_support(self, x: Tensor) -> Tensor:
        return (x >= 0) & (x < self.classes)

    def _check_dtype(self, x: Tensor) -> None:
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise DataError(
                f"Likelihood {self.name!r} needs integer labels, but got {x.dtype}. "
                "Convert with .long()."
            )


def names() -> tuple[str, ...]:
    """The names that `likelihood` accepts: all likelihoods that need no argument."""
    every = dict.fromkeys((*LIKELIHOODS, *Likelihood.registry))
    return tuple(name for name in every if not _required(Likelihood.named(name)))


def likelihood(name_or_object: str | Likelihood) -> Likelihood:
    """The likelihood of that name with its default arguments, or the object itself.

    Raises:
        UnknownName: for a name that is not in `names()`.
        ModelError: for a name that needs arguments, or for neither a name nor a likelihood.
    """
    if isinstance(name_or_object, Likelihood):
        return name_or_object
    if not isinstance(name_or_object, str):
        raise ModelError(
            "A likelihood is a name or an object such as Normal(scale=0.1), but got "
            f"{name_or_object!r}. Names: {', '.join(names())}."
        )
    if name_or_object not in (*LIKELIHOODS, *Likelihood.registry):
        raise UnknownName("likelihood", name_or_object, names())
    kind = Likelihood.named(name_or_object)
    if required := _required(kind):
        needed = ", ".join(f"{argument}=..." for argument in required)
        raise ModelError(
            f"Likelihood {name_or_object!r} has no defaults: pass the object, "
            f"{kind.__name__}({needed}), instead of its name."
        )
    return kind()


def _required(kind: type[Likelihood]) -> list[str]:
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    named = (p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return [p.name for p in named if p.default is p.empty]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _positive(scale: Any) -> float:
    if not _is_number(scale) or scale <= 0:
        raise ModelError(f"scale must be a positive number or 'learned', but got {scale!r}.")
    return float(scale)


def _floor(min_scale: Any) -> float:
    if not _is_number(min_scale) or min_scale < 0:
        raise ModelError(f"min_scale must be a number from 0 up, but got {min_scale!r}.")
    return float(min_scale)
