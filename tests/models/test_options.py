"""Every option of a model, likelihood and network changes what it says, seeds being equal.

The parameters are read from the signatures, so that a new option without two values here fails.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plausible.models import (
    VAE,
    Classifier,
    ConditionalGenerator,
    ConditionalModel,
    ConditionalNetwork,
    GeneratorNetwork,
    LatentModel,
    Likelihood,
    MixtureDensityNetwork,
    MixtureOfNormals,
    NormalDensity,
    Regressor,
)
from plausible.models.networks.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from plausible.models.networks.image_to_image import ImageToImage
from plausible.models.networks.mlp import MLP
from plausible.models.networks.upsampling import UpsamplingDecoder, generator_network
from plausible.models.registry import LIKELIHOODS, MODELS

IMAGE, OTHER = (1, 8, 8), (1, 9, 8)
SIZES = {"hidden": ((6, 5), (5, 6)), "activation": ("relu", "softplus")}
NETWORK = {"network": ("mlp", "convolutional")}
GENERATOR = {
    "x_shape": (IMAGE, OTHER),
    "latent_size": (2, 3),
    "likelihood": (None, "normal"),
    "network": ("transposed", "upsample"),
    "init": ("he", "glorot"),
    **SIZES,
}

# Of every class: what it is built with besides, and two values of each option.
Options = tuple[dict[str, Any], dict[str, tuple[Any, Any]]]
MODEL_OPTIONS: dict[str, Options] = {
    "vae": (
        {"x_shape": IMAGE, "hidden": (6, 5)},
        {"x_shape": (IMAGE, OTHER), "latent_size": (2, 3), "likelihood": ("normal", "laplace"),
         **NETWORK, **SIZES},
    ),
    "generator": ({"x_shape": IMAGE, "hidden": (6, 5)}, GENERATOR),
    "conditional-generator": (
        {"condition_shape": (3,), "x_shape": IMAGE, "hidden": (6, 5)},
        {"condition_shape": ((3,), (2, 2)), **GENERATOR},
    ),
    "classifier": (
        {"x_shape": IMAGE, "classes": 3, "hidden": (6, 5)},
        {"x_shape": (IMAGE, OTHER), "classes": (3, 4), **NETWORK, **SIZES},
    ),
    "regressor": (
        {"x_shape": IMAGE, "y_shape": (2,), "hidden": (6, 5)},
        {"x_shape": (IMAGE, OTHER), "y_shape": ((2,), (3,)), "likelihood": ("normal", "laplace"),
         **NETWORK, **SIZES},
    ),
    "mixture-density-network": (
        {"x_shape": (3,), "y_shape": (2,), "components": 3, "hidden": (6, 5)},
        {"x_shape": ((3,), (4,)), "y_shape": ((2,), (3,)), "components": (3, 4),
         "covariance": ("diagonal", "full"), "shared": (False, True),
         "scale_activation": ("exp", "softplus"), "min_scale": (1e-3, 0.5), **SIZES},
    ),
    "normal-density": ({}, {"shape": ((2,), (3,))}),
}  # fmt: skip

SCALE = {"scale": (1.0, 2.0), "min_scale": (1e-3, 0.5)}
LIKELIHOOD_OPTIONS: dict[str, Options] = {
    "bernoulli": ({}, {}),
    "binary-cross-entropy": ({}, {}),
    "categorical": ({"classes": 3}, {"classes": (3, 4)}),
    "continuous-bernoulli": ({}, {}),
    "diagonal-normal": ({}, {"activation": ("exp", "softplus"), "min_scale": (1e-3, 0.5)}),
    "laplace": ({"scale": "learned"}, SCALE),
    "mixture-of-normals": (
        {"components": 3},
        {"components": (3, 4), "covariance": ("diagonal", "full"), "shared": (False, True),
         "activation": ("exp", "softplus"), "min_scale": (1e-3, 0.5)},
    ),
    "normal": ({"scale": "learned"}, SCALE),
}  # fmt: skip

DECODER: Options = (
    {"in_shape": (3,), "x_shape": IMAGE},
    {"in_shape": ((3,), (4,)), "x_shape": (IMAGE, OTHER), "channels": (4, 8), "width": (5, 6)},
)
NETWORK_OPTIONS: dict[Callable[..., nn.Module], Options] = {
    MLP: (
        {"in_shape": (3,), "out_shape": (2,), "hidden": (6, 5)},
        {"in_shape": ((3,), (4,)), "out_shape": ((2,), (3,)), **SIZES},
    ),
    ConvolutionalEncoder: (
        {"x_shape": IMAGE, "out_shape": (2,)},
        {"x_shape": (IMAGE, OTHER), "out_shape": ((2,), (3,)), "channels": (4, 8), "width": (5, 6)},
    ),
    ConvolutionalDecoder: DECODER,
    UpsamplingDecoder: DECODER,
    ImageToImage: (
        {"x_shape": IMAGE, "out_shape": IMAGE},
        {"x_shape": (IMAGE, (2, 8, 8)), "out_shape": (IMAGE, (2, 8, 8)), "channels": (4, 8)},
    ),
    generator_network: (
        {"kind": "mlp", "in_shape": (3,), "out_shape": IMAGE, "hidden": (6, 5)},
        {"kind": ("mlp", "transposed"), "in_shape": ((3,), (4,)), "out_shape": (IMAGE, OTHER),
         "init": ("he", "glorot"), **SIZES},
    ),
}  # fmt: skip


def drawn(distribution: Any) -> list[Tensor]:
    value = distribution.sample()
    return [value, distribution.log_prob(value)]


def of_model(model: Any) -> list[Tensor]:
    if isinstance(model, ConditionalNetwork):
        return drawn(model.predict(torch.randn(4, *model.x_shape)))
    if isinstance(model, NormalDensity):
        return drawn(model.distribution())
    assert isinstance(model, LatentModel)
    z = torch.randn(4, *model.latent_shape)
    condition = ()
    if isinstance(model, ConditionalModel):
        condition = (torch.randn(4, *model.condition_shape),)  # type: ignore[attr-defined]
    parts = drawn(model.decode(z, *condition))
    if hasattr(model, "encode"):
        parts += drawn(model.encode(torch.rand(4, *model.x_shape)))
    return parts


def of_likelihood(kind: Likelihood) -> list[Tensor]:
    return drawn(kind(torch.randn(4, *kind.param_shape((2,))), (2,)))


def of_network(network: nn.Module) -> list[Tensor]:
    shape = getattr(network, "in_shape", None) or getattr(network, "x_shape", None)
    if isinstance(network, ConvolutionalDecoder):
        shape = network.head.in_shape
    return [network(torch.randn(4, *shape))]


def said(
    build: Callable[..., Any], says: Callable[[Any], list[Tensor]], arguments: dict[str, Any]
) -> list[Tensor]:
    torch.manual_seed(0)
    one = build(**arguments)
    torch.manual_seed(1)
    with torch.no_grad():
        return says(one)


def differ(one: list[Tensor], other: list[Tensor]) -> bool:
    return any(
        a.shape != b.shape or not torch.allclose(a, b, rtol=1e-3)
        for a, b in zip(one, other, strict=True)
    )


Case = tuple[Callable[..., Any], Callable[[Any], list[Tensor]], Options]
ALL: dict[str, Case] = {
    **{name: (MODELS[name], of_model, options) for name, options in MODEL_OPTIONS.items()},
    **{n: (LIKELIHOODS[n], of_likelihood, options) for n, options in LIKELIHOOD_OPTIONS.items()},
    **{f.__name__: (f, of_network, options) for f, options in NETWORK_OPTIONS.items()},
}


def test_every_model_and_likelihood_is_tried() -> None:
    assert set(MODEL_OPTIONS) == set(MODELS) and set(LIKELIHOOD_OPTIONS) == set(LIKELIHOODS)


@pytest.mark.parametrize("name", ALL)
def test_every_option_has_two_values_here(name: str) -> None:
    build, _, (_, values) = ALL[name]
    assert set(values) == set(inspect.signature(build).parameters) - {"args", "kwargs"}


# Seen failing for each of: scale_activation in the mixture density network, activation in the
# classifier and in the VAE, init in the generators, min_scale in a likelihood, each one ignored.
@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, (_, _, o) in ALL.items() for option in o[1]]
)
def test_an_option_changes_what_is_said(name: str, option: str) -> None:
    build, says, (besides, values) = ALL[name]
    one, other = ({**besides, option: value} for value in values[option])
    assert not differ(said(build, says, one), said(build, says, one))
    assert differ(said(build, says, one), said(build, says, other))


@pytest.mark.parametrize("activation", ["exp", "softplus"])
@pytest.mark.parametrize(("y_shape", "width"), [((), 1 / 5), ((2,), 5**-0.5)])
def test_components_of_a_mixture_start_as_wide_as_they_are_apart(
    activation: str, y_shape: tuple[int, ...], width: float
) -> None:
    """The scale at the biases alone is K^(-1/d), and its floor, under either activation."""
    model = MixtureDensityNetwork((3,), y_shape, 5, scale_activation=activation, min_scale=0.01)
    assert isinstance(model.likelihood, MixtureOfNormals)
    assert model.likelihood.activation == activation
    with torch.no_grad():
        last = model.network.layers[-1]  # type: ignore[union-attr, index]
        last.weight.zero_()  # type: ignore[union-attr]
        _, _, scale = model.components(torch.zeros(1, 3))
    torch.testing.assert_close(scale, torch.full_like(scale, width + 0.01))


def test_a_classifier_has_the_activation_that_it_was_given() -> None:
    kinds = {"relu": nn.ReLU, "softplus": nn.Softplus, "tanh": nn.Tanh}
    for name, kind in kinds.items():
        layers = Classifier((3,), 2, hidden=(4, 4), activation=name).network.layers
        assert [type(layer) for layer in layers][1::2] == [kind, kind]  # type: ignore[union-attr]


Convolution = nn.Conv2d | nn.ConvTranspose2d


def gains(network: nn.Module) -> list[float]:
    """Standard deviation of the weights of each convolution, times the root of its fan-in."""
    values = []
    for layer in network.modules():
        if isinstance(layer, Convolution):
            inputs = layer.in_channels * layer.kernel_size[0] ** 2
            if isinstance(layer, nn.ConvTranspose2d):
                inputs = layer.in_channels * (layer.kernel_size[0] // layer.stride[0]) ** 2
            values.append(float(layer.weight.detach().std()) * math.sqrt(inputs))
    return values


# Seen failing for each network with the gain of the hidden layers in the last one.
@pytest.mark.parametrize("build", [
    lambda: ConvolutionalDecoder((4,), (16, 32, 32), channels=64),
    lambda: UpsamplingDecoder((4,), (16, 32, 32), channels=64),
    lambda: ImageToImage((16, 32, 32), (16, 32, 32), channels=64),
])  # fmt: skip
def test_the_last_convolution_has_gain_one_and_the_others_that_of_relu(build: Any) -> None:
    """At least 9,216 weights a layer: their spread is within 4 / √18,432 = 3 %."""
    *hidden, last = gains(build())
    assert last == pytest.approx(1.0, rel=0.03)
    assert hidden == pytest.approx([math.sqrt(2)] * len(hidden), rel=0.03)


def test_all_convolutions_of_an_encoder_have_the_gain_of_relu() -> None:
    values = gains(ConvolutionalEncoder((16, 32, 32), (4,), channels=64))
    assert values == pytest.approx([math.sqrt(2)] * len(values), rel=0.03)


@pytest.mark.parametrize(
    ("activation", "gain"), [("relu", 2**0.5), ("softplus", 2**0.5), ("tanh", 5 / 3)]
)
def test_the_last_layer_of_an_mlp_has_gain_one(activation: str, gain: float) -> None:
    layers = MLP((200,), (200,), (200,), activation).modules()
    first, last = (m for m in layers if isinstance(m, nn.Linear))
    assert float(first.weight.std()) * 200**0.5 == pytest.approx(gain, rel=0.03)
    assert float(last.weight.std()) * 200**0.5 == pytest.approx(1.0, rel=0.03)


def test_other_models_take_their_options_to_their_networks() -> None:
    for build in (
        lambda **o: VAE((3,), 2, "normal", hidden=(4,), **o).decoder,
        lambda **o: GeneratorNetwork((3,), 2, hidden=(4,), **o).network,
        lambda **o: ConditionalGenerator((2,), (3,), 2, hidden=(4,), **o).network,
        lambda **o: Regressor((3,), hidden=(4,), **o).network,
        lambda **o: MixtureDensityNetwork((3,), hidden=(4,), **o).network,
    ):
        assert type(build(activation="softplus").layers[1]) is nn.Softplus  # type: ignore[no-untyped-call]
