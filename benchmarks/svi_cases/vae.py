"""The VAE 784-400-20 with softplus units on binary data, as in Pyro's VAE example."""

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from svi_peers import LEARNING_RATE, PlainTorch, PlausibleFit, PyroSVI
from svi_timing import FIT, Case, Peer, Target
from torch import Tensor, nn
from torch.nn import functional

from plausible.models import ELBO, VAE, Adam

__all__ = ["BATCH", "EPOCH", "HIDDEN", "LATENT", "PIXELS", "WrittenVAE", "binary_data", "case"]

EPOCH, BATCH, PIXELS, HIDDEN, LATENT = 50, 128, 784, 400, 20  # batches an epoch


class WrittenVAE(nn.Module):
    """A VAE as Pyro's documentation writes it, and its loss as a PyTorch script does."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, width: int, latent: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.latent = encoder, decoder, latent
        self.loc, self.log_scale = nn.Linear(width, latent), nn.Linear(width, latent)

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            prior = dist.Normal(x.new_zeros(len(x), self.latent), 1.0).to_event(1)
            z = pyro.sample("z", prior)
            pixels = dist.Bernoulli(logits=self.decoder(z)).to_event(x.dim() - 1)
            pyro.sample("x", pixels, obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        pyro.module("loc", self.loc)
        pyro.module("log_scale", self.log_scale)
        with pyro.plate("data", len(x)):
            h = self.encoder(x)
            pyro.sample("z", dist.Normal(self.loc(h), self.log_scale(h).exp()).to_event(1))

    def loss(self, x: Tensor) -> Tensor:
        h = self.encoder(x)
        loc, log_scale = self.loc(h), self.log_scale(h)
        z = loc + log_scale.exp() * torch.randn_like(loc)
        bce = functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (loc**2 + (2 * log_scale).exp() - 2 * log_scale - 1).sum()
        return (bce + kl) / len(x)


def written() -> WrittenVAE:
    encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Softplus())
    decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, PIXELS))
    return WrittenVAE(encoder, decoder, HIDDEN, LATENT)


def binary_data(*shape: int) -> Tensor:
    """Pixels that are 1 as often as those of binarised digits."""
    return (torch.rand(shape) < 0.13).float()


def case(device: torch.device, batch: int = BATCH) -> Case:
    x = binary_data(EPOCH * batch, PIXELS).to(device)

    def pyro_svi() -> Peer:
        vae = written().to(device)
        return PyroSVI(vae.model, vae.guide, (x,), batch)

    def plain_torch() -> Peer:
        vae = written().to(device)
        return PlainTorch(vae, vae.loss, (x,), batch)

    def plausible_fit() -> Peer:
        vae = VAE((PIXELS,), LATENT, hidden=(HIDDEN,), activation="softplus")
        return PlausibleFit(vae, (x,), batch, objective=ELBO(optimizer=Adam(LEARNING_RATE)))

    def pythae() -> Peer:
        from svi_pythae import Pythae

        return Pythae(x, HIDDEN, LATENT, batch, LEARNING_RATE)

    return Case(
        title=f"vae: {PIXELS}-{HIDDEN}-{LATENT}, softplus, batch {batch}",
        unit=EPOCH,
        peers={
            "pyro.infer.SVI": pyro_svi,
            "pythae's trainer": pythae,
            "PyTorch, eager, fused Adam": plain_torch,
            "NumPyro, jit": lambda: _numpyro("NumPyroJit", x, batch),
            "NumPyro, lax.scan": lambda: _numpyro("NumPyroScan", x, batch),
            FIT: plausible_fit,
        },
        targets=(
            Target(10 if device.type == "cuda" else 1.9, ("pyro.infer.SVI",)),
            Target(0.95, ("NumPyro, lax.scan",)),
            Target(1.7, ("pythae's trainer",)),
        ),
    )


def _numpyro(kind: str, x: Tensor, batch: int) -> Peer:
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as numpyro_dist
    import svi_numpyro
    from svi_numpyro import linear

    def model(x: Any) -> None:
        with numpyro.plate("data", len(x)):
            prior = numpyro_dist.Normal(jnp.zeros((len(x), LATENT)), 1.0).to_event(1)
            h = jax.nn.softplus(linear("decoder.0", numpyro.sample("z", prior), HIDDEN))
            logits = linear("decoder.1", h, PIXELS)
            numpyro.sample("x", numpyro_dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(x: Any) -> None:
        with numpyro.plate("data", len(x)):
            h = jax.nn.softplus(linear("encoder.0", x, HIDDEN))
            loc, scale = linear("loc", h, LATENT), jnp.exp(linear("log_scale", h, LATENT))
            numpyro.sample("z", numpyro_dist.Normal(loc, scale).to_event(1))

    peer: Peer = getattr(svi_numpyro, kind)(model, guide, (x,), batch)
    return peer
