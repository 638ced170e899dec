"""What recipes share: how and where they train, and words and pictures that several use."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from plausible.inference.data.images import Images
from plausible.inference.latent.samples import conditions_of, is_latent
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.curves import loss_curve
from plausible.inference.training.arguments import fabric_for
from plausible.inference.training.fit import fit
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Fit

__all__ = [
    "Device",
    "Interrupted",
    "Precision",
    "Trainer",
    "described",
    "device_of",
    "draws_images",
    "is_ink",
    "loss_picture",
    "scores_images",
    "training_fact",
]

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["float32", "bf16"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a recipe while it trained.

    Attributes:
        run: the training run that was stopped.
    """

    def __init__(self, run: Fit) -> None:
        super().__init__(f"Stopped after {run.steps:,} steps.")
        self.run = run


@dataclass
class Trainer:
    """Trains the models of a recipe one after the other and says which of them it is at.

    Attributes:
        seed: of the batches and draws of every one.
        device: where to train; afterwards each model is on the CPU.
        precision: as in `fit`.
        models: how many there are to train.
        trained: how many were trained.
    """

    seed: int
    device: Device
    precision: Precision = "float32"
    models: int = 1
    trained: int = 0

    def fit(self, model: nn.Module, data: Any, **settings: Any) -> Fit:
        """Train a model as `plausible.inference.fit` does, with its settings.

        Raises:
            Interrupted: after Ctrl-C.
        """
        self.trained += 1
        stage(f"training {self.trained} of {self.models}" if self.models > 1 else "training")
        settings |= {"seed": self.seed, "device": self.device, "precision": self.precision}
        run = fit(model, data, **settings)
        model.to("cpu")
        if run.interrupted:
            raise Interrupted(run)
        stage("evaluating")
        return run


def device_of(device: Device) -> torch.device:
    """The device that a name stands for on this machine."""
    return fabric_for(device, "float32").device


def described(images: Images) -> str:
    """The data in words: how many images, of what size."""
    channels, height, width = images.shape
    kind = "grey" if channels == 1 else "colour"
    return (
        f"{images.name}: {len(images.train):,} training and {len(images.test):,} held-out {kind} "
        f"images of {height} × {width} pixels"
    )


def is_ink(images: Images) -> bool:
    """Whether the images are bright strokes on black, which print better as ink on paper."""
    return images.shape[0] == 1 and float(images.train.float().mean()) < 128


def draws_images(model: Any) -> bool:
    """Whether a model makes images from latents alone."""
    is_image = len(getattr(model, "x_shape", ())) == 3
    return is_image and is_latent(model) and conditions_of(model) == 0


def scores_images(model: Any) -> bool:
    """Whether a model that makes images from latents finds latents for images, too."""
    return draws_images(model) and hasattr(model, "encode")


def loss_picture(run: Fit, caption: str, **options: Any) -> Picture:
    """The loss at every step; options as of `loss_curve`."""
    return Picture("loss", loss_curve(run.loss, **options), caption, "A loss curve that falls.")


def training_fact(run: Fit) -> dict[str, str]:
    """How long a model trained, how fast, and on which engine."""
    rate = run.steps / max(run.seconds, 1e-9)
    return {
        "Training": f"{run.steps:,} steps in {run.seconds:.0f} s, {rate:,.0f} steps/s, "
        f"{run.backend.engine} engine"
    }
