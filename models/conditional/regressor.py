"""Regression: a network that outputs the distribution of one or many numbers, or of an image."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from plausible.models.conditional.conditional_network import ConditionalNetwork
from plausible.models.errors import DataError, ModelError, UnknownName
from plausible.models.likelihoods.families import Likelihood
from plausible.models.likelihoods.families import likelihood as resolved
from plausible.models.networks.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from plausible.models.networks.image_to_image import ImageToImage
from plausible.models.networks.mlp import MLP

__all__ = ["Regressor"]


class Regressor(ConditionalNetwork, name="regressor"):
    r"""Numbers for each input, with a fixed, a learned or a predicted scale.

    .. math:: y_i \sim N(\mu_i(x),\, \sigma_i^2) \quad\text{with}\quad
              \sigma = 1,\; \sigma\ \text{a parameter, or}\; \sigma = f(r(x))

    With a fixed scale (`"normal"`) maximum likelihood is least squares; with a predicted one
    (`"diagonal-normal"`) the network says for each input how sure it is.

    Args:
        x_shape: shape of one input: (features,), or (channels, height, width).
        y_shape: shape of one output: (), (numbers,), or (channels, height, width).
        likelihood: by name or as an object, such as `Normal(scale="learned")`.
        network: "mlp" for any shapes; "convolutional" for images from 8 to 128 pixels a side as
            inputs, as outputs (then of any other input), or both (of equal size).
        hidden: widths of the MLP's hidden layers; convolutions take the last as the width of their
            dense layer, which networks from image to image lack.
        activation: nonlinearity of the MLP.

    Raises:
        UnknownName: for an unknown likelihood or network.
        ModelError: for an image size that the network cannot take.

    Source: Nix and Weigend, Estimating the mean and variance of the target probability
    distribution (1994), for predicted scales.
    """

    def __init__(
        self,
        x_shape: tuple[int, ...],
        y_shape: tuple[int, ...] = (),
        likelihood: str | Likelihood = "normal",
        network: Literal["mlp", "convolutional"] = "mlp",
        hidden: tuple[int, ...] = (64, 64),
        activation: str = "tanh",
    ) -> None:
        kind = resolved(likelihood)
        out = kind.param_shape(tuple(y_shape))
        if network == "mlp":
            net: nn.Module = MLP(x_shape, out, tuple(hidden), activation)
        elif network == "convolutional":
            net = _convolutional(tuple(x_shape), tuple(y_shape), out, tuple(hidden))
        else:
            raise UnknownName("network", str(network), ("mlp", "convolutional"))
        super().__init__(net, x_shape, y_shape, kind)

    @torch.no_grad()
    def interval(self, x: Tensor, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """Central predictive interval of every output alone.

        Args:
            x: inputs.
            level: its probability, between 0 and 1.

        Returns:
            Lower and upper ends, each of the shape of the outputs.

        Raises:
            ModelError: for another level, or a likelihood whose quantiles have no closed form.
        """
        if not 0 < level < 1:
            raise ModelError(f"An interval needs a level between 0 and 1, but got {level}.")
        distribution = self.predict(x)
        one: Any = getattr(distribution, "base_dist", distribution)
        tail = torch.tensor((1 - level) / 2, dtype=self.x_loc.dtype, device=self.x_loc.device)
        try:
            return one.icdf(tail), one.icdf(1 - tail)
        except NotImplementedError:
            raise ModelError(
                f"The quantiles of likelihood {self.likelihood.name!r} have no closed form: take "
                "those of draws, sample(x, draws=1000).quantile(q, dim=0)."
            ) from None

    @torch.no_grad()
    def mean(self, x: Tensor) -> Tensor:
        """E(y given x), shape (*batch, *y_shape)."""
        return self.predict(x).mean

    @torch.no_grad()
    def scale(self, x: Tensor) -> Tensor:
        """Standard deviation of y given x, shape (*batch, *y_shape)."""
        return self.predict(x).variance.sqrt()

    def _check_outputs(self, y: Tensor) -> None:
        if not y.is_floating_point() and self.likelihood.is_real_valued:
            raise DataError(f"A Regressor takes floating-point outputs, but got {y.dtype}.")
        super()._check_outputs(y)


def _convolutional(
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    out: tuple[int, ...],
    hidden: tuple[int, ...],
) -> nn.Module:
    width: dict[str, Any] = {"width": hidden[-1]} if hidden else {}
    if len(x_shape) == 3 and len(y_shape) == 3:
        return ImageToImage(x_shape, out)
    if len(x_shape) == 3:
        return ConvolutionalEncoder(x_shape, out, **width)
    if len(y_shape) == 3:
        return ConvolutionalDecoder(x_shape, out, **width)
    raise ModelError(
        f"Neither inputs {x_shape} nor outputs {y_shape} are images (channels, height, width): use "
        "network='mlp'."
    )
