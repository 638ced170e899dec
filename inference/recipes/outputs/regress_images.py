"""Images from images, with a mean and a scale for every pixel."""

from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.data import load
from plausible.inference.pictures.regression import image_rows
from plausible.inference.recipes.common import Trainer, loss_picture, training_fact
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models import Adam, CosineDecay, DiagonalNormal, MaximumLikelihood, Regressor

__all__ = ["halves", "regress_images"]

_SHOWN = 10


def regress_images(
    trainer: Trainer, *, data: str, hidden: tuple[int, ...], steps: int, lr: float, out: Path
) -> Outcome:
    """Predict the lower half of an image from the upper one; see `regress`."""
    stage("loading")
    images = load(data, seed=trainer.seed)
    x, y = halves(images.train)
    held_x, held_y = halves(images.test)
    torch.manual_seed(trainer.seed)
    shape = tuple(x.shape[1:])
    # a floor of two of 256 greys: pixels that are always black need no smaller scale
    scale = DiagonalNormal(min_scale=2 / 256)
    model = Regressor(shape, shape, scale, hidden=hidden, activation="relu")
    run = trainer.fit(
        model,
        (x, y),
        objective=MaximumLikelihood(Adam(CosineDecay(min(lr, 1e-3), steps))),
        steps=steps,
        out=out,
    )
    mean = torch.cat([model.mean(part) for part in held_x.split(500)])
    scales = torch.cat([model.scale(part) for part in held_x.split(500)])
    error = (mean - held_y).abs()
    together = float(torch.corrcoef(torch.stack([scales.flatten(), error.flatten()]))[0, 1])
    each = torch.corrcoef(torch.stack([scales.mean((1, 2, 3)), error.mean((1, 2, 3))]))[0, 1]
    inside = ((held_y - mean).abs() <= 1.96 * scales).float().mean((1, 2, 3))
    facts = {
        "Data": f"{len(x):,} training and {len(held_x):,} held-out images of {images.name}; the "
        "lower half from the upper one",
        "Correlation of scale and absolute error": f"{together:.2f} over pixels, "
        f"{float(each):.2f} over images",
        "Pixels within 1.96 scales of the mean": f"{100 * float(inside.mean()):.1f} % ± "
        f"{100 * float(inside.std()) / len(inside) ** 0.5:.1f} %",
        **training_fact(run),
    }
    stage("drawing")
    chosen = torch.linspace(0, len(held_x) - 1, _SHOWN).long()
    rows = [
        ("seen", held_x[chosen]),
        ("truth", held_y[chosen]),
        ("mean", mean[chosen].clamp(0, 1)),
        ("scale", scales[chosen]),
    ]
    pictures = [
        Picture(
            "scales",
            image_rows(rows),
            "Upper halves that the network sees, lower halves as they were, and its mean and scale "
            "for every pixel. The scale is large along strokes whose place the upper half leaves "
            "open, and small where the paper is surely white.",
            "Four rows of ten half images: seen, truth, mean, scale.",
        ),
        loss_picture(
            run,
            "Loss at every step; a density may be above one, so that the loss is below zero.",
            unit="nats per image",
        ),
    ]
    return Outcome("regress", out, run, facts, pictures)


def halves(images: Tensor) -> tuple[Tensor, Tensor]:
    """Upper and lower halves of images of bytes, as greys between 0 and 1."""
    greys = images.float() / 255
    half = images.shape[2] // 2
    return greys[:, :, :half], greys[:, :, -half:]
