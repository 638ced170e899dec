"""The recipe `naive-generator`: pair data with random samples, and all samples become the mean."""

import math
from pathlib import Path
from typing import Any, Literal

import pyro
import torch
from torch import Tensor

from plausible.inference.data import load, unit
from plausible.inference.data.toys import clusters, clusters_density, ring, ring_density
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.numbers import mean_of, plus_minus, share_of
from plausible.inference.pictures.points import point_panels
from plausible.inference.pictures.regression import image_rows
from plausible.inference.recipes.common import Device, Trainer, described, is_ink, loss_picture
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.recipes.outputs.mode_collapse import share_outside
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit
from plausible.models import ELBO, VAE, Adam, CosineDecay, Normal
from plausible.models.generators.generator import GeneratorNetwork

__all__ = ["naive_fit", "naive_generator", "naive_loss", "vae_fit", "variance_ratio"]

_POINTS = {"ring": (ring, ring_density), "clusters": (clusters, clusters_density)}
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_DRAWS = 5000
_IMAGE_LATENT = 10
_SHOWN = 10


def naive_generator(
    *,
    data: Literal["ring", "clusters"] = "ring",
    images: str = "digits",
    size: int = 5000,
    steps: int = 4000,
    epochs: int = 40,
    lr: float = 3e-3,
    device: Device = "auto",
    seed: int = 0,
    out: Path = Path("runs/naive-generator"),
) -> Outcome:
    """The naive training of a generator, which fails: its samples collapse to the data's mean.

    Each step pairs every datum with the output for a latent drawn at random, and takes the squared
    distance. A variational autoencoder on the same data, which learns which latents belong to a
    datum, does not collapse.

    Args:
        data: points in the plane: eight narrow clusters on a ring, or four wide ones.
        images: digits, mnist, fashion-mnist, or a folder of images or of IDX files.
        size: number of points.
        steps: optimiser steps on the points, for each of the two models.
        epochs: passes over the images, for each of the two models.
        lr: first learning rate of Adam, which falls to zero.
        device: where to train.
        seed: seed of the data, the initial weights, the pairs and the draws.
        out: folder for the pictures and the page.
    """
    draw, density = _POINTS[data]
    x, fresh = draw(size, seed), draw(_DRAWS, seed + 1)
    schedule: dict[str, Any] = {"steps": steps, "batch_size": 500}
    trainer = Trainer(seed, device, models=4)
    naive, first = naive_fit(x, 2, (64, 64), lr, trainer, **schedule)
    vae, second = vae_fit(x, 2, (64, 64), lr, trainer, **schedule)
    with evaluating(vae, seed):
        z = torch.randn(_DRAWS, 2)
        samples = {"naive": naive.generate(z), "VAE": vae.decode(z).mean}
        drawn = vae.sample(_DRAWS)
        bound = vae.log_prob(fresh, 500)
    exact = density().log_prob
    ratios = {name: variance_ratio(s, x) for name, s in samples.items()}
    least, above = naive_loss(x, samples["naive"])
    outside = share_outside(drawn, exact, fresh)
    facts = {
        "Points": f"{size:,} of {data!r}; {_DRAWS:,} samples of each model",
        **{f"{_title(name)}: sample variance / data variance": r for name, r in ratios.items()},
        "VAE: the same with its output noise": variance_ratio(drawn, x),
        "Naive loss": f"{above:.4f} nats above {least:.3f}, the least that any network reaches: "
        "that of the data's mean, whatever the latent",
        "VAE: ln p(x), at least": f"{mean_of(bound)} nats per fresh point, of "
        f"{mean_of(exact(fresh))} by the exact density",
        "VAE: samples where no data is": share_of(outside, _DRAWS),
        "Training": f"{steps:,} steps for each; engine of the first: {first.backend.engine}, "
        f"of the second: {second.backend.engine}",
    }
    pictures = [
        Picture(
            "points",
            point_panels(
                {"data": x, "naive": samples["naive"], "VAE": samples["VAE"]},
                {
                    "data": f"{size:,} points, variance 100 %",
                    "naive": f"variance {ratios['naive']}",
                    "VAE": f"variance {ratios['VAE']}",
                },
            ),
            "The data, what the naive generator makes of 5,000 latents, and what the decoder of a "
            "VAE with the same network makes of them.",
            "Three scatter plots: clusters; one dot in the middle; clusters with thin bridges.",
        ),
        loss_picture(
            first, "The naive loss falls to that of a constant: the mean of the data.", floor=least
        ),
    ]
    last = _on_images(images, epochs, lr, trainer, facts, pictures)
    return Outcome("naive-generator", out, last, facts, pictures)


