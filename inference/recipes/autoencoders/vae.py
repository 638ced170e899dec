"""The recipe `vae`: a variational autoencoder on images, its held-out bounds, its pictures."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from plausible.inference.data import (
    DynamicBinarisation,
    Images,
    binarise,
    bits_per_dim,
    dequantise,
    load,
    unit,
)
from plausible.inference.evaluation.bounds import Evaluation, evaluate
from plausible.inference.evaluation.figures import figures
from plausible.inference.evaluation.neighbours import knn_accuracy
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.images import image_grid, latent_grid, reconstructions
from plausible.inference.pictures.latents import latents_2d
from plausible.inference.pictures.numbers import share_of
from plausible.inference.recipes.common import (
    Device,
    Precision,
    Trainer,
    described,
    is_ink,
    loss_picture,
    training_fact,
)
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit
from plausible.models import ELBO, VAE, Adam, Annealing, ImportanceWeighted, Likelihood, ModelError

__all__ = ["evaluation_facts", "observed", "vae", "vae_pictures"]

LikelihoodName = Literal[
    "bernoulli",
    "continuous-bernoulli",
    "normal",
    "diagonal-normal",
    "laplace",
    "binary-cross-entropy",
]


def vae(
    *,
    data: str = "digits",
    latent_size: int = 2,
    likelihood: LikelihoodName = "bernoulli",
    network: Literal["mlp", "convolutional"] = "mlp",
    hidden: tuple[int, ...] = (512, 256, 128),
    activation: Literal["relu", "softplus", "tanh"] = "relu",
    epochs: int = 80,
    batch_size: int = 128,
    lr: float = 1e-3,
    beta: float = 1.0,
    annealing_epochs: int = 0,
    particles: int = 1,
    device: Device = "auto",
    precision: Precision = "float32",
    seed: int = 0,
    out: Path = Path("runs/vae"),
    resume: bool = False,
) -> Outcome:
    """Variational autoencoder on images, trained by amortised stochastic variational inference.

    A Bernoulli likelihood gets black and white pixels, drawn anew in every step; densities get
    pixels with uniform noise inside each byte; binary cross-entropy gets plain greys.

    Args:
        data: digits, mnist, fashion-mnist, or a folder of images or of IDX files.
        latent_size: dimensions of the latent space; 2 draws maps of it.
        likelihood: output distribution of the decoder.
        network: network of encoder and decoder.
        hidden: widths of the hidden layers of the encoder; the decoder has them reversed.
        activation: nonlinearity of the MLP; tanh makes smoother maps of two dimensions.
        epochs: passes over the training images.
        batch_size: images per step.
        lr: learning rate of Adam.
        beta: weight of the KL term.
        annealing_epochs: epochs over which that weight rises from 0.
        particles: draws per image; more than one trains the importance-weighted bound.
        device: where to train.
        precision: bf16 uses mixed precision.
        seed: seed of the split, the initial weights, the batches and the draws.
        out: folder for the checkpoint, the pictures and the page.
        resume: go on from the checkpoint in that folder.
    """
    stage("loading")
    images = load(data, seed=seed)
    torch.manual_seed(seed)
    model = VAE(images.shape, latent_size, likelihood, network, tuple(hidden), activation)
    train, held_out = observed(images, model.likelihood, seed)
    objective = _objective(
        beta, annealing_epochs * -(-len(train) // max(1, batch_size)), particles, lr
    )
    run = Trainer(seed, device, precision).fit(
        model,
        train,
        objective=objective,
        epochs=epochs,
        batch_size=batch_size,
        out=out,
        resume=out if resume else None,
    )
    result = evaluate(model, held_out)
    facts = {"Data": described(images), "Likelihood": model.likelihood.name}
    facts |= evaluation_facts(model, result, images) | training_fact(run)
    stage("drawing")
    pictures = vae_pictures(model, images, run)
    return Outcome("vae", out, run, facts, pictures)


def observed(images: Images, likelihood: Likelihood, seed: int) -> tuple[Any, Tensor]:
    """Training data and held-out data as the likelihood wants them.

    Returns:
        What `fit` takes, and a float32 tensor (M, C, H, W). Held-out noise is drawn once.
    """
    if likelihood.name == "bernoulli":
        return DynamicBinarisation(images.train), binarise(images.test, seed)
    if not likelihood.is_density:
        return unit(images.train), unit(images.test)
    return dequantise(images.train, seed), dequantise(images.test, seed + 1)


def _objective(beta: float, annealing_steps: int, particles: int, lr: float) -> Any:
    optimizer = Adam(lr)
    if particles > 1:
        if beta != 1.0 or annealing_steps:
            raise ModelError("The importance-weighted bound (particles > 1) has no KL weight.")
        return ImportanceWeighted(particles, optimizer)
    weight = Annealing(0.0, beta, annealing_steps) if annealing_steps else beta
    return ELBO(beta=weight, optimizer=optimizer)


def evaluation_facts(model: VAE, result: Evaluation, images: Images) -> dict[str, str]:
    """Held-out figures in words, each with its standard error and unit."""
    likelihood = model.likelihood
    facts = figures(result, "image", likelihood.is_density)
    if likelihood.is_density and likelihood.name != "bernoulli":
        bound = torch.tensor(result.log_likelihood.mean)
        bits = float(bits_per_dim(bound, images.shape))
        facts["Bits per dimension, at most"] = f"{bits:.3f} (of the bytes)"
    if images.train_labels is not None and images.test_labels is not None:
        with evaluating(model):
            latents = [model.encode(unit(x)).mean for x in (images.train, images.test)]
        share = knn_accuracy(latents[0], images.train_labels, latents[1], images.test_labels)
        facts["5 nearest neighbours in the latents"] = (
            f"{share_of(share, len(images.test), 1)} of {len(images.test):,} held-out labels right"
        )
    return facts


def vae_pictures(model: VAE, images: Images, run: Fit | None = None) -> list[Picture]:
    """Every picture of a trained VAE that its latent size allows."""
    ink = is_ink(images)
    names = images.class_names or None
    with evaluating(model):
        z = torch.randn(100, model.latent_size)
        samples = model.decode(z).mean.clamp(0, 1)
        first = unit(images.test[:12])
        rebuilt = model.reconstruct(first).clamp(0, 1)
        latents = model.encode(unit(images.test)).mean
    pictures = []
    if model.latent_size == 2:
        pictures += [
            Picture(
                "latents",
                latents_2d(latents, images.test_labels, names),
                "Held-out images at the mean of their latent distribution. Colours and names are "
                "the classes, which the model never saw.",
                "Scatter plot of held-out images in the two latent dimensions, coloured by class.",
            ),
            Picture(
                "latent-grid",
                latent_grid(lambda z: _means(model, z), ink=ink),
                "What the decoder makes of a grid of latents, spaced by equal prior probability.",
                "Grid of decoded images that change smoothly from cell to cell.",
            ),
        ]
    pictures += [
        Picture(
            "samples",
            image_grid(samples, columns=20, ink=ink),
            "New images: latents drawn from the prior, and the mean of p(x given z) for each.",
            "Grid of 100 generated images.",
        ),
        Picture(
            "reconstructions",
            reconstructions(first, rebuilt, ink=ink),
            "Held-out images, and below them their reconstructions through the latent space.",
            "Two rows of images: originals above, reconstructions below.",
        ),
    ]
    if run is not None:
        pictures.append(
            loss_picture(run, "Negative training bound at every step, with its running median.")
        )
    return pictures


def _means(model: VAE, z: Tensor) -> Tensor:
    with evaluating(model):
        return model.decode(z).mean.clamp(0, 1)
