"""A convolutional VAE on binary images of 28 x 28 pixels.

NumPyro has no place here: XLA's convolutions on a CPU take several times as long as PyTorch's.
"""

import torch
from svi_peers import LEARNING_RATE, PlainTorch, PlausibleFit, PyroSVI
from svi_timing import FIT, Case, Peer, Target
from torch import nn

from plausible.models import ELBO, VAE, Adam
from svi_cases.vae import WrittenVAE, binary_data

__all__ = ["case"]

TOTAL, BATCH, LATENT, WIDTH = 2560, 128, 16, 256


def written() -> WrittenVAE:
    """The networks that `VAE(network="convolutional")` has, layer by layer."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, WIDTH),
        nn.ReLU(),
    )
    decoder = nn.Sequential(
        nn.Linear(LATENT, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, 64 * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(1, (64, 7, 7)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
    )
    return WrittenVAE(encoder, decoder, WIDTH, LATENT)


def case(device: torch.device) -> Case:
    x = binary_data(TOTAL, 1, 28, 28).to(device)

    def pyro_svi() -> Peer:
        vae = written().to(device)
        return PyroSVI(vae.model, vae.guide, (x,), BATCH)

    def plain_torch() -> Peer:
        vae = written().to(device)
        return PlainTorch(vae, vae.loss, (x,), BATCH)

    def plausible_fit() -> Peer:
        vae = VAE((1, 28, 28), LATENT, network="convolutional", hidden=(WIDTH,))
        return PlausibleFit(vae, (x,), BATCH, objective=ELBO(optimizer=Adam(LEARNING_RATE)))

    return Case(
        title=f"conv: VAE with convolutions of 32 and 64 channels, 28 x 28, batch {BATCH}",
        unit=TOTAL // BATCH,
        peers={
            "pyro.infer.SVI": pyro_svi,
            "PyTorch, eager, fused Adam": plain_torch,
            FIT: plausible_fit,
        },
        targets=(
            Target(1.05, ("pyro.infer.SVI",)),
            Target(0.95, ("PyTorch, eager, fused Adam",)),
        ),
    )
