"""Networks of generators: initial weights as stated, sizes as promised, no pattern of their own."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.models.errors import ModelError, UnknownName
from plausible.models.networks.convolutional import ConvolutionalDecoder
from plausible.models.networks.init import glorot_
from plausible.models.networks.mlp import MLP
from plausible.models.networks.upsampling import UpsamplingDecoder, generator_network

KINDS = ("mlp", "transposed", "upsample")


def weighted(network: nn.Module) -> list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]:
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def fans(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Inputs and outputs of a layer, counted by hand."""
    if isinstance(layer, nn.Linear):
        return layer.in_features + layer.out_features
    pixels = layer.kernel_size[0] * layer.kernel_size[1]
    return pixels * (layer.in_channels + layer.out_channels)


@pytest.mark.parametrize("kind", KINDS)
def test_glorot_weights_are_uniform_with_variance_2_over_fans_and_biases_are_zero(
    kind: str,
) -> None:
    """The sample variance of n uniforms has a relative standard error of √(.8 / n): 5 of these.

    Seen failing with He's rule, and with torch's own initial weights.
    """
    network = generator_network(kind, (20,), (3, 32, 32), (100, 100), init="glorot")  # type: ignore[arg-type]
    for layer in weighted(network):
        w, variance = layer.weight.detach().double(), 2 / fans(layer)
        bound = math.sqrt(3 * variance)
        assert float(w.abs().max()) <= bound * (1 + 1e-6)
        assert float(w.abs().max()) > bound * (1 - 20 / w.numel())  # missed once in e^20 runs
        error = math.sqrt(0.8 / w.numel())
        assert abs(float(w.square().mean()) / variance - 1) < 5 * error
        assert not layer.bias.any()


def test_glorot_leaves_the_layers_themselves_and_returns_the_network() -> None:
    network = MLP((2,), (2,), hidden=(100,) * 12)
    shapes = [p.shape for p in network.parameters()]
    assert glorot_(network) is network
    assert [p.shape for p in network.parameters()] == shapes
    assert len(weighted(network)) == 13
    assert sum(isinstance(layer, nn.ReLU) for layer in network.modules()) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_relu_network_without_biases_doubles_with_its_input(kind: str) -> None:
    """Every strand is a ray; He's initial weights have biases, so their strands bend."""
    z = torch.randn(50, 2)
    for init, homogeneous in (("glorot", True), ("he", False)):
        network = generator_network(kind, (2,), (1, 8, 8), (100,) * 4, init=init)  # type: ignore[arg-type]
        close = torch.allclose(network(2 * z), 2 * network(z), rtol=1e-5, atol=1e-7)
        assert close is homogeneous


@pytest.mark.parametrize(
    "height, width", list(itertools.product((8, 9, 15, 28, 33, 128), repeat=2))
)
def test_upsampling_reaches_every_height_and_width(height: int, width: int) -> None:
    network = UpsamplingDecoder((3,), (2, height, width), channels=1, width=2)
    assert network(torch.randn(2, 4, 3)).shape == (2, 4, 2, height, width)


def test_upsampling_has_the_resolutions_and_channels_of_the_transposed_decoder() -> None:
    sizes = []
    for kind in (UpsamplingDecoder, ConvolutionalDecoder):
        network = kind((5,), (3, 64, 64))
        x, shapes = network.head(torch.randn(1, 5)), []
        for layer in network.convolutions:
            x = layer(x)
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                shapes.append(tuple(x.shape[1:]))
        sizes.append(shapes)
    assert sizes[0] == sizes[1] == [(128, 8, 8), (64, 16, 16), (32, 32, 32), (3, 64, 64)]


def test_only_upsampling_keeps_a_flat_image_flat() -> None:
    """Far from the border, 15 of 64 pixels in, where the padding is not seen."""
    spreads = []
    for kind in (UpsamplingDecoder, ConvolutionalDecoder):
        network = kind((5,), (3, 64, 64))
        flat = torch.rand(1, network.head.out_shape[0], 1, 1).expand(1, *network.head.out_shape)
        inside = network.convolutions(flat)[..., 16:-16, 16:-16].detach()
        spreads.append(float(inside.std((-2, -1)).mean() / inside.abs().mean()))
    assert spreads[0] < 1e-5
    assert spreads[1] > 0.1


def test_a_signal_keeps_its_size_through_upsampling() -> None:
    # seen failing with a gain of 1: each layer halves the square
    sizes = torch.stack(
        [UpsamplingDecoder((50,), (3, 64, 64))(torch.randn(20, 50)).detach().square().mean().sqrt()
         for _ in range(5)]
    )  # fmt: skip
    assert 0.4 < float(sizes.mean()) < 2


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_can_be_captured_as_one_graph(kind: str) -> None:
    network = generator_network(kind, (4,), (1, 9, 8), (6,))  # type: ignore[arg-type]

    def gradient(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(network(x).square().sum(), list(network.parameters()))

    graph, x = make_fx(gradient)(torch.randn(3, 4)), torch.randn(3, 4)
    for captured, eager in zip(graph(x), gradient(x), strict=True):
        torch.testing.assert_close(captured, eager, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_built_is_refused_in_a_sentence() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'upsample'"):
        generator_network("upsampled", (2,), (1, 8, 8), ())  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="Did you mean 'glorot'"):
        generator_network("mlp", (2,), (2,), (), init="glorott")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="from 8 to 128"):
        generator_network("upsample", (2,), (1, 4, 4), (8,))
