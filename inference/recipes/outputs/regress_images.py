"""The recipe `regress-images`: colour images with a mean and a scale for each channel and pixel."""

from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.data import load
from plausible.inference.pictures.numbers import number, per_cent
from plausible.inference.pictures.pixel import pixel_densities
from plausible.inference.pictures.regression import image_rows
from plausible.inference.recipes.common import Device, Trainer, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models import Adam, CosineDecay, DiagonalNormal, MaximumLikelihood, Regressor

__all__ = ["halves", "in_inks", "regress_images"]

_SHOWN = 10
_UNSURE = 0.9  # of an image's pixels have smaller scales than the one that is drawn
_INKS = 3  # in which each training image is printed


def regress_images(
    *,
    data: str = "digits",
    hidden: tuple[int, ...] = (512,),
    steps: int = 1000,
    lr: float = 2e-3,
    device: Device = "auto",
    seed: int = 0,
    out: Path = Path("runs/regress-images"),
) -> Outcome:
    """Regression of colour images: a mean and a scale for each channel and pixel.

    The lower half of an image is predicted from the upper one. Grey images are printed on white
    paper first, held-out ones in an ink of their own, training images in three.

    Args:
        data: digits, mnist, fashion-mnist, or a folder of images or of IDX files.
        hidden: widths of the hidden layers.
        steps: optimiser steps.
        lr: first learning rate of Adam, which falls to zero.
        device: where to train.
        seed: seed of the split, the inks, the initial weights and the batches.
        out: folder for the checkpoint, the pictures and the page.
    """
    stage("loading")
    images = load(data, seed=seed)
    # the network reads and writes what is missing from white, so that paper is 0
    x, y = halves(255 - _coloured(images.train, seed, _INKS))
    held_x, held_y = halves(255 - _coloured(images.test, seed + 1))
    torch.manual_seed(seed)
    shape = tuple(x.shape[1:])
    # a floor of two of 256 levels: paper that is always white needs no smaller scale
    scale = DiagonalNormal("softplus", min_scale=2 / 256)
    model = Regressor(shape, shape, scale, hidden=tuple(hidden), activation="relu")
    run = Trainer(seed, device).fit(
        model,
        (x, y),
        objective=MaximumLikelihood(Adam(CosineDecay(lr, steps))),
        steps=steps,
        out=out,
    )
    mean = torch.cat([model.mean(part) for part in held_x.split(500)])
    scales = torch.cat([model.scale(part) for part in held_x.split(500)])
    facts = {
        "Data": f"{len(images.train):,} training and {len(held_x):,} held-out images of "
        f"{images.name} in colour, {len(x):,} training pairs; the lower half from the upper one",
        **_facts(mean, scales, held_y),
        **training_fact(run),
    }
    stage("drawing")
    pictures = _pictures(1 - held_x, 1 - held_y, 1 - mean, scales)
    return Outcome("regress-images", out, run, facts, pictures)


def halves(images: Tensor) -> tuple[Tensor, Tensor]:
    """Upper and lower halves of images of bytes, as numbers between 0 and 1."""
    values = images.float() / 255
    half = images.shape[2] // 2
    return values[:, :, :half], values[:, :, -half:]


def in_inks(strokes: Tensor, inks: Tensor) -> Tensor:
    r"""Strokes printed on white paper, each image in an ink of its own.

    .. math:: x_c = 1 - s\,(1 - \mathrm{ink}_c)

    Args:
        strokes: grey images of bytes, 255 where there is most ink, (N, 1, H, W).
        inks: red, green and blue of each ink, between 0 and 1, (N, 3).

    Returns:
        Images of bytes, (N, 3, H, W).
    """
    away = (1 - inks)[:, :, None, None]
    return (255 - strokes.float() * away).round().to(torch.uint8)


def _coloured(images: Tensor, seed: int, times: int = 1) -> Tensor:
    """Images in colour: grey ones in inks of random hue, each in several."""
    if images.shape[1] == 3:
        return images
    images = images.repeat(times, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    hues = torch.rand(len(images), 1, generator=generator)
    turns = (hues + torch.tensor([0.0, 2 / 3, 1 / 3])) % 1
    return in_inks(images, ((turns - 0.5).abs() * 6 - 1).clamp(0, 1) * 0.85)


def _facts(mean: Tensor, scales: Tensor, truth: Tensor) -> dict[str, str]:
    error = (mean - truth).abs()
    pixels = torch.corrcoef(torch.stack([scales.flatten(), error.flatten()]))[0, 1]
    each = torch.corrcoef(torch.stack([scales.mean((1, 2, 3)), error.mean((1, 2, 3))]))[0, 1]
    inside = (error <= 1.96 * scales).float().mean((1, 2, 3))
    spread = float(inside.std()) / len(inside) ** 0.5
    return {
        "Correlation of scale and absolute error": f"{number(float(pixels), '.2f')} over pixels "
        f"and channels, {number(float(each), '.2f')} over images",
        "Values within 1.96 scales of the mean": f"{100 * float(inside.mean()):.1f} ± "
        f"{100 * spread:.1f} % (95 % of a normal)",
    }


def _pictures(x: Tensor, y: Tensor, mean: Tensor, scales: Tensor) -> list[Picture]:
    chosen = torch.linspace(0, len(x) - 1, _SHOWN).long()
    rows = [
        ("seen", x[chosen]),
        ("truth", y[chosen]),
        ("mean", mean[chosen].clamp(0, 1)),
        ("scale", scales[chosen]),
    ]
    image = int(scales[chosen].mean((1, 2, 3)).argmax())
    which = int(chosen[image])
    total = scales[which].sum(0)
    place = total.flatten().argsort()[round(_UNSURE * (total.numel() - 1))]
    row, column = divmod(int(place), total.shape[1])
    return [
        Picture(
            "images",
            image_rows(rows),
            "Upper halves that the network sees, lower halves as they were, and its mean and scale "
            "for each channel of every pixel. A scale is black where the network is sure, and "
            "bright along strokes whose place the upper half leaves open; its colour is that of "
            "the channels in which the ink and the paper differ.",
            "Four rows of ten half images in colour: seen, truth, mean, scale.",
        ),
        Picture(
            "pixel",
            pixel_densities(
                torch.cat([x[which], mean[which].clamp(0, 1)], dim=1),
                (x.shape[2] + row, column),
                mean[which, :, row, column],
                scales[which, :, row, column],
                y[which, :, row, column],
            ),
            "One pixel, in the square, of whose channels the network is less sure than of "
            f"{per_cent(_UNSURE, 0)} of the others: the density of each channel, and a triangle at "
            "its true value.",
            "Left: a digit whose lower half is the network's mean, with one pixel marked. Right: "
            "three bell curves, one for each of red, green and blue.",
        ),
    ]
