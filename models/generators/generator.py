"""Generator networks: the distribution at the start of the network, not only at its end."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from plausible.models.base import ConditionalModel, GenerativeModel, LatentModel
from plausible.models.errors import DataError, ModelError
from plausible.models.likelihoods.families import Likelihood
from plausible.models.likelihoods.families import likelihood as resolved
from plausible.models.networks.upsampling import Init, Network, generator_network

__all__ = ["ConditionalGenerator", "GeneratorNetwork"]


class _Generator(LatentModel):
    """What both generators share: the network, and what its outputs mean."""

    batch_size = 128
    renamed: ClassVar[Mapping[str, str]] = {"start": "init"}

    def __init__(
        self,
        inputs: int,
        x_shape: tuple[int, ...],
        latent_size: int,
        likelihood: str | Likelihood | None,
        network: Network,
        hidden: tuple[int, ...],
        activation: str,
        init: Init,
    ) -> None:
        super().__init__()
        if latent_size < 1:
            raise ModelError(
                f"A generator needs a latent size of at least 1, but got {latent_size}."
            )
        self.x_shape = tuple(x_shape)
        self.latent_size, self.latent_shape = latent_size, (latent_size,)
        self.likelihood = None if likelihood is None else resolved(likelihood)
        outputs = self.x_shape
        if self.likelihood is not None:
            outputs = self.likelihood.param_shape(self.x_shape)
        self.network = generator_network(
            network, (latent_size + inputs,), outputs, tuple(hidden), activation, init
        )

    def guide(self, *batch: Any, **context: Any) -> None:
        """Refused: no part of a generator says which z made a datum."""
        raise ModelError(
            f"A {type(self).__name__} has no guide: no part of it says which z made a datum. "
            "Pass guide= to fit, for example pyro.infer.autoguide.AutoNormal(model), or train a "
            "VAE, which learns its guide."
        )

    def _distribution(self, inputs: Tensor) -> TorchDistribution:
        outputs = self.network(inputs)
        if self.likelihood is not None:
            return self.likelihood(outputs, self.x_shape)
        return dist.Delta(outputs, event_dim=len(self.x_shape))

    def _drawn(self, p: TorchDistribution, x: Tensor | None) -> Tensor:
        """The site "x": drawn from p or observed; deterministic without an output distribution."""
        if self.likelihood is not None:
            return pyro.sample("x", p, obs=x)
        if x is not None:
            raise ModelError(
                "A generator without likelihood gives no datum a density, so it cannot score data. "
                "Build it with likelihood='normal' or another one, or train it adversarially."
            )
        return pyro.deterministic("x", p.mean, event_dim=len(self.x_shape))

    def _check_shape(self, name: str, values: Tensor, shape: tuple[int, ...]) -> None:
        if values.dim() == 0 or tuple(values.shape[1:]) != shape:
            raise DataError(
                f"This {type(self).__name__} takes {name} of shape "
                f"({', '.join(map(str, ('N', *shape)))}), but got {tuple(values.shape)}."
            )

    def _check_x(self, x: Tensor) -> None:
        self._check_shape("data", x, self.x_shape)
        if self.likelihood is not None:
            self.likelihood.check(x)
        elif not x.is_floating_point() or not bool(x.isfinite().all()):
            raise DataError(
                f"A generator makes finite floating-point numbers, but the data are {x.dtype}"
                f"{' with values that are not finite' if x.is_floating_point() else ''}. "
                "Convert them, or remove those values."
            )


class GeneratorNetwork(_Generator, GenerativeModel, name="generator"):
    r"""A network fed with noise: its outputs are the data, or parametrise their distribution.

    .. math:: z \sim N(0, I), \qquad x = g(z) \quad\text{or}\quad x \sim p(x \mid g(z))

    Without an output distribution (`likelihood=None`) x is a deterministic site: the model draws
    data of any shape of distribution, but gives none a density. With one it draws z, then x
    (ancestral sampling). It brings no guide: training is left to the caller.

    Args:
        x_shape: shape of one datum: (channels, height, width), or (features,).
        latent_size: dimensions of z.
        likelihood: output distribution, by name or as an object; None for none.
        network: "mlp" for any shape; "transposed" (transposed convolutions) or "upsample" (nearest
            upsampling and convolutions) for images from 8 to 128 pixels a side.
        hidden: widths of the MLP's hidden layers. Convolutional networks take the last as the width
            of their dense layer, and their resolutions and channels from the image's size.
        activation: nonlinearity of the MLP.
        init: initial weights, "he" or "glorot" (zero biases).

    Raises:
        UnknownName: for an unknown likelihood, network, activation or init.
        ModelError: for a latent size below 1, or an image size that the network cannot take.
    """

    def __init__(
        self,
        x_shape: tuple[int, ...],
        latent_size: int = 20,
        likelihood: str | Likelihood | None = None,
        network: Network = "mlp",
        hidden: tuple[int, ...] = (128, 128),
        activation: str = "relu",
        init: Init = "he",
    ) -> None:
        super().__init__(0, x_shape, latent_size, likelihood, network, hidden, activation, init)

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """z ~ p(z), then x, for each datum of `x` or for `size` new ones.

        Raises:
            ModelError: if neither is given, or data without an output distribution.
        """
        if x is None and size is None:
            raise ModelError("Give the data x, or the size of the sample to draw.")
        count = len(x) if x is not None else int(size or 0)
        with pyro.plate("data", count):
            return self._drawn(self.decode(pyro.sample("z", self.prior(count))), x)

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless `batch` is one tensor of data of this shape and support."""
        if len(batch) != 1:
            raise DataError(f"A GeneratorNetwork has one tensor of data, but got {len(batch)}.")
        self._check_x(batch[0])

    def decode(self, z: Tensor) -> TorchDistribution:
        """p(x given z) for latents (..., latent_size): event shape `x_shape`.

        Without an output distribution it is a point mass (`Delta`) at the output.
        """
        return self._distribution(z)


