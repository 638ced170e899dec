"""The recipe `linear-vae`: bound, gap and evidence where all three are known exactly."""

import copy
from pathlib import Path

import torch
from pyro.distributions import MultivariateNormal
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.inference.pictures.curves import decomposition
from plausible.inference.recipes.common import Device, Trainer, loss_picture
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.inference.training.result import Progress
from plausible.models import ELBO, VAE, Adam, Normal
from plausible.models.autoencoders.linear_gaussian import evidence, posterior, ppca_log_likelihood

__all__ = ["linear_vae"]


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
        steps: optimiser steps at the first learning rate; half as many follow at a tenth of it.
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
    facts = {
        "Exact mean ln p(x)": f"{float(log_evidence.mean()):.3f} nats per datum",
        "Best possible (probabilistic PCA)": f"{ppca_log_likelihood(x, latent_size):.3f} nats",
        "ELBO, by 4,000 draws": f"{float(elbo.mean()):.3f} nats per datum",
        "KL(q ‖ posterior), exact": f"{float(kl.mean()):.4f} nats per datum",
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
        loss_picture(
            run,
            "Negative bound at every step, and the least that any linear-Gaussian model can reach.",
            floor=-ppca_log_likelihood(x, latent_size),
        ),
    ]
    return Outcome("linear-vae", out, last, facts, pictures)


def _data(size: int, features: int, latent_size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(features, latent_size, generator=generator)
    z = torch.randn(size, latent_size, generator=generator)
    return z @ weight.T + 0.5 * torch.randn(size, features, generator=generator)


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
