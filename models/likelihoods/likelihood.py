"""What every likelihood shares: shapes, checks, a name, and how it is rebuilt."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn
from torch.nn.functional import softplus

from plausible.models.errors import DataError, ModelError, UnknownName
from plausible.models.registry import LIKELIHOODS

__all__ = ["Likelihood", "positive_scale"]

# exp(±30) squared, and a squared distance of 1e4 scales over it twice, are still float32 numbers.
_LOG_SCALE_LIMIT = 30.0


class Likelihood(nn.Module):
    """Base of all likelihoods: a subclass names itself and says what distribution outputs give.

    Attributes:
        name: what users call it.
        is_density: whether exp(log_prob) sums or integrates to one. Only such numbers may be
            compared, and only between likelihoods on the same support.
        outputs: how many network outputs one value needs.
        is_real_valued: whether any finite number can be scored, so that data may be shifted and
            scaled.
        accepts: the support in words, for messages.
        advice: what to do with values outside it.
    """

    registry: ClassVar[dict[str, type["Likelihood"]]] = {}
    name: ClassVar[str]
    is_density: ClassVar[bool] = True
    is_real_valued: ClassVar[bool] = False
    outputs: int = 1
    accepts: str = "finite numbers"
    advice: str = "Remove or replace them."

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            return
        place = f"{cls.__module__}:{cls.__qualname__}"
        if LIKELIHOODS.places.get(cls.name, place) != place:
            raise ModelError(f"The name {cls.name!r} is that of a likelihood of Plausible's.")
        Likelihood.registry[cls.name] = cls

    def distribution(self, outputs: Tensor) -> TorchDistribution:
        """The distribution of every single value.

        Args:
            outputs: shape (*batch, *event, self.outputs).

        Returns:
            A distribution of batch shape (*batch, *event).
        """
        raise NotImplementedError

    def affine(
        self, distribution: TorchDistribution, loc: Tensor, scale: Tensor
    ) -> TorchDistribution:
        """The distribution of data that are loc + scale · x, where x has this distribution.

        A scale that was given as a number stays as it is, in the data's unit. Only likelihoods
        that are `is_real_valued` have it.
        """
        raise NotImplementedError

    def in_support(self, x: Tensor) -> Tensor:
        """Which values of `x` can be scored: booleans of the same shape."""
        return x.isfinite()

    def param_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape that a network must output for one datum.

        Args:
            event_shape: shape of one datum, such as (channels, height, width).

        Returns:
            The same with its first dimension times `outputs`; (outputs,) for a scalar datum ().
        """
        if not event_shape:
            return (self.outputs,)
        return (self.outputs * event_shape[0], *event_shape[1:])

    def forward(self, params: Tensor, event_shape: tuple[int, ...]) -> TorchDistribution:
        """The distribution of one datum for each element of the batch.

        Args:
            params: network outputs, shape (*batch, *param_shape(event_shape)): along the first
                event dimension come all values' first parameters, then all second ones.
            event_shape: shape of one datum.

        Returns:
            A Pyro distribution of that event shape and of batch shape `batch`.

        Raises:
            ModelError: for parameters of another shape.
        """
        event, expected = tuple(event_shape), self.param_shape(event_shape)
        if tuple(params.shape[max(params.dim() - len(expected), 0) :]) != expected:
            raise ModelError(
                f"Likelihood {self.name!r} needs parameters of shape (*batch, "
                f"{', '.join(map(str, expected))}) for data of shape {event}, but got "
                f"{tuple(params.shape)}. Give the network an output shape of {expected}."
            )
        if params.dtype in (torch.float16, torch.bfloat16):
            params = params.float()  # a sum over an image needs more than three digits
        if event:
            first = -len(event)
            params = params.unflatten(first, (self.outputs, event[0])).movedim(first - 1, -1)
        return self.distribution(params).to_event(len(event))

    def check(self, x: Tensor) -> None:
        """Raise `DataError` unless all of `x` lies in the support; it counts and shows the rest."""
        self._check_dtype(x)
        missing = int(x.isnan().sum())
        if missing:
            raise DataError(
                f"{missing:,} of {x.numel():,} values are NaN. Remove or replace them: "
                "no likelihood scores missing values."
            )
        others = x[~self.in_support(x)]
        if others.numel():
            raise DataError(
                f"Likelihood {self.name!r} accepts {self.accepts}; {others.numel():,} of "
                f"{x.numel():,} values are others, for example {others[0].item():.6g}. "
                f"{self.advice}"
            )

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, fit for JSON; `from_config` builds an equal likelihood."""
        arguments = inspect.signature(type(self).__init__).parameters
        return {name: self.__dict__[name] for name in arguments if name in self.__dict__}

    @staticmethod
    def from_config(name: str, config: Mapping[str, Any]) -> "Likelihood":
        """The likelihood of that name, built from what `config` returned."""
        return Likelihood.named(name)(**config)

    @staticmethod
    def named(name: str) -> type["Likelihood"]:
        """The class of that name: one of ours, or one that is already imported.

        Raises:
            UnknownName: for another name.
        """
        if name in LIKELIHOODS:
            return LIKELIHOODS[name]
        if name in Likelihood.registry:
            return Likelihood.registry[name]
        raise UnknownName("likelihood", name, {*LIKELIHOODS, *Likelihood.registry})

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.config().items())

    def _check_dtype(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise DataError(
                f"Likelihood {self.name!r} needs floating-point data, but got {x.dtype}. "
                "Convert with .float(), and divide 8-bit pixels by 255."
            )


def positive_scale(raw: Tensor, activation: str, min_scale: float) -> Tensor:
    r"""A scale from an unconstrained output, with a floor.

    .. math:: \sigma = \texttt{min\_scale} + e^{r} \quad\text{or}\quad
              \sigma = \texttt{min\_scale} + \ln(1 + e^{r})

    Without a floor, a value that never changes (a black border pixel) drives its scale to zero and
    the likelihood to infinity. The likelihoods' default, 1e-3, is about the standard deviation of
    the noise that spreads an 8-bit pixel over its bin, 1 / (256 √12) = 0.00113: nothing finer is
    information. It is in the data's unit, so data far from order one want another.

    Args:
        raw: r, any shape; held above -30, and in the exponential below 30.
        activation: "exp" or "softplus".
        min_scale: the floor.

    Returns:
        σ, in the shape of `raw`.
    """
    if activation == "exp":
        return min_scale + raw.clamp(-_LOG_SCALE_LIMIT, _LOG_SCALE_LIMIT).exp()
    return min_scale + softplus(raw.clamp(min=-_LOG_SCALE_LIMIT))
