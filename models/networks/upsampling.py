"""Networks from latents to data: an MLP, and two ways from a small image to a large one."""

from itertools import pairwise
from typing import Any, Literal

from torch import nn

from plausible.models.errors import UnknownName
from plausible.models.networks.convolutional import ConvolutionalDecoder, pyramid
from plausible.models.networks.init import GAINS, glorot_, init_weights_
from plausible.models.networks.mlp import MLP

__all__ = ["Init", "Network", "UpsamplingDecoder", "generator_network"]

Network = Literal["mlp", "transposed", "upsample"]
Init = Literal["he", "glorot"]


class UpsamplingDecoder(ConvolutionalDecoder):
    """The sizes and channels of `ConvolutionalDecoder`, by repeated pixels and plain convolutions.

    Every step doubles the image by nearest-neighbour upsampling and convolves it (kernel 3,
    padding 1). All pixels of the large image meet the same kernel, so a flat small image gives a
    flat large one. A transposed convolution with stride 2 has four kernels, one for each parity of
    row and column: it covers all pixels equally often, but untrained it draws a chequerboard.

    Args:
        in_shape: shape of one input.
        x_shape: (channels, height, width) of the output, with sides from 8 to 128.
        channels: of the last hidden layer.
        width: of the dense layer.

    Raises:
        ModelError: for another image shape.

    Source: Odena, Dumoulin and Olah, Deconvolution and Checkerboard Artifacts (2016).
    """

    def __init__(
        self,
        in_shape: tuple[int, ...],
        x_shape: tuple[int, ...],
        channels: int = 32,
        width: int = 256,
    ) -> None:
        super().__init__(in_shape, x_shape, channels, width)
        shapes = pyramid(self.x_shape, channels)[::-1]
        layers: list[nn.Module] = []
        for (before, *_), (after, *size) in pairwise(shapes):
            gain = 1.0 if len(layers) == 3 * (len(shapes) - 2) else GAINS["relu"]
            convolution = init_weights_(nn.Conv2d(before, after, 3, padding=1), before * 9, gain)
            layers += [nn.ReLU(), nn.Upsample(tuple(size)), convolution]
        self.convolutions = nn.Sequential(*layers)


def generator_network(
    kind: Network,
    in_shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    hidden: tuple[int, ...],
    activation: str = "relu",
    init: Init = "he",
) -> nn.Module:
    """A network from inputs of one shape to outputs of another.

    Args:
        kind: "mlp" for any shape; "transposed" (`ConvolutionalDecoder`) or "upsample"
            (`UpsamplingDecoder`) for images from 8 to 128 pixels a side.
        in_shape: shape of one input.
        out_shape: shape of one output.
        hidden: widths of the MLP's hidden layers; the others take the last as the width of their
            dense layer.
        activation: nonlinearity of the MLP; the others have ReLU.
        init: initial weights: "he" (as `MLP` says), or "glorot" (see `glorot_`).

    Raises:
        UnknownName: for another kind, activation or init.
        ModelError: for shapes that the network cannot take.
    """
    if init not in ("he", "glorot"):
        raise UnknownName("init", str(init), ("he", "glorot"))
    width: dict[str, Any] = {"width": hidden[-1]} if hidden else {}
    network: nn.Module
    if kind == "mlp":
        network = MLP(in_shape, out_shape, hidden, activation)
    elif kind == "transposed":
        network = ConvolutionalDecoder(in_shape, out_shape, **width)
    elif kind == "upsample":
        network = UpsamplingDecoder(in_shape, out_shape, **width)
    else:
        raise UnknownName("network", str(kind), ("mlp", "transposed", "upsample"))
    return glorot_(network) if init == "glorot" else network
