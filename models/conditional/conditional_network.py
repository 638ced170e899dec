"""A model of outputs given inputs: a network and the likelihood that it parametrises."""

from typing import Any, Self

import pyro
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn

from plausible.models.base import ConditionalModel, check_precision
from plausible.models.errors import DataError, ModelError
from plausible.models.likelihoods.likelihood import Likelihood
from plausible.models.objectives.batch import draws_at_once
from plausible.models.objectives.maximum_likelihood import MaximumLikelihood

__all__ = ["ConditionalNetwork"]


class ConditionalNetwork(ConditionalModel):
    r"""A network that outputs a distribution.

    .. math:: y \sim p(y \mid \mathrm{network}(x))

    Nothing is latent, so the guide is empty and fitting is maximum likelihood.

    `standardise` sets the shift and the scale in which the network sees inputs and says outputs.
    They are buffers, so checkpoints keep them; without it they change nothing. Densities are those
    of the data as they are given in either case.

    Args:
        network: from inputs (*batch, *x_shape) to likelihood.param_shape(y_shape).
        x_shape: shape of one input.
        y_shape: shape of one output; () is a number.
        likelihood: turns the network's outputs into a distribution.
    """

    batch_size = 128
    objective = MaximumLikelihood()
    x_loc: Tensor
    x_scale: Tensor
    y_loc: Tensor
    y_scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        x_shape: tuple[int, ...],
        y_shape: tuple[int, ...],
        likelihood: Likelihood,
    ) -> None:
        super().__init__()
        self.x_shape, self.y_shape = tuple(x_shape), tuple(y_shape)
        self.network, self.likelihood = network, likelihood
        for name, shape in (("x", self.x_shape), ("y", self.y_shape)):
            self.register_buffer(f"{name}_loc", torch.zeros(_unit_shape(shape)))
            self.register_buffer(f"{name}_scale", torch.ones(_unit_shape(shape)))

    def model(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """y ~ p(y given x) for each input; `y` is observed, or drawn when None."""
        with pyro.plate("data", len(x)):
            return pyro.sample("y", self.predict(x), obs=y)

    def predict(self, x: Tensor) -> TorchDistribution:
        """p(y given x): batch shape of `x`, event shape `y_shape`."""
        outputs = self.network((x - self.x_loc) / self.x_scale)
        distribution = self.likelihood(outputs, self.y_shape)
        if not self.likelihood.is_real_valued:
            return distribution
        return self.likelihood.affine(distribution, self.y_loc, self.y_scale)

    @torch.no_grad()
    def standardise(self, x: Tensor, y: Tensor | None = None) -> Self:
        """Let the network see inputs of mean 0 and standard deviation 1, and say outputs so.

        Images are shifted and scaled by one number for each channel, other data by one for each
        feature; where nothing varies the scale is 1. Outputs follow only where the likelihood takes
        any number: labels and bits stay as they are.

        Args:
            x: training inputs, shape (N, *x_shape).
            y: training outputs, shape (N, *y_shape); None leaves the outputs alone.

        Returns:
            The model itself.

        Raises:
            DataError: for data that do not fit the model, or for 0 rows.
        """
        self._check_inputs(x)
        if not len(x):
            raise DataError("There are no data to standardise by: the inputs have 0 rows.")
        self.x_loc.copy_(_centre(x, self.x_shape))
        self.x_scale.copy_(_spread(x, self.x_shape))
        if y is not None and self.likelihood.is_real_valued:
            self.check(x, y)
            self.y_loc.copy_(_centre(y, self.y_shape))
            self.y_scale.copy_(_spread(y, self.y_shape))
        return self

    @torch.no_grad()
    def sample(self, x: Tensor, draws: int = 1) -> Tensor:
        """Draw outputs for every input, shape (draws, *batch, *y_shape)."""
        if draws < 1:
            raise ModelError(f"sample needs a positive number of draws, but got {draws}.")
        return self.predict(x).sample((draws,))

    @torch.no_grad()
    def log_prob(self, x: Tensor, y: Tensor, *, chunk: int | None = None) -> Tensor:
        """ln p(y given x) of each datum in nats, shape (N,).

        Args:
            x: inputs, shape (N, *x_shape).
            y: outputs, shape (N, *y_shape).
            chunk: data that are scored at a time, which bounds the memory; by default 10,000, or as
                many as hold 8 million numbers.
        """
        check_precision(self, x, y)
        self.check(x, y)
        count = min(draws_at_once(chunk, x), draws_at_once(chunk, y))
        parts = zip(x.split(count), y.split(count), strict=True)
        return torch.cat([self.predict(a).log_prob(self._observed(b)) for a, b in parts])

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless `batch` is inputs and outputs of these shapes and supports."""
        name = type(self).__name__
        if len(batch) != 2:
            raise DataError(
                f"A {name} is trained on inputs and outputs, (x, y), but got {len(batch)} "
                f"tensor{'' if len(batch) == 1 else 's'}."
            )
        x, y = batch
        self._check_inputs(x)
        if tuple(y.shape[1:]) != self.y_shape or y.dim() == 0:
            raise DataError(
                f"This {name} takes outputs of shape {_shape(self.y_shape)}, but got "
                f"{tuple(y.shape)}."
            )
        if len(x) != len(y) or not len(x):
            raise DataError(f"There are {len(x):,} inputs and {len(y):,} outputs; give pairs.")
        self._check_outputs(y)

    def _check_outputs(self, y: Tensor) -> None:
        self.likelihood.check(y)

    def _check_inputs(self, x: Tensor) -> None:
        name = type(self).__name__
        if x.dim() == 0 or tuple(x.shape[1:]) != self.x_shape:
            raise DataError(
                f"This {name} takes inputs of shape {_shape(self.x_shape)}, but got "
                f"{tuple(x.shape)}."
            )
        if not x.is_floating_point():
            raise DataError(f"A {name} takes floating-point inputs, but got {x.dtype}.")
        if wrong := int((~x.isfinite()).sum()):
            raise DataError(
                f"{wrong:,} of {x.numel():,} numbers in the inputs are not finite. Remove or "
                "replace them."
            )

    def _observed(self, y: Tensor) -> Tensor:
        """The outputs in the form that the likelihood scores."""
        return y


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('N', *shape)))})"


def _unit_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the numbers by which data are shifted: one for each channel of an image."""
    return (shape[0], 1, 1) if len(shape) == 3 else shape


def _dims(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (0, 2, 3) if len(shape) == 3 else (0,)


def _centre(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return x.double().mean(_dims(shape)).reshape(_unit_shape(shape)).to(x.dtype)


def _spread(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Standard deviations; 1 where they are within rounding error."""
    values: Any = x.double()
    spread = values.std(_dims(shape), correction=0)
    least = 1e-6 * values.abs().amax(_dims(shape))
    return torch.where(spread > least, spread, 1.0).reshape(_unit_shape(shape)).to(x.dtype)
