"""A mixture density network on the inverse sine problem: Bishop (2006), section 5.6."""

import math
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from svi_peers import LEARNING_RATE, PlainTorch, PlausibleFit, PyroSVI
from svi_timing import FIT, Case, Peer, Target
from torch import Tensor, nn

from plausible.models import Adam, MaximumLikelihood

__all__ = ["case"]

TOTAL, BATCH, HIDDEN, COMPONENTS = 4096, 256, 64, 5


class MDN(nn.Module):
    """p(y|x) is a mixture of normals whose weights, means and scales a network gives."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, HIDDEN),
            nn.Tanh(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.Tanh(),
            nn.Linear(HIDDEN, 3 * COMPONENTS),
        )

    def model(self, x: Tensor, y: Tensor) -> None:
        pyro.module("net", self.net)
        logits, loc, log_scale = self.net(x).chunk(3, -1)
        mixture = dist.MixtureSameFamily(
            dist.Categorical(logits=logits), dist.Normal(loc, log_scale.exp())
        )
        with pyro.plate("data", len(x)):
            pyro.sample("y", mixture, obs=y)

    def guide(self, x: Tensor, y: Tensor) -> None:
        """Nothing is latent."""

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        logits, loc, log_scale = self.net(x).chunk(3, -1)
        standard = (y[:, None] - loc) * (-log_scale).exp()
        log_normal = -0.5 * standard.square() - log_scale - 0.5 * math.log(2 * math.pi)
        return -(logits.log_softmax(-1) + log_normal).logsumexp(-1).mean()


def case(device: torch.device) -> Case:
    y = torch.rand(TOTAL)
    x = y + 0.3 * (2 * math.pi * y).sin() + 0.2 * torch.rand(TOTAL) - 0.1
    data = (x[:, None].to(device), y.to(device))

    def pyro_svi(validation: bool) -> Peer:
        mdn = MDN().to(device)
        return PyroSVI(mdn.model, mdn.guide, data, BATCH, validation)

    def plain_torch() -> Peer:
        mdn = MDN().to(device)
        return PlainTorch(mdn, mdn.loss, data, BATCH)

    def plausible_fit() -> Peer:
        objective = MaximumLikelihood(Adam(LEARNING_RATE))
        return PlausibleFit(MDN().model, data, BATCH, objective=objective)

    return Case(
        title=f"mdn: 1-{HIDDEN}-{HIDDEN}-{COMPONENTS} components, tanh, batch {BATCH}",
        unit=TOTAL // BATCH,
        peers={
            "pyro.infer.SVI": lambda: pyro_svi(True),
            "pyro.infer.SVI, validation off": lambda: pyro_svi(False),
            "PyTorch, eager, fused Adam": plain_torch,
            "NumPyro, jit": lambda: _numpyro("NumPyroJit", data),
            "NumPyro, lax.scan": lambda: _numpyro("NumPyroScan", data),
            FIT: plausible_fit,
        },
        targets=(Target(8, ("pyro.infer.SVI",)), Target(1.0, ("NumPyro, lax.scan",))),
    )


def _numpyro(kind: str, data: tuple[Tensor, ...]) -> Peer:
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as numpyro_dist
    import svi_numpyro
    from svi_numpyro import linear

    def model(x: Any, y: Any) -> None:
        h = jnp.tanh(linear("first", x, HIDDEN))
        h = jnp.tanh(linear("second", h, HIDDEN))
        logits, loc, log_scale = jnp.split(linear("last", h, 3 * COMPONENTS), 3, -1)
        mixture = numpyro_dist.MixtureSameFamily(
            numpyro_dist.Categorical(logits=logits), numpyro_dist.Normal(loc, jnp.exp(log_scale))
        )
        with numpyro.plate("data", len(x)):
            numpyro.sample("y", mixture, obs=y)

    peer: Peer = getattr(svi_numpyro, kind)(model, lambda x, y: None, data, BATCH)
    return peer
