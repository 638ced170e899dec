"""Objectives of several weighted draws: Renyi bounds and the importance-weighted bound."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from plausible.models.errors import ModelError, reason_of
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.bounds import check_particles, joint_log_weight, log_weights
from plausible.models.objectives.objective import Objective, Player, trainable
from plausible.models.objectives.optimizers import Adam, Optimizer
from plausible.models.objectives.plates import checked_layout
from plausible.models.objectives.tracing import traces, trying

__all__ = ["ImportanceWeighted", "Renyi"]


@dataclass(frozen=True)
class Renyi(Objective):
    r"""Variational Renyi bound, from K draws.

    .. math:: L_\alpha = \frac{1}{1 - \alpha} E\left[\ln \frac1K \sum_{k=1}^K
        \left(\frac{p(x, z_k)}{q(z_k|x)}\right)^{1 - \alpha}\right]

    At alpha = 0 this is the importance-weighted bound. Towards alpha = 1 it falls to the ELBO, and
    for alpha < 0 and many draws it may exceed ln p(x). With one draw it is the ELBO whatever alpha.

    Where every site lies in the plate over the data, each datum has K weights of its own and the
    bounds of the data are added. Where a site lies outside, such as a global latent, a draw of all
    latents together has one weight. Then a minibatch would put N/B times its own log-likelihood in
    place of that of all data inside the power, an estimate with a bias (Li and Turner, section
    4.3), so that such models need batch_size=None. In many dimensions one weight of such draws
    outweighs the others.

    Args:
        alpha: order of the divergence, any number but one.
        particles: number K of draws, in one run side by side where each datum has weights of its
            own, else one after the other.
        optimizer: moves every parameter of model and guide.

    Raises:
        ModelError: for alpha = 1, which is the ELBO, and unless there is at least one particle;
            from `fit`, for minibatches where a site lies outside the plate over the data.

    Source: Li and Turner, Renyi Divergence Variational Inference (2016).
    """

    alpha: float = 0.0
    particles: int = 2
    optimizer: Optimizer = field(default=Adam())

    def __post_init__(self) -> None:
        check_particles(self, self.particles)
        if self.alpha == 1 or not math.isfinite(self.alpha):
            raise ModelError(
                f"Renyi needs a finite alpha other than one, but got {self.alpha}. The limit at "
                "one is the ELBO objective."
            )

    def players(self) -> tuple[Player, ...]:
        name = f"negative Renyi bound of order {self.alpha:g}, {self.particles} particles"
        return (Player(name, trainable, self._loss, self.optimizer),)

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout, _ = checked_layout(model, batch, other)
        batch = replace(batch, layout=layout)
        with trying(model, batch):
            sites = _checked_sites(model, batch)
        if all(_is_inside(site, layout) for site in sites):
            _check_weights(model, batch)
            return layout
        if other is not None and self.particles > 1:
            outside = next(site["name"] for site in sites if not _is_inside(site, layout))
            raise ModelError(
                f"The site {outside!r} lies outside the plate over the data, so a draw of all "
                "latents has one weight, in which a minibatch stands for all data inside a power: "
                "the Renyi bound is biased then. Pass batch_size=None, or use the ELBO."
            )
        return replace(layout, dim=None)  # no dimension holds the weights of single data

    def _loss(self, model: Any, batch: Batch, state: torch.nn.Module) -> Tensor:
        assert batch.layout is not None
        if batch.layout.dim is not None:
            weights = log_weights(model, batch, self.particles)
            return -_power_mean(weights, self.alpha).mean()
        draws = [joint_log_weight(model, batch) for _ in range(self.particles)]
        return -_power_mean(torch.stack(draws), self.alpha) / batch.represented


@dataclass(frozen=True)
class ImportanceWeighted(Objective):
    r"""Importance-weighted bound, the objective of the importance-weighted autoencoder.

    .. math:: L_K = E\left[\ln \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k|x)}\right]

    It is the ELBO for K = 1 and rises towards ln p(x) with K. Every site must lie in the plate over
    the data, so that each datum has weights of its own; where one does not, `Renyi` with alpha = 0
    weighs draws of all latents together.

    Args:
        particles: number K of draws for each datum.
        optimizer: moves every parameter of model and guide.

    Raises:
        ModelError: unless there is at least one particle.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016).
    """

    particles: int = 50
    optimizer: Optimizer = field(default=Adam())

    def __post_init__(self) -> None:
        check_particles(self, self.particles)

    def players(self) -> tuple[Player, ...]:
        name = f"negative importance-weighted bound, {self.particles} particles"
        return (Player(name, trainable, self._loss, self.optimizer),)

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout, _ = checked_layout(model, batch, other)
        batch = replace(batch, layout=layout)
        with trying(model, batch):
            _checked_sites(model, batch)
        _check_weights(model, batch)
        return layout

    def _loss(self, model: Any, batch: Batch, state: torch.nn.Module) -> Tensor:
        return -_power_mean(log_weights(model, batch, self.particles), 0.0).mean()


def _power_mean(log_weights: Tensor, alpha: float) -> Tensor:
    """Logarithm of the mean of order 1 - alpha of weights, over their first dimension."""
    order = 1.0 - alpha
    return ((order * log_weights).logsumexp(0) - math.log(len(log_weights))) / order


def _checked_sites(model: Any, batch: Batch) -> list[Any]:
    """All sites with a log probability; refuses those whose gradient would be wrong."""
    model_trace, guide_trace = traces(model, batch)
    for name, site in model_trace.nodes.items():
        if site["type"] == "sample" and not site["is_observed"] and name not in guide_trace.nodes:
            raise ModelError(
                f"The site {name!r} is summed out, for which importance weights are not written. "
                "Use the ELBO objective."
            )
    for name, site in guide_trace.nodes.items():
        drawn = site["type"] == "sample" and not site["is_observed"]
        if drawn and not getattr(site["fn"], "has_rsample", False):
            raise ModelError(
                f"The guide's site {name!r} is not reparametrised, so the gradient of the "
                "importance-weighted bound would be wrong. Use the ELBO objective."
            )
    sites: list[Any] = [*model_trace.nodes.values(), *guide_trace.nodes.values()]
    return [s for s in sites if s["type"] == "sample" and not s["infer"].get("_deterministic")]


def _is_inside(site: Any, layout: Layout) -> bool:
    return any(frame.name in layout.plates for frame in site["cond_indep_stack"])


def _check_weights(model: Any, batch: Batch) -> None:
    """Try two particles: a model may not be written for a further dimension."""
    with trying(model, batch):
        try:
            log_weights(model, batch, 2)
        except (RuntimeError, IndexError) as error:
            raise ModelError(
                "The model or guide does not run with a dimension of particles to the left of its "
                f"plates: {reason_of(error)}. Count dimensions from the right (x[..., 0], "
                "sum(-1)), and name no sizes; or use the ELBO objective."
            ) from error
