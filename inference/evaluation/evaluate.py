"""How good a trained model is on data that it has not seen; evaluation never moves a weight."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from plausible.inference.isolation import evaluating
from plausible.models.errors import DataError

__all__ = ["Bound", "Decodes", "Evaluation", "evaluate", "frechet_distance", "knn_accuracy"]


class Decodes(Protocol):
    """A model with latents: what the functions here, and the latent tools, need of it."""

    def encode(self, x: Tensor) -> Any: ...

    def decode(self, z: Tensor) -> Any: ...

    def log_prob(self, x: Tensor, particles: int) -> Tensor: ...


@dataclass(frozen=True)
class Bound:
    """A mean over held-out data with its standard error.

    Attributes:
        mean: nats per datum.
        error: standard error of the mean, from the spread over data.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, values: Tensor) -> "Bound":
        error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        return cls(float(values.mean()), error)

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"


@dataclass(frozen=True)
class Evaluation:
    """Held-out figures of a model with latents, in nats per datum.

    Attributes:
        elbo: evidence lower bound, by one draw for each datum and the closed-form KL.
        kl: KL(q(z given x) || N(0, I)), closed form.
        reconstruction: ln p(x given z) at the same draws.
        log_likelihood: importance-weighted bound on ln p(x).
        particles: draws for each datum in it.
    """

    elbo: Bound
    kl: Bound
    reconstruction: Bound
    log_likelihood: Bound
    particles: int


def evaluate(model: Any, x: Tensor, *, particles: int = 100, seed: int = 0) -> Evaluation:
    """Held-out bounds of a model with a standard normal prior.

    Args:
        model: with `encode`, `decode` and `log_prob`.
        x: held-out data.
        particles: draws for each datum in the importance-weighted bound.
        seed: seed of all draws.

    Raises:
        DataError: if the data are empty or do not fit the model.
    """
    if len(x) == 0:
        raise DataError("There are no data to evaluate on.")
    model.check(x)
    with evaluating(model, seed):
        kls, reconstructions = [], []
        for part in x.split(1000):
            q = model.encode(part)
            base = getattr(q, "base_dist", q)
            prior = Normal(torch.zeros_like(base.loc), 1.0)
            kls.append(kl_divergence(base, prior).sum(-1))
            reconstructions.append(model.decode(q.sample()).log_prob(part))
        kl, reconstruction = torch.cat(kls), torch.cat(reconstructions)
        log_prob = model.log_prob(x, particles)
    return Evaluation(
        elbo=Bound.of(reconstruction - kl),
        kl=Bound.of(kl),
        reconstruction=Bound.of(reconstruction),
        log_likelihood=Bound.of(log_prob),
        particles=particles,
    )


def knn_accuracy(
    features: Tensor, labels: Tensor, held_out: Tensor, held_out_labels: Tensor, k: int = 5
) -> float:
    """Share of held-out data whose k nearest neighbours vote for the right class.

    A vote that ties goes to the class of the smallest number.

    Args:
        features, labels: where neighbours are sought, shapes (N, d) and (N,).
        held_out, held_out_labels: what is classified, shapes (M, d) and (M,).
        k: number of neighbours.
    """
    if not 1 <= k <= len(features):
        raise DataError(f"k must lie between 1 and {len(features)}, but is {k}.")
    right = 0
    for part, expected in zip(held_out.split(1000), held_out_labels.split(1000), strict=True):
        nearest = torch.cdist(part, features).topk(k, largest=False).indices
        votes = torch.nn.functional.one_hot(labels[nearest]).sum(1)
        right += int((votes.argmax(1) == expected).sum())
    return right / len(held_out)


def frechet_distance(x: Tensor, y: Tensor) -> float:
    r"""Fréchet distance between normals fitted to two sets of features.

    .. math:: \|\mu_x - \mu_y\|^2 + \mathrm{tr}\left(\Sigma_x + \Sigma_y
              - 2 (\Sigma_x^{1/2} \Sigma_y \Sigma_x^{1/2})^{1/2}\right)

    It means nothing without the name of the feature space, which belongs beside every figure. It is
    biased upwards in small samples: compare only sets of equal sizes.

    Args:
        x, y: features, shapes (N, d) and (M, d) with at least two rows each.

    Source: Dowson and Landau, The Fréchet distance between multivariate normal distributions
        (1982); as a score of generators, Heusel et al. (2017).
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise DataError(
            "The Fréchet distance compares two sets of features (N, d) with at least two rows, but "
            f"got {tuple(x.shape)} and {tuple(y.shape)}."
        )
    x, y = x.double(), y.double()
    cov_x, cov_y = torch.atleast_2d(x.T.cov()), torch.atleast_2d(y.T.cov())
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_y @ root).clamp(min=0).sqrt().sum()
    distance = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * cross
    return float(distance.clamp(min=0))
