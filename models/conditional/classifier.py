"""Classification: a network that outputs the probabilities of classes."""

from typing import Literal

import torch
from torch import Tensor

from plausible.models.conditional.conditional_network import ConditionalNetwork
from plausible.models.errors import DataError, ModelError, UnknownName
from plausible.models.likelihoods.families import Bernoulli, Categorical, Likelihood
from plausible.models.networks.convolutional import ConvolutionalEncoder
from plausible.models.networks.mlp import MLP

__all__ = ["Classifier"]


class Classifier(ConditionalNetwork, name="classifier"):
    r"""A class for each input: a coin on a sigmoid for two classes, a softmax for more.

    .. math:: p(y = 1 \mid x) = \frac{1}{1 + e^{-o(x)}} \quad\text{or}\quad
              p(y = k \mid x) = e^{o_k(x)} \Big/ \sum_j e^{o_j(x)}

    Maximum likelihood is the minimum of the (binary) cross-entropy.

    Args:
        x_shape: shape of one input: (channels, height, width), or (features,).
        classes: how many there are; labels are whole numbers from 0 to classes - 1.
        network: "mlp" for any shape, "convolutional" for images from 8 to 128 pixels a side.
        hidden: widths of the MLP's hidden layers; convolutions take the last as the width of their
            dense layer.
        activation: nonlinearity of the MLP.

    Raises:
        ModelError: for fewer than two classes, or an image size that the network cannot take.
        UnknownName: for another network.
    """

    likelihood: Likelihood

    def __init__(
        self,
        x_shape: tuple[int, ...],
        classes: int = 2,
        network: Literal["mlp", "convolutional"] = "mlp",
        hidden: tuple[int, ...] = (128,),
        activation: str = "relu",
    ) -> None:
        if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
            raise ModelError(f"classes must be a whole number from 2 up, but got {classes!r}.")
        kind: Likelihood = Bernoulli() if classes == 2 else Categorical(classes)
        out = kind.param_shape(())
        if network == "mlp":
            net: MLP | ConvolutionalEncoder = MLP(x_shape, out, tuple(hidden), activation)
        elif network == "convolutional":
            width = {"width": hidden[-1]} if hidden else {}
            net = ConvolutionalEncoder(x_shape, out, **width)
        else:
            raise UnknownName("network", str(network), ("mlp", "convolutional"))
        super().__init__(net, x_shape, (), kind)
        self.classes = classes

    def model(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """y ~ p(y given x); labels are int64, also where there are two classes."""
        return super().model(x, None if y is None else self._observed(y)).long()

    @torch.no_grad()
    def sample(self, x: Tensor, draws: int = 1) -> Tensor:
        """Draw labels for every input, int64 of shape (draws, N)."""
        return super().sample(x, draws).long()

    @torch.no_grad()
    def probabilities(self, x: Tensor) -> Tensor:
        """p(y = k given x), shape (N, classes)."""
        distribution = self.predict(x)
        if self.classes > 2:
            return distribution.probs
        return torch.stack([1 - distribution.probs, distribution.probs], dim=-1)

    def classify(self, x: Tensor) -> Tensor:
        """The most probable class of each input, int64 of shape (N,)."""
        return self.probabilities(x).argmax(-1)

    def _check_outputs(self, y: Tensor) -> None:
        if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
            raise DataError(f"Labels are integers, but got {y.dtype}. Convert with .long().")
        wrong = y[(y < 0) | (y >= self.classes)]
        if len(wrong):
            raise DataError(
                f"This Classifier takes labels from 0 to {self.classes - 1}; {len(wrong):,} of "
                f"{len(y):,} are others, for example {int(wrong[0])}."
            )

    def _observed(self, y: Tensor) -> Tensor:
        return y.to(self.x_loc.dtype) if self.classes == 2 else y
