"""Estimates of the evidence lower bound, made of tensors only from what Pyro's traces hold."""

from contextlib import nullcontext
from numbers import Integral
from typing import Any

import pyro
import torch
from pyro.distributions import Delta, Independent, MaskedDistribution
from pyro.infer.util import MultiFrameTensor, get_plate_stacks
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.enumeration import Enumerating, enumerated_elbo, is_enumerated
from plausible.models.objectives.tracing import BatchScale, Program, observes, traces

__all__ = ["check_particles", "elbo", "joint_log_weight", "log_weights"]


class _Mean(Messenger):
    """Replace every latent draw by the mean of its distribution."""

    def _pyro_sample(self, msg: Any) -> None:
        if not (msg["is_observed"] or msg["done"] or site_is_subsample(msg)):
            msg["value"], msg["done"] = msg["fn"].mean, True


def check_particles(objective: object, particles: object) -> None:
    """Raise `ModelError` for an objective without a whole number of draws."""
    if not isinstance(particles, Integral) or particles < 1:
        raise ModelError(
            f"{type(objective).__name__} needs a whole number of particles, at least 1, but got "
            f"{particles!r}."
        )


def elbo(
    program: Program,
    batch: Batch,
    *,
    reconstruction: float = 1.0,
    beta: Tensor | float = 1.0,
    sampled: bool = True,
    particles: int | None = None,
) -> Tensor:
    """One draw of the evidence lower bound of the whole data set, in nats.

    .. math:: L = w\\, E_{q(z|x)} [\\ln p(x|z)] - \\beta\\, KL(q(z|x) \\,\\|\\, p(z))

    The KL term of a site is taken in closed form where PyTorch knows it, both distributions are
    reparametrised, and the sites come in the same order in model and guide (otherwise a per-site
    closed form would not be the whole KL). Elsewhere it is log q - log p at the draw. Sites that
    are not reparametrised get the score-function term, with the variance reduction that plates
    allow. Discrete sites marked `infer={"enumerate": "parallel"}` are summed out exactly
    (`enumerated_elbo`). Plates over the batch are scaled by N/B.

    Args:
        program: model and guide.
        batch: data with its `Layout`.
        reconstruction: weight w of the observed sites.
        beta: weight of the KL term (Higgins et al. 2017; annealing: Bowman et al. 2016).
        sampled: draw the latents; False puts the guide's mean in place of the draw.
        particles: draws side by side, whose mean is taken, on a dimension to the left of all
            plates; None for one draw without such a dimension.

    Returns:
        A scalar whose value is the estimate and whose gradient is unbiased.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014), equation 10;
        Schulman et al., Gradient Estimation Using Stochastic Computation Graphs (2015).
    """
    layout = batch.layout
    assert layout is not None
    nesting, weights = layout.nesting, (reconstruction, beta)
    if particles is not None:
        program, nesting = _SideBySide(program, particles, nesting), nesting + 1
    draws = nullcontext() if sampled else _Mean()
    with BatchScale(layout.plates, batch.total / batch.size), draws:
        model, guide = traces(Enumerating(program, nesting), batch)
    if is_enumerated(model, guide):
        total = enumerated_elbo(model, guide, weights)
    elif all(getattr(site["fn"], "has_rsample", False) for site in _latent(guide)):
        total = _reparametrised(model, guide, weights)
    else:
        total = _score_function(model, guide, weights)
    return total / particles if particles is not None else total


class _SideBySide:
    """A program in a plate of particles; what enumerates its sites has to stand around it."""

    def __init__(self, program: Program, particles: int, nesting: int) -> None:
        self.program, self.particles, self.dim = program, particles, -1 - nesting

    def model(self, *args: Any, **kwargs: Any) -> Any:
        with pyro.plate("_particles", self.particles, dim=self.dim):
            return self.program.model(*args, **kwargs)

    def guide(self, *args: Any, **kwargs: Any) -> Any:
        with pyro.plate("_particles", self.particles, dim=self.dim):
            return self.program.guide(*args, **kwargs)


def _latent(trace: Trace) -> list[Any]:
    sites = trace.nodes.values()
    return [site for site in sites if site["type"] == "sample" and not site["is_observed"]]


def _weighted(weight: Tensor | float, value: Tensor | float) -> Any:
    return value if isinstance(weight, float) and weight == 1.0 else weight * value


def _reparametrised(model: Trace, guide: Trace, weights: tuple[float, Tensor | float]) -> Tensor:
    shared = [s["name"] for s in _latent(guide) if s["name"] in model.nodes]
    same_order = [s["name"] for s in _latent(model)] == shared
    log_likelihood: Any = 0.0
    kl: Any = 0.0
    sampled = []
    for site in _latent(model):
        divergence = _closed_form_kl(site, guide.nodes[site["name"]]) if same_order else None
        if divergence is None:
            sampled.append(site["name"])
        else:
            kl = kl + divergence
    model.compute_log_prob(lambda name, site: site["is_observed"] or name in sampled)
    extra = [n for n, s in guide.nodes.items() if s["type"] == "sample" and n not in model.nodes]
    guide.compute_log_prob(lambda name, site: name in sampled or name in extra)
    for name, site in model.nodes.items():
        if site["type"] != "sample":
            continue
        if observes(site):
            log_likelihood = log_likelihood + site["log_prob_sum"]
        elif site["is_observed"]:  # what a reparametrisation has left of a latent site's density
            kl = kl - site["log_prob_sum"]
        elif name in sampled:
            kl = kl + guide.nodes[name]["log_prob_sum"] - site["log_prob_sum"]
    for name in extra:
        kl = kl + guide.nodes[name]["log_prob_sum"]
    return _weighted(weights[0], log_likelihood) - _weighted(weights[1], kl)


