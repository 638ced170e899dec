"""Constructs of networks: VAEs, mixture densities, recurrent nets, dropout, batch norm."""

from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from construct import FAST, Construct, Table, normals, seeded, uniforms
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn

from plausible.models import VAE, MaximumLikelihood

__all__ = ["TABLE", "small_vae"]

TABLE = Table()


def small_vae(likelihood: str = "bernoulli", **more: Any) -> Construct:
    """A VAE on twelve pixels, with a short last batch."""
    x = uniforms(21, 1, 3, 4)
    x = x.round() if likelihood == "bernoulli" else x
    model = VAE((1, 3, 4), latent_size=2, likelihood=likelihood, hidden=(8,))
    return Construct(model, (x,), TraceMeanField_ELBO(), batch_size=8, **more)


for name in ("bernoulli", "normal", "laplace", "continuous-bernoulli"):
    TABLE.row(f"VAE, {name}")(partial(small_vae, name))
TABLE.row("bf16")(lambda: Construct(**{**vars(small_vae(precision="bf16")), "pyro": None}))


@TABLE.row("convolutional VAE")
def convolutional() -> Construct:
    model = VAE((1, 8, 8), latent_size=2, network="convolutional", hidden=(8,))
    x = uniforms(12, 1, 8, 8).round()
    return Construct(model, (x,), TraceMeanField_ELBO(), batch_size=6)


class MDN(nn.Module):
    """p(y|x) is a mixture of normals whose weights, means and scales a network gives."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 9))

    def forward(self, x: Tensor, y: Tensor) -> None:
        logits, loc, log_scale = self.net(x).chunk(3, -1)
        parts = dist.Normal(loc, log_scale.exp())
        with pyro.plate("data", len(x)):
            mixture = dist.MixtureSameFamily(dist.Categorical(logits=logits), parts)
            pyro.sample("y", mixture, obs=y)


@TABLE.row("mixture density network")
def mixture_density() -> Construct:
    data = (normals(21, 1), normals(21, seed=2))
    return Construct(MDN(), data, Trace_ELBO(), objective=MaximumLikelihood(FAST), batch_size=8)


class Noisy(nn.Module):
    """A regression with batch norm, whose averages move, and dropout, which draws."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 8, bias=False),  # batch norm makes its gradient one of rounding only
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, 1),
        )

    def forward(self, x: Tensor, y: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(self.net(x)[:, 0], 1.0), obs=y)


@TABLE.row("dropout and batch norm")
def noisy() -> Construct:
    data = (normals(21, 2), normals(21, seed=2))
    return Construct(Noisy(), data, Trace_ELBO(), objective=MaximumLikelihood(FAST), batch_size=8)


@TABLE.row("batch norm in evaluation mode")
def frozen() -> Construct:
    made = noisy()
    made.model.net[1].eval()
    return made


class Tagger(nn.Module):
    """A label from the last state of a recurrent net over padded sequences of tokens."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 3, padding_idx=0)
        self.recurrent = kind(3, 4, batch_first=True)
        self.out = nn.Linear(4, 1)

    def forward(self, tokens: Tensor, lengths: Tensor, y: Tensor) -> None:
        states, _ = self.recurrent(self.embedding(tokens))
        last = (lengths - 1)[:, None, None].expand(-1, 1, states.shape[-1])
        logits = self.out(states.gather(1, last)[:, 0])[:, 0]
        with pyro.plate("data", len(tokens)):
            pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def _recurrent(kind: type[nn.GRU] | type[nn.LSTM]) -> Construct:
    tokens = torch.randint(1, 6, (10, 4), generator=seeded(3))
    lengths = torch.randint(1, 5, (10,), generator=seeded(4))
    tokens = tokens * (torch.arange(4) < lengths[:, None])
    data = (tokens, lengths, uniforms(10).round())
    return Construct(
        Tagger(kind), data, Trace_ELBO(), objective=MaximumLikelihood(FAST), batch_size=5
    )


TABLE.row("GRU, padded, with embedding")(partial(_recurrent, nn.GRU))
TABLE.row("LSTM, padded, with embedding")(partial(_recurrent, nn.LSTM))


@TABLE.row("program in float64")
def double() -> Construct:
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return small_vae("normal")
    finally:
        torch.set_default_dtype(kept)
