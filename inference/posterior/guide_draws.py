"""Draws from a fitted guide, with the weights that tell how far it is from the posterior."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import Tensor, nn

from plausible.inference.isolation import isolated
from plausible.inference.posterior.density.double import frozen
from plausible.inference.posterior.density.gradient import Vector
from plausible.inference.posterior.density.log_density import LogDensity
from plausible.inference.posterior.density.over_draws import over_draws
from plausible.inference.posterior.density.sites import samples
from plausible.inference.training.fit import fit
from plausible.inference.training.result import Fit
from plausible.models.base import Model
from plausible.models.errors import ModelError
from plausible.models.objectives.elbo import ELBO
from plausible.models.objectives.optimizers import Adam
from plausible.models.objectives.schedules import CosineDecay
from plausible.models.ownership import stored_values

__all__ = ["GuideDraws", "guide_draws"]

_RATE = 0.02


@dataclass(frozen=True)
class GuideDraws:
    """Draws from a guide.

    Attributes:
        values: for every latent and deterministic site an array (draws, *shape).
        log_weights: ln p(x, θ) - ln q(θ) of every draw.
        run: how the guide was trained.
    """

    values: dict[str, Vector]
    log_weights: Vector
    run: Fit


class _Bound(nn.Module):
    """A program with its data, so that nothing is cut into batches."""

    def __init__(self, program: Any, data: tuple[Tensor, ...], context: Mapping[str, Any]) -> None:
        super().__init__()
        self.program = program
        self._data, self._context = data, context

    def forward(self) -> Any:
        return self.program(*self._data, **self._context)


def guide_draws(
    model: Any,
    data: tuple[Tensor, ...],
    context: Mapping[str, Any],
    guide: Any,
    density: LogDensity,
    count: int,
    steps: int,
    seed: int,
) -> GuideDraws:
    """Train a guide on all data, draw from it, and weigh the draws by the model.

    The model is held fixed. By default the guide is a normal distribution with all correlations
    over the unconstrained latents: an independent one understates the width of a correlated
    posterior.

    Raises:
        ModelError: if the model has discrete latent sites, or the guide does not fit it.
    """
    if density.enumerated:
        raise ModelError(
            f"method='svi' takes no discrete latent sites, and {density.enumerated[0]!r} is one. "
            "Use method='nuts', which sums it out."
        )
    twin = frozen(model)
    twin = twin.model if isinstance(twin, Model) else twin
    target = poutine.substitute(_Bound(twin, data, context), data=_stored(twin))
    chosen = _Bound(guide, data, context) if guide is not None else AutoMultivariateNormal(target)
    optimizer = Adam(CosineDecay(_RATE, steps))
    run = fit(
        target,
        guide=chosen,
        objective=ELBO(optimizer=optimizer),
        steps=steps,
        batch_size=None,
        device="cpu",
        seed=seed,
    )
    names = [*density.names, *density.deterministic]

    def drawn(_: Tensor) -> list[Tensor]:
        proposal = poutine.trace(chosen).get_trace()
        joint = poutine.trace(poutine.replay(target, trace=proposal)).get_trace()
        weight = joint.log_prob_sum() - proposal.log_prob_sum()
        sites = samples(joint)
        values = [sites[n]["value"].expand(density.shapes[n]) for n in names]
        return [torch.as_tensor(weight), *values]

    with (
        run.scope(),
        isolated(seed + 1, torch.device("cpu"), pyro.get_param_store().get_state()),
        pyro.validation_enabled(False),
        torch.no_grad(),
    ):
        weights, *values = over_draws(drawn, [torch.zeros(count, 1)])
    arrays = [value.double().numpy() for value in values]
    return GuideDraws(dict(zip(names, arrays, strict=True)), np.asarray(weights.double()), run)


def _stored(model: Any) -> dict[str, Tensor]:
    """The parameters that statements of the model read, which the training leaves alone."""
    module = getattr(model, "__self__", model)
    own = stored_values(module) if isinstance(module, nn.Module) else {}
    callers = {name: value.detach() for name, value in pyro.get_param_store().items()}
    return {**callers, **own}
