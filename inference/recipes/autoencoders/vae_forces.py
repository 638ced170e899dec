"""The recipe `vae-forces`: what each term of the bound does to the latent space, by dropping it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from plausible.inference.data import Images, binarise, load, unit
from plausible.inference.evaluation.bounds import Evaluation, evaluate
from plausible.inference.evaluation.frechet import frechet_distance
from plausible.inference.isolation import evaluating
from plausible.inference.pictures.images import reconstructions
from plausible.inference.pictures.latents import forces
from plausible.inference.pictures.numbers import number
from plausible.inference.recipes.autoencoders.vae import observed
from plausible.inference.recipes.common import Device, Precision, Trainer, described, is_ink
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models import ELBO, VAE, Adam

__all__ = ["FORCES", "principal_components", "vae_forces"]

FORCES: dict[str, dict[str, Any]] = {
    "all three forces": {},
    "no reconstruction": {"reconstruction": 0.0},
    "no KL term": {"beta": 0.0},
    "no sampling": {"sampled": False},
}
_OVERLAP = {"beta": 50.0}
_COMPONENTS = 50
_ENCODED = 8


def vae_forces(
    *,
    data: str = "digits",
    epochs: int = 20,
    batch_size: int = 128,
    lr: float = 1e-3,
    device: Device = "auto",
    precision: Precision = "float32",
    seed: int = 0,
    out: Path = Path("runs/vae-forces"),
) -> Outcome:
    """The three forces on a VAE's latent space: reconstruction, KL term and sampling, each dropped.

    Four VAEs start from the same weights and see the same batches; only the objective differs. A
    fifth has a KL weight so strong that all posteriors overlap: its decoder can only average.

    Args:
        data: digits, mnist, fashion-mnist, or a folder of images or of IDX files.
        epochs: passes over the training images, for each of the five.
        batch_size: images per step.
        lr: learning rate of Adam.
        device: where to train.
        precision: bf16 uses mixed precision.
        seed: seed of the split, the initial weights, the batches and the draws.
        out: folder for the pictures and the page.
    """
    stage("loading")
    images = load(data, seed=seed)
    project = principal_components(unit(images.train), _COMPONENTS)
    panels: dict[str, tuple[Tensor, Tensor | None]] = {}
    captions: dict[str, str] = {}
    facts = {"Data": described(images)}
    trainer = Trainer(seed, device, precision, models=len(FORCES) + 1)
    for name, weights in (*FORCES.items(), ("overlap", _OVERLAP)):
        torch.manual_seed(seed)
        model = VAE(images.shape, 2, hidden=(512, 256, 128), activation="tanh")
        train, held_out = observed(images, model.likelihood, seed)
        run = trainer.fit(
            model,
            train,
            objective=ELBO(optimizer=Adam(lr), **weights),
            epochs=epochs,
            batch_size=batch_size,
        )
        if name == "overlap":
            break
        result = evaluate(model, held_out, particles=1)
        with evaluating(model, seed):
            samples = model.decode(torch.randn(len(images.test), 2)).sample()
            panels[name] = model.encode(unit(images.test)).mean, images.test_labels
        distance = frechet_distance(project(samples), project(held_out))
        captions[name] = _caption(result, distance)
        facts[name[0].upper() + name[1:]] = (
            f"KL {result.kl}, reconstruction {result.reconstruction}, "
            f"Fréchet distance {distance:,.1f}"
        )
    order = torch.randperm(len(images.train), generator=torch.Generator().manual_seed(seed))
    real = binarise(images.train[order[: len(images.test)]], seed)
    floor = frechet_distance(project(real), project(held_out))
    facts["For comparison"] = f"Fréchet distance of real training images {floor:,.1f}"
    facts["Unit"] = (
        "nats per held-out image, the latents sampled in all four; Fréchet distance between "
        f"{len(images.test):,} generated and equally many held-out binary images, in the "
        f"space of the first {_COMPONENTS} principal components of the training images"
    )
    stage("drawing")
    return Outcome("vae-forces", out, run, facts, _pictures(model, images, panels, captions))


def _caption(result: Evaluation, distance: float) -> str:
    return (
        f"KL {number(result.kl.mean, ',.1f')}\n"
        f"reconstruction {number(result.reconstruction.mean, ',.0f')}\n"
        f"Fréchet distance {distance:,.1f}"
    )


def _pictures(
    overlapping: VAE,
    images: Images,
    panels: dict[str, tuple[Tensor, Tensor | None]],
    captions: dict[str, str],
) -> list[Picture]:
    encoded = unit(images.test[:_ENCODED])
    decoded = overlapping.reconstruct(encoded).clamp(0, 1)
    average = unit(images.train).mean(0, keepdim=True)
    apart = float((decoded - decoded.mean(0)).square().mean().sqrt())
    from_average = float((decoded - average).square().mean().sqrt())
    return [
        Picture(
            "forces",
            forces(panels, captions, images.class_names or None),
            "Latent means of held-out images when one term of the bound is dropped. The circles "
            "are one and two standard deviations of the prior; each panel has a scale of its own.",
            "Four scatter plots of latent space, one for each objective.",
        ),
        Picture(
            "average",
            reconstructions(encoded, decoded, ("encoded", "decoded"), ink=is_ink(images)),
            "With a KL weight of 50 all posteriors overlap, and the decoder cannot tell one image "
            f"from another: what it makes of these {_ENCODED} held-out images differs by "
            f"{apart:.3f} of the range of greys, and from the average of the training images by "
            f"{from_average:.3f} (root mean squares over pixels).",
            "Two rows of images: eight different digits above, eight equal blurs below.",
        ),
    ]


def principal_components(x: Tensor, count: int) -> Callable[[Tensor], Tensor]:
    """The projection of images onto the first principal components of `x`, a named feature space.

    Args:
        x: images, shape (N, C, H, W).
        count: number of components, at most the number of pixels.

    Returns:
        A function from images (M, C, H, W) to features (M, count).
    """
    flat = x.flatten(1)
    mean = flat.mean(0)
    centred = flat - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(flat))
    basis = vectors[:, -count:]
    return lambda images: (images.flatten(1) - mean) @ basis
