"""Greys, noise and black-and-white draws have the distribution that their formula says."""

import math

import pytest
import torch

from plausible.inference.data import (
    DynamicBinarisation,
    binarise,
    bits_per_dim,
    dequantise,
    unit,
)
from plausible.inference.engines.sources import Source
from plausible.models.errors import DataError

ALL_BYTES = torch.arange(256, dtype=torch.uint8)


def test_greys_run_from_zero_to_one():
    greys = unit(ALL_BYTES)
    assert greys.dtype == torch.float32
    assert greys[0] == 0 and greys[255] == 1
    assert torch.allclose(greys.double(), torch.arange(256).double() / 255, atol=1e-7, rtol=0)


def test_dequantised_pixels_stay_inside_their_byte_exactly():
    # Seen failing with (k + torch.rand) / 256: among 16 million draws dozens are rounded up to the
    # next byte, and 255 to x = 1.
    pixels = torch.full((2**24,), 255, dtype=torch.uint8)
    pixels[: 2**23] = 200
    x = dequantise(pixels, seed=0)
    assert x.dtype == torch.float32
    assert x.max() < 1
    assert torch.equal((x * 256).floor().to(torch.uint8), pixels)


def test_the_noise_is_uniform_and_does_not_depend_on_the_byte():
    pixels = ALL_BYTES.repeat_interleave(4000)
    u = (dequantise(pixels, seed=1).double() * 256 - pixels).reshape(256, 4000)
    # sd of a mean of 4,000 uniforms is .00456; five of them cover 256 means.
    assert (u.mean(1) - 0.5).abs().max() < 5 * 0.00456
    # The Kolmogorov-Smirnov distance of n = 1,024,000 exceeds 1.95/sqrt(n) once in a thousand.
    ordered = u.flatten().sort().values
    distance = (ordered - torch.arange(1, len(ordered) + 1) / len(ordered)).abs().max()
    assert distance < 1.95 / math.sqrt(len(ordered))


@pytest.mark.parametrize("draw", [dequantise, binarise])
def test_the_seed_alone_fixes_the_draw(draw):
    pixels = ALL_BYTES.repeat(10)
    before = torch.get_rng_state()
    first = draw(pixels, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(draw(pixels, seed=3), first)
    assert not torch.equal(draw(pixels, seed=4), first)


def frequency_is_right(draws):
    """Black and white only, never wrong where the grey is certain, within five sd elsewhere."""
    p = ALL_BYTES / 255.0
    sd = (p * (1 - p) / draws.shape[0]).sqrt()
    return bool(((draws == 0) | (draws == 1)).all()) and bool(
        ((draws.mean(0) - p).abs() <= 5 * sd + 1e-6).all()
    )


def test_a_binarised_pixel_is_white_as_often_as_its_grey_says():
    draws = binarise(ALL_BYTES.expand(4000, 256), seed=0)
    assert draws.dtype == torch.float32
    assert frequency_is_right(draws)


def test_black_stays_black_when_the_uniform_draw_is_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, generator: torch.zeros(shape))
    assert binarise(ALL_BYTES[:2], seed=0).tolist() == [0, 1]


def test_dynamic_binarisation_is_a_source_that_draws_anew():
    source = DynamicBinarisation(ALL_BYTES.expand(10, 256))
    assert isinstance(source, Source)
    assert len(source) == 10
    index = torch.arange(4000) % 10
    (first,), (second,) = source.batch(index), source.batch(index)
    assert first.shape == (4000, 256) and first.dtype == torch.float32
    assert frequency_is_right(first) and frequency_is_right(second)
    assert not torch.equal(first, second)


def test_dynamic_binarisation_picks_the_images_it_is_asked_for():
    pixels = torch.tensor([0, 255, 0, 255], dtype=torch.uint8).reshape(4, 1, 1, 1)
    (batch,) = DynamicBinarisation(pixels).batch(torch.tensor([3, 0, 1]))
    assert batch.flatten().tolist() == [1, 0, 1]


def test_dynamic_binarisation_replays_from_a_restored_generator():
    source = DynamicBinarisation(ALL_BYTES.expand(10, 256)).to(torch.device("cpu"))
    state = torch.get_rng_state()
    first = source.batch(torch.arange(10))[0]
    torch.set_rng_state(state)
    assert torch.equal(source.batch(torch.arange(10))[0], first)


@pytest.mark.gpu
def test_dynamic_binarisation_draws_on_the_device():
    source = DynamicBinarisation(ALL_BYTES.expand(10, 256))
    moved = source.to(torch.device("cuda"))
    (draws,) = moved.batch(torch.arange(4000, device="cuda") % 10)
    assert draws.device.type == "cuda" and source.pixels.device.type == "cpu"
    assert frequency_is_right(draws.cpu())


@pytest.mark.gpu
@pytest.mark.parametrize("draw", [dequantise, binarise])
def test_seeded_draws_are_the_same_on_every_device(draw):
    pixels = ALL_BYTES.repeat(10)
    assert torch.equal(draw(pixels.cuda(), seed=0).cpu(), draw(pixels, seed=0))


@pytest.mark.parametrize("use", [unit, DynamicBinarisation, lambda x: dequantise(x, 0)])
def test_floats_are_not_taken_for_bytes(use):
    with pytest.raises(DataError, match=r"got torch\.float32"):
        use(torch.rand(2, 2))


def test_a_uniform_density_needs_eight_bits():
    # log p(x) = 0 on the unit cube, whatever the shape.
    assert torch.equal(bits_per_dim(torch.zeros(3), (1, 28, 28)), torch.full((3,), 8.0))


def test_a_density_that_knows_the_byte_needs_no_bits():
    # All mass spread evenly over the cell of the right bytes: p = 256^D there.
    nats = torch.tensor([12 * math.log(256)])
    assert bits_per_dim(nats, (3, 2, 2)).abs() < 1e-5


def test_bits_per_dimension_bound_the_bits_of_the_bytes():
    # One pixel and the density p(x) = 2x, so P(k) = (2k + 1) / 256², and for the bound
    # E ln(k + u) = (k + 1) ln(k + 1) − k ln k − 1.
    k, draws = torch.arange(256).double(), 20_000
    x = dequantise(ALL_BYTES.repeat(draws, 1), seed=0).double()
    # The noise may be 0, where the logarithm is not finite; 2⁻²⁵ is half a step of its grid.
    bits = bits_per_dim((2 * x.clamp_min(2.0**-25)).log(), (1,))
    expected = 15 - (torch.xlogy(k + 1, k + 1) - torch.xlogy(k, k) - 1) / math.log(2)
    assert ((bits.mean(0) - expected).abs() < 5 * bits.std(0) / math.sqrt(draws)).all()
    discrete = -((2 * k + 1) / 256**2).log2()
    assert (expected > discrete).all()