class ConditionalGenerator(_Generator, ConditionalModel, name="conditional-generator"):
    r"""A generator network with an input: one input, many outputs.

    .. math:: z \sim N(0, I), \qquad x = g(z, c) \quad\text{or}\quad x \sim p(x \mid g(z, c))

    The network is fed with z and the condition c, flattened and laid end to end.

    Args:
        condition_shape: shape of one input; () is a number.
        x_shape: shape of one output.
        latent_size: dimensions of z.
        likelihood, network, hidden, activation, init: as in `GeneratorNetwork`.

    Raises:
        UnknownName, ModelError: as in `GeneratorNetwork`.
    """

    def __init__(
        self,
        condition_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
        latent_size: int = 20,
        likelihood: str | Likelihood | None = None,
        network: Network = "mlp",
        hidden: tuple[int, ...] = (128, 128),
        activation: str = "relu",
        init: Init = "he",
    ) -> None:
        size = math.prod(condition_shape)
        super().__init__(size, x_shape, latent_size, likelihood, network, hidden, activation, init)
        self.condition_shape = tuple(condition_shape)

    def model(self, condition: Tensor, x: Tensor | None = None) -> Tensor:
        """z ~ p(z), then x, for each condition; `x` is observed, or drawn when None.

        Args:
            condition: shape (N, *condition_shape).
            x: shape (N, *x_shape).

        Raises:
            DataError: for conditions of another shape.
            ModelError: if data are given without an output distribution.
        """
        self._check_shape("conditions", condition, self.condition_shape)
        with pyro.plate("data", len(condition)):
            z = pyro.sample("z", self.prior(len(condition)))
            return self._drawn(self.decode(z, condition), x)

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless `batch` is conditions and data, of these shapes and support."""
        if len(batch) != 2:
            raise DataError(
                f"A ConditionalGenerator has conditions and data, (c, x), but got {len(batch)} "
                "tensors."
            )
        self._check_shape("conditions", batch[0], self.condition_shape)
        self._check_x(batch[1])

    def decode(self, z: Tensor, condition: Tensor) -> TorchDistribution:
        """p(x given z and c): latents (..., latent_size), conditions (..., *condition_shape).

        Their leading dimensions are broadcast: many latents with one condition, or the reverse.
        """
        events = len(self.condition_shape)
        leading = condition.shape[: condition.dim() - events]
        flat = condition.reshape((*leading, math.prod(self.condition_shape)))
        batch = torch.broadcast_shapes(z.shape[:-1], leading)
        parts = [part.expand((*batch, part.shape[-1])) for part in (z, flat)]
        return self._distribution(torch.cat(parts, dim=-1))
