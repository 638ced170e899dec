"""The recipe `linear-vae`: bound, gap and evidence where all three are known exactly."""

import copy
from pathlib import Path
from typing import Any

import torch
from pyro.distributions import MultivariateNormal
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.inference.pictures.bounds import bounds_along
from plausible.inference.pictures.curves import decomposition, loss_curve
from plausible.inference.pictures.numbers import number
from plausible.inference.recipes.common import Device, Trainer
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Progress
from plausible.models import ELBO, VAE, Adam, Normal
from plausible.models.autoencoders.linear_gaussian import evidence, posterior, ppca_log_likelihood

__all__ = ["bound_and_gap", "linear_vae"]

_LOOSE = 3.0  # times the standard deviations of the encoder


def linear_vae(
    *,
    features: int = 6,
    latent_size: int = 2,
    size: int = 1000,
    steps: int = 2000,
    lr: float = 2e-2,
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/linear-vae"),
) -> Outcome:
    """Linear-Gaussian VAE: ln p(x) = ELBO + KL(q(z given x) ‖ p(z given x)), all three exact.

    Its best possible likelihood is that of probabilistic principal component analysis, known in
    closed form; the trained model is compared with it.

    Args:
        features: dimensions of the data.
        latent_size: dimensions of the latent space, fewer than features.
        size: number of data, drawn from a linear-Gaussian model.
        steps: optimiser steps at the first learning rate; half that number follow at a tenth of it.
        lr: learning rate of Adam.
        device: where to train; a network as small as this is fastest on the CPU.
        seed: seed of data, weights and draws.
        out: folder for the checkpoint, the pictures and the page.
    """
    x = _data(size, features, latent_size, seed)
    torch.manual_seed(seed)
    model = VAE((features,), latent_size, Normal("learned"), hidden=())
    early: list[tuple[Tensor, Tensor, Tensor]] = []
    when = max(1, steps // 4)

    def keep(progress: Progress) -> None:
        if progress.step == when:
            early.append(_terms(copy.deepcopy(model).to("cpu"), x[:8], seed))

    trainer = Trainer(seed, device, models=2)
    run = trainer.fit(
        model,
        x,
        steps=steps,
        batch_size=None,
        objective=ELBO(optimizer=Adam(lr)),
        callbacks=(keep,),
    )
    last = trainer.fit(
        model,
        x,
        steps=max(1, steps // 2),
        batch_size=None,
        objective=ELBO(optimizer=Adam(lr / 10)),
        out=out,
    )
    log_evidence, elbo, kl = _terms(model, x, seed)
    best = ppca_log_likelihood(x, latent_size)
    facts = {
        "Exact mean ln p(x)": f"{number(float(log_evidence.mean()))} nats per datum",
        "Best possible (probabilistic PCA)": f"{number(best)} nats",
        "ELBO, by 4,000 draws": f"{number(float(elbo.mean()))} nats per datum",
        "KL(q ‖ posterior), exact": f"{number(float(kl.mean()), '.4f')} nats per datum",
    }
    stage("drawing")
    pictures = [
        Picture(
            "decomposition",
            decomposition(*early[0]),
            f"Eight data after {when} steps: the bound and the KL to the exact posterior add up "
            "to the exact log evidence.",
            "Stacked bars of ELBO and KL that end at marks of the log evidence.",
        ),
        _bounds_picture(model, x),
        Picture(
            "loss",
            loss_curve(torch.cat([run.loss, last.loss]), floor=-best),
            f"Negative bound at every step, the last {len(last.loss):,} at a tenth of the learning "
            "rate, and the least that any linear-Gaussian model can reach.",
            "A loss curve that falls to its floor.",
        ),
    ]
    return Outcome("linear-vae", out, last, facts, pictures)


def _data(size: int, features: int, latent_size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(features, latent_size, generator=generator)
    z = torch.randn(size, latent_size, generator=generator)
    return z @ weight.T + 0.5 * torch.randn(size, features, generator=generator)


@torch.no_grad()
def bound_and_gap(
    model: VAE, x: Tensor, width: float, stretch: float
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Evidence, bound and gap at decoder weights W times `stretch`, q as it is but for its width.

    .. math:: E_q \ln p(x|z) - KL(q \| p(z)) = \ln N(x;\, W m + b,\, \sigma^2)
              - \frac{1}{2\sigma^2} \sum_k s_k^2 |W_k|^2 - KL(q \| N(0, I))

    with q = N(m, diag s²) and the columns of W.

    Args:
        model: a linear-Gaussian VAE.
        x: data, shape (N, features).
        width: what the standard deviations of the encoder's q are multiplied by.
        stretch: what the decoder's weights are multiplied by.

    Returns:
        The log evidence, the bound and KL(q ‖ exact posterior), (N,) each, all in closed form and
        none computed from the others.
    """
    q = model.encode(x)
    scale = width * q.variance.sqrt()
    moved = copy.deepcopy(model)
    decoder: Any = moved.decoder
    weight = decoder.layers[0].weight.mul_(stretch)
    noise = moved.decode(q.mean).variance[0, 0]
    expected = moved.decode(q.mean).log_prob(x)
    expected = expected - (scale.square() @ weight.square().sum(0)) / (2 * noise)
    wide = MultivariateNormal(q.mean, torch.diag_embed(scale.square()))
    prior = MultivariateNormal(torch.zeros(len(scale[0])), torch.eye(len(scale[0])))
    bound = expected - kl_divergence(wide, prior)
    return evidence(moved).log_prob(x), bound, kl_divergence(wide, posterior(moved, x))


@torch.no_grad()
def _bounds_picture(model: VAE, x: Tensor) -> Picture:
    line = torch.linspace(0.4, 1.6, 121)
    bounds = {}
    for name, width in (("tight q", 1.0), (f"q {_LOOSE:g} × as wide", _LOOSE)):
        terms = [bound_and_gap(model, x, width, float(t)) for t in line]
        log_evidence, bound, gap = (
            torch.stack([each.mean() for each in part]) for part in zip(*terms, strict=True)
        )
        bounds[f"bound, {name}"] = bound, gap
    return Picture(
        "bounds",
        bounds_along(line, log_evidence, bounds, x_label="θ: the decoder's weights, times this"),
        "The evidence and two bounds on it along a line in θ, each with a q that stays as it is. "
        "The gap is the exact divergence of q from the posterior: dashed bars of that length end "
        "at the evidence. The bound of the trained q touches the evidence at the trained weights "
        "and is highest there; that of the loose q is highest at smaller weights, where ln p(x) is "
        "not.",
        "Three arches: the evidence; a bound that touches it at 1; a lower bound with its top "
        "further left. Dashed bars fill the gaps.",
    )


@torch.no_grad()
def _terms(model: VAE, x: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log evidence, an ELBO of 4,000 draws, and the KL to the posterior, for each datum."""
    q = model.encode(x)
    full = MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    kl = kl_divergence(full, posterior(model, x))
    log_evidence = evidence(model).log_prob(x)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(4000, *q.mean.shape, generator=generator)
    z = q.mean + q.variance.sqrt() * noise
    prior = MultivariateNormal(torch.zeros(z.shape[-1]), torch.eye(z.shape[-1]))
    elbo = (model.decode(z).log_prob(x) + prior.log_prob(z) - q.log_prob(z)).mean(0)
    return log_evidence, elbo, kl
