"""From bytes to the numbers that a likelihood speaks of: greys, densities, or black and white."""

import math

import torch
from torch import Tensor

from plausible.inference.engines.sources import checksum
from plausible.models.errors import DataError

__all__ = ["DynamicBinarisation", "binarise", "bits_per_dim", "dequantise", "unit"]

LEVELS = 256
# A byte takes 8 of the 24 bits that a float32 holds exactly; the noise takes the rest.
NOISE_LEVELS = 2**16


def unit(pixels: Tensor) -> Tensor:
    """Greys between 0 and 1: x = k / 255.

    Args:
        pixels: uint8, any shape.

    Returns:
        float32, the same shape.

    Raises:
        DataError: when the pixels are not uint8.
    """
    _require_bytes(pixels)
    return pixels.float() / (LEVELS - 1)


def dequantise(pixels: Tensor, seed: int) -> Tensor:
    """Uniform noise inside each byte, so that a density of x is a model of bytes.

    x = (k + u) / 256 with u uniform on the 65,536 multiples of 2⁻¹⁶ in [0, 1).

    On this grid float32 holds x without rounding: 0 ≤ x < 1 and ⌊256 x⌋ = k hold exactly.

    Args:
        pixels: uint8, any shape.
        seed: fixes the noise, on every device the same.

    Returns:
        float32, the same shape.

    Raises:
        DataError: when the pixels are not uint8.

    Source: Theis, van den Oord and Bethge, A note on the evaluation of generative models, 2016,
    section 3.1.
    """
    _require_bytes(pixels)
    noise = torch.randint(
        NOISE_LEVELS, pixels.shape, generator=_generator(seed), dtype=torch.int32
    ).to(pixels.device)
    return (pixels.int() * NOISE_LEVELS + noise).float() / (LEVELS * NOISE_LEVELS)


def binarise(pixels: Tensor, seed: int) -> Tensor:
    """Black and white, drawn once: x ~ Bernoulli(k / 255).

    Args:
        pixels: uint8, any shape.
        seed: fixes the draw, on every device the same.

    Returns:
        float32 of zeros and ones, the same shape.

    Raises:
        DataError: when the pixels are not uint8.

    Source: Salakhutdinov and Murray, On the quantitative analysis of deep belief networks, 2008.
    """
    greys = unit(pixels)
    draw = torch.rand(pixels.shape, generator=_generator(seed)).to(pixels.device)
    return (draw < greys).float()


class DynamicBinarisation:
    """A source of batches that draws black and white anew each time an image is used.

    x ~ Bernoulli(k / 255), from PyTorch's current generator on the device of the pixels, so that a
    resumed run that restores the generator replays the same draws.

    Args:
        pixels: uint8, shape (N, ...).

    Raises:
        DataError: when the pixels are not uint8.
    """

    def __init__(self, pixels: Tensor) -> None:
        _require_bytes(pixels)
        self.pixels = pixels

    def __len__(self) -> int:
        return self.pixels.shape[0]

    def batch(self, index: Tensor) -> tuple[Tensor]:
        """A fresh draw of these images: float32 of zeros and ones, shape (len(index), ...)."""
        return (torch.bernoulli(unit(self.pixels[index])),)

    def checksum(self) -> int:
        """A number that changes with the pixels, for recognising them when a run is resumed."""
        return checksum((self.pixels,))

    def to(self, device: torch.device) -> "DynamicBinarisation":
        """The same source with its pixels on this device."""
        return DynamicBinarisation(self.pixels.to(device))


def bits_per_dim(nats: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Bits per pixel and channel that a density needs for images of bytes.

    bits = −log p(x) / (D ln 2) + log₂ 256, with x = (k + u) / 256 and D = ∏ shape.

    Averaged over u this is an upper bound on −log₂ P(k) / D, the bits for the bytes themselves
    (Jensen's inequality). It holds for densities of x only; a Bernoulli likelihood on greys is
    none. A uniform density needs 8 bits.

    Args:
        nats: log p(x) of each image in nats, any shape.
        shape: shape of one image.

    Returns:
        Bits per dimension, the shape of `nats`.

    Source: Theis, van den Oord and Bethge, A note on the evaluation of generative models, 2016,
    section 3.1.
    """
    return -nats / (math.prod(shape) * math.log(2)) + math.log2(LEVELS)


def _require_bytes(pixels: Tensor) -> None:
    if pixels.dtype != torch.uint8:
        raise DataError(
            f"Pixels are bytes from 0 to 255 (torch.uint8); got {pixels.dtype}. "
            "Transform the stored images, not their transforms."
        )


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
