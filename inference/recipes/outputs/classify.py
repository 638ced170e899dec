"""The recipe `classify`: classes with their probabilities, and whether those can be believed."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from plausible.inference.data import load
from plausible.inference.evaluation.bounds import Bound
from plausible.inference.pictures.regression import least_sure, reliability
from plausible.inference.recipes.common import (
    Device,
    Precision,
    Trainer,
    loss_picture,
    training_fact,
)
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models import Adam, Classifier, CosineDecay, MaximumLikelihood, ModelError

__all__ = ["calibration", "classify", "wilson"]

_BINS = 10
_SHOWN = 12


def classify(
    *,
    data: str = "digits",
    network: Literal["mlp", "convolutional"] = "convolutional",
    hidden: tuple[int, ...] = (128,),
    classes: tuple[int, ...] = (),
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 2e-3,
    device: Device = "auto",
    precision: Precision = "float32",
    seed: int = 0,
    out: Path = Path("runs/classify"),
) -> Outcome:
    """Classification of images by a network that outputs the probabilities of classes.

    Two classes are a coin on a sigmoid, more are a softmax.

    Args:
        data: digits, mnist, fashion-mnist, or a folder of images with labels.
        network: convolutional or mlp.
        hidden: widths of the MLP's hidden layers; convolutions take the last.
        classes: positions of the classes to tell apart, such as 3 8; all of them when empty.
        epochs: passes over the training images.
        batch_size: images per step.
        lr: learning rate of Adam at first; it falls to zero along a cosine.
        device: where to train.
        precision: bf16 uses mixed precision.
        seed: seed of the split, the weights and the batches.
        out: folder for the checkpoint, the pictures and the page.
    """
    stage("loading")
    images = load(data, seed=seed)
    if images.train_labels is None or images.test_labels is None:
        raise ModelError(f"{images.name} has no labels, so there is nothing to classify.")
    chosen = tuple(classes) or tuple(range(len(images.class_names)))
    if len(set(chosen)) < 2 or not all(0 <= c < len(images.class_names) for c in chosen):
        raise ModelError(
            f"classes must be two or more different positions from 0 to "
            f"{len(images.class_names) - 1}, but got {classes}."
        )
    x, y = _of(images.train, images.train_labels, chosen)
    held_x, held_y = _of(images.test, images.test_labels, chosen)
    names = [images.class_names[c] for c in chosen]
    torch.manual_seed(seed)
    model = Classifier(images.shape, len(chosen), network, tuple(hidden))
    steps = epochs * -(-len(x) // max(1, batch_size))
    run = Trainer(seed, device, precision).fit(
        model,
        (x, y),
        objective=MaximumLikelihood(Adam(CosineDecay(lr, max(1, steps)))),
        epochs=epochs,
        batch_size=batch_size,
        out=out,
    )
    probabilities = torch.cat([model.probabilities(part) for part in held_x.split(500)])
    cross_entropy = Bound.of(-model.log_prob(held_x, held_y, chunk=500))
    right = probabilities.argmax(-1) == held_y
    low, high = wilson(int(right.sum()), len(right))
    stated, observed, errors, gap = calibration(probabilities, held_y)
    facts = {
        "Data": f"{images.name}: {len(x):,} training and {len(held_x):,} held-out images of "
        f"{len(names)} classes",
        "Right": f"{100 * float(right.float().mean()):.2f} % of the held-out images, 95 % interval "
        f"{100 * low:.2f} to {100 * high:.2f} %",
        "Cross-entropy": f"{cross_entropy.mean:.4f} ± {cross_entropy.error:.4f} nats",
        "Expected calibration error": f"{100 * gap:.2f} points",
        **training_fact(run),
    }
    stage("drawing")
    unsure = probabilities.max(-1).values.argsort()[:_SHOWN]
    best = probabilities[unsure].topk(2)
    labels = [
        f"{names[i]} {100 * p:.0f} %\n{names[j]} {100 * q:.0f} %\nis {names[k]}"
        for (i, j), (p, q), k in zip(
            best.indices.tolist(), best.values.tolist(), held_y[unsure].tolist(), strict=True
        )
    ]
    pictures = [
        Picture(
            "unsure",
            least_sure(held_x[unsure], labels),
            "The held-out images of which the network is least sure: its two most probable "
            "classes, and what the image is.",
            "Twelve hard images, each with two classes and their probabilities.",
        ),
        Picture(
            "reliability",
            reliability(
                stated,
                observed,
                errors,
                x_label="probability that the network states",
                y_label="share that is so",
            ),
            "Of all statements of about one probability, over all images and classes, the share "
            "that is true. On the dashed line probabilities mean what they say; bars are two "
            "standard errors.",
            "Dots near the diagonal of a square.",
        ),
        loss_picture(run, "Cross-entropy at every step.", unit="nats per image"),
    ]
    return Outcome("classify", out, run, facts, pictures)


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    r"""Interval of a share by inverting the score test; it stays inside 0 and 1.

    .. math:: \frac{\hat p + z^2 / 2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4n^2}}{1 + z^2/n}

    Source: Wilson, Probable Inference (1927).
    """
    share = right / total
    middle = share + z**2 / (2 * total)
    half = z * (share * (1 - share) / total + z**2 / (4 * total**2)) ** 0.5
    return (middle - half) / (1 + z**2 / total), (middle + half) / (1 + z**2 / total)


def calibration(probabilities: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """Stated probabilities of all classes against the shares that came true, in ten bins.

    Args:
        probabilities: shape (N, classes).
        labels: shape (N,).

    Returns:
        Mean stated probability, share, and its standard error for each bin that is not empty; and
        the expected calibration error of the most probable class: the mean distance of confidence
        and accuracy, weighted by how many images a bin has.

    Source: Naeini, Cooper and Hauskrecht (2015), for the error.
    """
    truth = torch.nn.functional.one_hot(labels, probabilities.shape[1]).double()
    stated, observed, errors = _binned(probabilities.flatten().double(), truth.flatten())
    confidence, best = probabilities.double().max(-1)
    right = (best == labels).double()
    bins = _bin(confidence)
    gap = sum(
        float((confidence[bins == k].mean() - right[bins == k].mean()).abs() * (bins == k).sum())
        for k in bins.unique()
    )
    return stated, observed, errors, gap / len(labels)


def _bin(p: Tensor) -> Tensor:
    return (p * _BINS).long().clamp(max=_BINS - 1)


def _binned(stated: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    bins = _bin(stated)
    rows = []
    for k in bins.unique().tolist():
        inside = bins == k
        share, count = float(truth[inside].mean()), int(inside.sum())
        # as if one success and one failure more, so that a share of 0 has an error too
        smooth = (share * count + 1) / (count + 2)
        error = (smooth * (1 - smooth) / count) ** 0.5
        rows.append((float(stated[inside].mean()), share, error))
    stated_means, shares, errors = torch.tensor(rows).unbind(-1)
    return stated_means, shares, errors


def _of(images: Tensor, labels: Tensor, chosen: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Greys and new labels of the images of the chosen classes."""
    place = torch.full((int(labels.max()) + 1 + max(chosen),), -1)
    place[list(chosen)] = torch.arange(len(chosen))
    new = place[labels]
    return images[new >= 0].float() / 255, new[new >= 0]