def naive_fit(
    x: Tensor,
    latent_size: int,
    hidden: tuple[int, ...],
    lr: float,
    trainer: Trainer,
    **schedule: Any,
) -> tuple[GeneratorNetwork, Fit]:
    r"""Train a generator on pairs of a datum and the output for a latent drawn at random.

    In the terms of variational inference the guide is the prior itself. The bound is then

    .. math:: E_{z \sim N(0, I)} \ln N(x \mid g(z), I)
              = -\tfrac12 \left( \mathrm{tr\,Cov}\,x + \mathrm{tr\,Cov}\,g(z)
              + |E x - E g(z)|^2 \right) - \tfrac d2 \ln 2\pi

    on average over the data: every bit of variance among the samples costs as much as it is, and
    the best network is the constant E x.

    Args:
        x: data, shape (N, ...).
        latent_size: dimensions of z.
        hidden: widths of the hidden layers.
        lr: first learning rate of Adam, which falls to zero.
        trainer: its seed is that of the initial weights, the batches and the pairs.
        schedule: steps or epochs, and batch_size, as in `fit`.
    """
    torch.manual_seed(trainer.seed)
    generator = GeneratorNetwork(
        tuple(x.shape[1:]), latent_size, Normal(), hidden=hidden, activation="tanh"
    )

    def unpaired(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("z", generator.prior(len(x)))

    return generator, _run(trainer, generator, x, lr, guide=unpaired, **schedule)


def vae_fit(
    x: Tensor,
    latent_size: int,
    hidden: tuple[int, ...],
    lr: float,
    trainer: Trainer,
    **schedule: Any,
) -> tuple[VAE, Fit]:
    """Train a VAE with the decoder of the generator of `naive_fit`; its arguments are the same."""
    torch.manual_seed(trainer.seed)
    vae = VAE(tuple(x.shape[1:]), latent_size, Normal("learned"), hidden=hidden, activation="tanh")
    return vae, _run(trainer, vae, x, lr, **schedule)


def naive_loss(x: Tensor, samples: Tensor) -> tuple[float, float]:
    """The naive loss of the best constant in nats per datum, and how far the samples are above it.

    Both follow from means and variances: see `naive_fit`.

    Args:
        x: data, shape (N, ...).
        samples: outputs of the generator, shape (M, ...).
    """
    x, samples = x.flatten(1).double(), samples.flatten(1).double()
    constant = 0.5 * x.var(0, correction=0).sum() + _HALF_LOG_2PI * x.shape[1]
    apart = (x.mean(0) - samples.mean(0)).square().sum()
    return float(constant), float(0.5 * (samples.var(0, correction=0).sum() + apart))


def variance_ratio(samples: Tensor, data: Tensor) -> str:
    """Total variance of the samples in per cent of the data's, with its standard error.

    The total variance is the mean squared distance from the mean; its error follows from the spread
    of those, and that of the ratio from both.

    Args:
        samples: shape (M, ...).
        data: shape (N, ...).
    """
    totals, errors = [], []
    for x in (samples.flatten(1).double(), data.flatten(1).double()):
        squares = (x - x.mean(0)).square().sum(1)
        totals.append(float(squares.mean()))
        errors.append(float(squares.std() / squares.mean()) / len(x) ** 0.5)
    ratio = totals[0] / totals[1]
    return f"{plus_minus(100 * ratio, 100 * ratio * math.hypot(*errors))} %"


def _on_images(
    name: str,
    epochs: int,
    lr: float,
    trainer: Trainer,
    facts: dict[str, str],
    pictures: list[Picture],
) -> Fit:
    """Train both models on images; add the figures and the picture."""
    stage("loading")
    source = load(name, seed=trainer.seed)
    x = unit(source.train)
    naive, _ = naive_fit(x, _IMAGE_LATENT, (400,), lr, trainer, epochs=epochs)
    vae, run = vae_fit(x, _IMAGE_LATENT, (400,), lr, trainer, epochs=epochs)
    with evaluating(vae, trainer.seed):
        z = torch.randn(2000, _IMAGE_LATENT)
        samples = {"naive": naive.generate(z), "VAE": vae.decode(z).mean}
    ratios = {kind: variance_ratio(s, x) for kind, s in samples.items()}
    facts["Images"] = described(source)
    for kind, ratio in ratios.items():
        facts[f"Images, {kind}: sample variance / data variance"] = ratio
    facts["Images: training"] = f"{run.steps:,} steps for each, {run.backend.engine} engine"
    rows = [("data", x[:_SHOWN])]
    rows += [(kind, s[:_SHOWN].clamp(0, 1)) for kind, s in samples.items()]
    stage("drawing")
    pictures.append(
        Picture(
            "images",
            image_rows(rows, ink=is_ink(source)),
            "Above, images of the data; in the middle, what the naive generator makes of ten "
            f"latents: always the average image (variance {ratios['naive']} of the data's); below, "
            f"what the VAE's decoder makes of the same latents (variance {ratios['VAE']}).",
            "Three rows of ten images: different ones; ten times the same blur; different ones.",
        )
    )
    return run


def _run(trainer: Trainer, model: Any, x: Tensor, lr: float, **schedule: Any) -> Fit:
    steps = schedule.get("steps")
    if steps is None:
        steps = schedule["epochs"] * -(-len(x) // model.batch_size)
    objective = ELBO(optimizer=Adam(CosineDecay(lr, steps)))
    return trainer.fit(model, x, objective=objective, **schedule)


def _title(name: str) -> str:
    return name[0].upper() + name[1:]
