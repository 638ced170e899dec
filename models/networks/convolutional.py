"""Convolutional networks for images of any size: an encoder, and a decoder that mirrors it."""

import math
from itertools import pairwise

from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.networks.init import GAINS, init_weights_
from plausible.models.networks.mlp import MLP, batch_shape

__all__ = ["KERNEL", "PADDING", "STRIDE", "ConvolutionalDecoder", "ConvolutionalEncoder", "pyramid"]

KERNEL, STRIDE, PADDING = 4, 2, 1
_SMALLEST, _LARGEST = 8, 128
_MOST_CHANNELS = 256


class ConvolutionalEncoder(nn.Module):
    """Strided convolutions and one dense layer, from an image to a tensor of any shape.

    Each convolution (kernel 4, stride 2, padding 1) halves the image, rounding down, until its
    smaller side is below 8; the channels double each time, up to 256. Initial weights are those of
    `MLP`.

    Args:
        x_shape: (channels, height, width), with sides from 8 to 128.
        out_shape: shape of one output.
        channels: of the first convolution.
        width: of the dense layer.

    Raises:
        ModelError: for another image shape.
    """

    def __init__(
        self,
        x_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        channels: int = 32,
        width: int = 256,
    ) -> None:
        super().__init__()
        self.x_shape = tuple(x_shape)
        shapes = pyramid(self.x_shape, channels)
        layers: list[nn.Module] = []
        for (before, *_), (after, *_) in pairwise(shapes):
            convolution = nn.Conv2d(before, after, KERNEL, STRIDE, PADDING)
            layers += [init_weights_(convolution, before * KERNEL**2, GAINS["relu"]), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.head = MLP(shapes[-1], out_shape, hidden=(width,))

    def forward(self, x: Tensor) -> Tensor:
        """From shape (*batch, *x_shape) to (*batch, *out_shape)."""
        batch = batch_shape(self, x, self.x_shape)
        features = self.head(self.convolutions(x.reshape((math.prod(batch), *self.x_shape))))
        return features.reshape((*batch, *self.head.out_shape))


class ConvolutionalDecoder(nn.Module):
    """The mirror of `ConvolutionalEncoder`: from a tensor of any shape to an image.

    A dense layer, then transposed convolutions whose output padding restores the exact sizes that
    the encoder went through. A stride of 2 divides the kernel of 4, so every pixel is covered
    equally often. Each parity of row and column has a kernel of its own, so an untrained network
    still draws a chequerboard; `UpsamplingDecoder` does not.

    Args:
        in_shape: shape of one input.
        x_shape: (channels, height, width) of the output, with sides from 8 to 128. The channels are
            those that a likelihood asks for (`Likelihood.param_shape`).
        channels: of the last hidden layer.
        width: of the dense layer.

    Raises:
        ModelError: for another image shape.
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
        channels: int = 32,
        width: int = 256,
    ) -> None:
        super().__init__()
        self.x_shape = tuple(x_shape)
        shapes = pyramid(self.x_shape, channels)[::-1]
        self.head = MLP(in_shape, shapes[0], hidden=(width,))
        layers: list[nn.Module] = []
        for (before, *small), (after, *large) in pairwise(shapes):
            rest = (large[0] - 2 * small[0], large[1] - 2 * small[1])
            convolution = nn.ConvTranspose2d(before, after, KERNEL, STRIDE, PADDING, rest)
            gain = 1.0 if len(layers) == 2 * (len(shapes) - 2) else GAINS["relu"]
            # only every second row and column of the kernel meets a given pixel
            inputs = before * (KERNEL // STRIDE) ** 2
            layers += [nn.ReLU(), init_weights_(convolution, inputs, gain)]
        self.convolutions = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """From shape (*batch, *in_shape) to (*batch, *x_shape)."""
        features = self.head(z)
        batch = features.shape[:-3]
        image = self.convolutions(features.reshape((math.prod(batch), *features.shape[-3:])))
        return image.reshape((*batch, *self.x_shape))


def pyramid(x_shape: tuple[int, ...], channels: int) -> list[tuple[int, int, int]]:
    """(channels, height, width) of the image and of what follows each convolution."""
    if len(x_shape) != 3 or x_shape[0] < 1:
        raise ModelError(
            f"A convolutional network takes images (channels, height, width), but got {x_shape}. "
            "Use an MLP for other shapes."
        )
    _, height, width = x_shape
    if min(height, width) < _SMALLEST or max(height, width) > _LARGEST:
        raise ModelError(
            f"A convolutional network takes images from {_SMALLEST} to {_LARGEST} pixels a side, "
            f"but got {height} x {width}. Resize them, or use an MLP."
        )
    if channels < 1:
        raise ModelError(f"channels must be at least 1, but got {channels}.")
    shapes = [(x_shape[0], height, width)]
    while min(height, width) >= _SMALLEST:
        height, width = height // 2, width // 2
        shapes.append((min(channels, _MOST_CHANNELS), height, width))
        channels *= 2
    return shapes