def _closed_form_kl(site: Any, guide_site: Any) -> Tensor | None:
    """KL(q || p) of one site, summed over its plates; None where it has to be sampled."""
    if site["mask"] is not guide_site["mask"] or not _same(site["scale"], guide_site["scale"]):
        return None
    if any(isinstance(_inner(s["fn"]), (Delta, MaskedDistribution)) for s in (site, guide_site)):
        return None  # Pyro's closed forms leave out a Delta's density, and join the masks of both
    try:
        kl = kl_divergence(guide_site["fn"], site["fn"])
    except NotImplementedError:
        return None
    if not isinstance(kl, Tensor) or kl.shape != guide_site["fn"].batch_shape:
        return None
    mask, scale = guide_site["mask"], guide_site["scale"]
    if mask is False:
        return kl.new_zeros(())
    if isinstance(mask, Tensor):
        kl = torch.where(mask, kl, kl.new_zeros(()))
    return _weighted(scale, kl.sum()) if not isinstance(scale, Tensor) else (kl * scale).sum()


def _inner(distribution: Any) -> Any:
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    return distribution


def _same(scale: Any, other: Any) -> bool:
    if isinstance(scale, Tensor) or isinstance(other, Tensor):
        return scale is other
    return bool(scale == other)


def _score_function(model: Trace, guide: Trace, weights: tuple[float, Tensor | float]) -> Tensor:
    model.compute_log_prob()
    guide.compute_score_parts()
    value: Any = 0.0
    surrogate: Any = 0.0
    rewards = MultiFrameTensor()
    stacks = get_plate_stacks(model)
    for name, site in model.nodes.items():
        if site["type"] != "sample":
            continue
        weight = weights[0] if observes(site) else weights[1]
        value = value + _weighted(weight, site["log_prob_sum"])
        surrogate = surrogate + _weighted(weight, site["log_prob_sum"])
        reward = site["log_prob"]
        if not site["is_observed"]:
            reward = reward - guide.nodes[name]["log_prob"]
        rewards.add((stacks[name], _weighted(weight, reward).detach()))
    for name, stack in get_plate_stacks(guide).items():
        if name not in model.nodes:
            reward = -guide.nodes[name]["log_prob"]
            rewards.add((stack, _weighted(weights[1], reward).detach()))
    for site in guide.nodes.values():
        if site["type"] != "sample":
            continue
        log_prob, score, entropy = site["score_parts"]
        value = value - _weighted(weights[1], log_prob.sum())
        if isinstance(entropy, Tensor):
            surrogate = surrogate - _weighted(weights[1], entropy.sum())
        if isinstance(score, Tensor):
            surrogate = surrogate + (rewards.sum_to(site["cond_indep_stack"]) * score).sum()
    return value.detach() + surrogate - surrogate.detach()


def log_weights(program: Program, batch: Batch, particles: int) -> Tensor:
    """Importance weights ln p(x, z) - ln q(z given x) of every datum, z drawn from the guide.

    Args:
        program: model and guide, all of whose sites lie in the plate over the batch.
        batch: data with its `Layout`.
        particles: number K of draws for each datum.

    Returns:
        Log weights in nats, shape (K, B). Their log-mean-exp over K is a lower bound on ln p(x)
        whose gap shrinks as K grows.

    Raises:
        ModelError: if a site is outside the plate: a weight for each datum does not exist then.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016).
    """
    layout = batch.layout
    assert layout is not None
    if layout.dim is None:
        raise ModelError(
            "Single data have no importance weights here: no dimension, or more than one, could be "
            "the data's. Put them into one `with pyro.plate('data', len(x)):`, and give batch_size "
            "where another plate is as long as the data."
        )
    with pyro.plate("_particles", particles, dim=-1 - layout.nesting):
        model, guide = traces(program, batch)
    model.compute_log_prob()
    guide.compute_log_prob()
    total: Any = 0.0
    for trace, sign in ((model, 1.0), (guide, -1.0)):
        for name, site in trace.nodes.items():
            if site["type"] != "sample" or (site["infer"] or {}).get("_deterministic"):
                continue
            if not any(frame.name in layout.plates for frame in site["cond_indep_stack"]):
                raise ModelError(
                    f"The site {name!r} lies outside the plate over the data, so single data have "
                    "no importance weights. Use the Renyi objective, which weighs draws of all "
                    "latents together, or put the site into `with pyro.plate('data', len(x)):`."
                )
            total = total + sign * _per_datum(site["log_prob"], layout)
    return total


def joint_log_weight(program: Program, batch: Batch) -> Tensor:
    """The importance weight ln p(x, z) - ln q(z given x) of one draw of all latents together.

    Plates over the batch are scaled by N/B.

    Args:
        program: model and guide.
        batch: data with its `Layout`.

    Returns:
        A scalar, in nats for the whole data set.
    """
    layout = batch.layout
    assert layout is not None
    with BatchScale(layout.plates, batch.total / batch.size):
        model, guide = traces(program, batch)
    weight: Any = model.log_prob_sum() - guide.log_prob_sum()
    return weight


def _per_datum(log_prob: Tensor, layout: Any) -> Tensor:
    """Sum a log probability over every dimension but particles and batch; returns (K, B)."""
    keep = (log_prob.dim() - 1 - layout.nesting, log_prob.dim() + layout.dim)
    rest = [d for d in range(log_prob.dim()) if d not in keep]
    return log_prob.sum(rest) if rest else log_prob
