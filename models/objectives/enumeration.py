"""Discrete latents summed out exactly, where they are marked infer={"enumerate": "parallel"}."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from pyro import poutine
from pyro.ops import packed
from pyro.ops.contract import contract_tensor_tree
from pyro.ops.rings import LogRing
from pyro.poutine import Trace
from pyro.util import check_site_shape, check_traceenum_requirements
from torch import Tensor

from plausible.models.errors import ModelError, PlausibleError, reason_of
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.enumeration_checks import check_against_draws
from plausible.models.objectives.tracing import BatchScale, Program, Seen, observes, traces, trying

__all__ = ["Enumerating", "check_enumeration", "enumerated_elbo", "is_enumerated"]

Weights = tuple[float, Tensor | float]
Place = frozenset[str]  # the plates of a site, as Pyro's symbols for their dimensions
Packed = Any  # a tensor without dimensions of size one, whose `_pyro_dims` names the others


class Enumerating:
    """A program whose marked discrete latents take all their values at once, side by side.

    The values of each such site lie along a dimension of their own, to the left of all plates.

    Args:
        program: model and guide.
        nesting: number of dimensions that plates take.
    """

    def __init__(self, program: Program, nesting: int) -> None:
        self.guide = poutine.enum(program.guide, first_available_dim=-1 - nesting)
        self.model = poutine.enum(program.model)  # further to the left than the guide's


def is_enumerated(*traces: Trace) -> bool:
    """Whether a site of these traces took all its values."""
    return any(_dimension(site) is not None for trace in traces for _, site in _samples(trace))


def enumerated_elbo(model: Trace, guide: Trace, weights: Weights = (1.0, 1.0)) -> Tensor:
    r"""One draw of the bound, with the marked discrete latents summed out.

    .. math:: L = E_{q(z)} \sum_y q(y|z)\left[\ln \sum_k p(x, k, y, z) - \ln q(y, z)\right]

    Here k are marked sites of the model that the guide lacks, y marked sites of the guide, and z
    all others. The sum over k is a contraction of tensors that follows the model's structure, so a
    chain in `pyro.markov` costs time linear in its length. Sites z that are not reparametrised get
    the score-function term. No closed-form KL is used. As everywhere in Pyro, sites outside a plate
    must not depend on sites inside it.

    Args:
        model: trace of an `Enumerating` program's model, replayed on `guide`.
        guide: trace of its guide.
        weights: of the observed sites and of the latent ones.

    Returns:
        A scalar whose value is the estimate and whose gradient is unbiased.

    Raises:
        ModelError: for weights other than one where sites of the model are summed out, as observed
            and latent sites then stand in one logarithm.

    Source: Obermeyer et al., Tensor Variable Elimination for Plated Factor Graphs (2019);
        Foerster et al., DiCE: The Infinitely Differentiable Monte-Carlo Estimator (2018).
    """
    model.compute_log_prob()
    guide.compute_score_parts()
    guide.pack_tensors()
    model.pack_tensors(guide.plate_to_symbol)
    costs = list(_model_costs(model, guide, weights))
    for _, site in _samples(guide):
        cost = packed.scale_and_mask(packed.neg(site["packed"]["log_prob"]), scale=weights[1])
        costs.append((_place(guide, site), cost))
    return _expectation(costs, list(_scores(guide)))


def _samples(trace: Trace) -> list[tuple[str, Any]]:
    return [(name, site) for name, site in trace.nodes.items() if site["type"] == "sample"]


def _dimension(site: Any) -> int | None:
    dimension: int | None = site["infer"].get("_enumerate_dim")
    return dimension


def _place(trace: Trace, site: Any) -> Place:
    stack = site["cond_indep_stack"]
    return frozenset(trace.plate_to_symbol[frame.name] for frame in stack if frame.vectorized)


def _summed(model: Trace, guide: Trace) -> dict[str, Any]:
    """The model's sites that took all their values by themselves."""
    return {
        name: site
        for name, site in _samples(model)
        if name not in guide.nodes and _dimension(site) is not None
    }


def _sum_dims(model: Trace, guide: Trace) -> set[str]:
    """Dimensions of those sites, as symbols."""
    dims: set[str] = set()
    for site in _summed(model, guide).values():
        dims.update(site["packed"]["log_prob"]._pyro_dims)
    for trace in (model, guide):
        for _, site in _samples(trace):
            dims -= _place(trace, site)
    for name, site in _samples(guide):
        if name in model.nodes:
            dims.difference_update(site["packed"]["log_prob"]._pyro_dims)
    return dims


def _model_costs(model: Trace, guide: Trace, weights: Weights) -> Iterator[tuple[Place, Packed]]:
    """Log probabilities of the model, its own enumerated sites summed out."""
    summed, dims = _summed(model, guide), _sum_dims(model, guide)
    factors: OrderedDict[Place, list[Packed]] = OrderedDict()
    for name, site in _samples(model):
        place = _place(guide, guide.nodes[name]) if name in guide.nodes else _place(model, site)
        log_prob, inside = site["packed"]["log_prob"], site["packed"]["unscaled_log_prob"]
        if name in summed:
            factors.setdefault(place, []).append(inside)
        elif dims.isdisjoint(log_prob._pyro_dims):
            weight = weights[0] if observes(site) else weights[1]
            yield place, packed.scale_and_mask(log_prob, scale=weight)
        else:  # the mask acts inside the logarithm of the sum, the scale outside
            inside = packed.scale_and_mask(inside, mask=site["packed"]["mask"])
            factors.setdefault(place, []).append(inside)
    if not summed:
        return
    name, site = next(iter(summed.items()))
    if not all(isinstance(weight, float | int) and weight == 1 for weight in weights):
        raise ModelError(
            f"The site {name!r} is summed out together with what depends on it, so reconstruction "
            "and KL term cannot be weighed apart. Use beta=1 and reconstruction=1, or give the "
            "guide a site of that name."
        )
    for place, terms in contract_tensor_tree(factors, dims, ring=LogRing()).items():
        for term in terms:
            yield place, packed.scale_and_mask(term, scale=site["scale"])


def _scores(guide: Trace) -> Iterator[tuple[Place, Packed]]:
    """Logarithms of what outcomes of a guide's site weigh, with the gradient of their density.

    An enumerated site's values weigh their probability; a draw weighs one.
    """
    for _, site in _samples(guide):
        score: Packed = site["packed"]["score_parts"].score_function
        if isinstance(score, Tensor):
            yield _place(guide, site), score if _dimension(site) is not None else _zero(score)


def _zero(score: Packed) -> Packed:
    """Zero, with the gradient of the score."""
    zero = score - score.detach()
    zero._pyro_dims = score._pyro_dims
    return zero


def _expectation(costs: list[tuple[Place, Packed]], scores: list[tuple[Place, Packed]]) -> Tensor:
    """The costs' sum, each weighed by the guide's outcomes that it may depend on."""
    total: Any = 0.0
    weights: dict[tuple[Place, str], Packed] = {}
    for place, cost in costs:
        upstream = [score for where, score in scores if where <= place]
        if not upstream:
            total = total + cost.sum()
            continue
        key = place, "".join(sorted(cost._pyro_dims))
        if key not in weights:
            rest = set().union(*(score._pyro_dims for score in upstream)).difference(key[1])
            log_weight = LogRing().sumproduct(upstream, rest)
            weights[key] = packed.exp(log_weight)
        weight, cost = packed.broadcast_all(weights[key], cost)
        # A value without probability counts nothing, even where its cost is infinite.
        total = total + (weight * torch.where(weight > 0, cost, 0.0)).sum()
    return total


def check_enumeration(program: Program, batch: Batch, weights: Weights, seen: Seen) -> None:
    """Try to sum out what is marked for it, and refuse what would fail or be wrong.

    Args:
        program: model and guide.
        batch: a first batch with its `Layout`.
        weights: of the observed sites and of the latent ones.
        seen: the program's sites.

    Raises:
        ModelError: for a mark or a distribution that cannot be enumerated, scales that differ
            between sites that are summed out together, a site that is not what it is where the
            discrete sites are drawn, and whatever fails in a try.
    """
    layout = batch.layout
    assert layout is not None
    marked = [
        s for s in seen.sites.values() if not s["is_observed"] and s["infer"].get("enumerate")
    ]
    for site in marked:
        _check_mark(site)
    if not marked:
        return
    with trying(program, batch):
        names = ", ".join(repr(site["name"]) for site in marked)
        try:
            with BatchScale(layout.plates, batch.total / batch.size):
                model, guide = traces(Enumerating(program, layout.nesting), batch)
            enumerated_elbo(model, guide, weights)
            for trace in (model, guide):
                for _, site in _samples(trace):
                    check_site_shape(site, layout.nesting)
            check_traceenum_requirements(model, guide)
            check_against_draws(program, Enumerating(program, layout.nesting), batch)
        except (PlausibleError, MemoryError):
            raise
        except Exception as error:
            raise ModelError(
                f"The discrete latent sites {names} cannot be summed out: "
                f"{reason_of(error)}. Index parameters with them "
                "by Vindex (pyro.ops.indexing), or remove their infer={'enumerate': ...}."
            ) from error
        _check_order(model, guide)
        _check_scales(model, guide)


def _check_mark(site: Any) -> None:
    name, mark = site["name"], site["infer"]["enumerate"]
    if mark != "parallel" or site["infer"].get("num_samples"):
        raise ModelError(
            f"The site {name!r} is marked infer={{'enumerate': {mark!r}, ...}}, which is not "
            "supported here. Mark it infer={'enumerate': 'parallel'}, without num_samples."
        )
    if not getattr(site["fn"], "has_enumerate_support", False):
        raise ModelError(
            f"The site {name!r} ({type(site['fn']).__name__}) has infinitely many values and "
            "cannot be summed out. Remove its infer={'enumerate': ...} and draw it in the guide."
        )


def _check_order(model: Trace, guide: Trace) -> None:
    """The guide must not enumerate within plates that a site of the model's own is outside of."""
    for outer, site in _summed(model, guide).items():
        for name, inner in _samples(guide):
            if _dimension(inner) is not None and not _place(guide, inner) <= _place(model, site):
                raise ModelError(
                    f"The model sums out {outer!r} outside a plate that the guide's {name!r} lies "
                    f"in. Draw {outer!r} in the guide too."
                )


def _check_scales(model: Trace, guide: Trace) -> None:
    """All sites under one logarithm need one scale, which must be a number."""
    dims = _sum_dims(model, guide)
    scales: dict[float, str] = {}
    for name, site in _samples(model):
        if not dims.isdisjoint(site["packed"]["log_prob"]._pyro_dims):
            if torch.as_tensor(site["scale"]).numel() > 1:
                raise ModelError(
                    f"The site {name!r} has a scale for each datum, and depends on a site that is "
                    "summed out. Use one number for poutine.scale."
                )
            scales.setdefault(float(site["scale"]), name)
    if len(scales) > 1:
        one, other = list(scales.values())[:2]
        raise ModelError(
            f"The sites {one!r} and {other!r} are summed out together, but have different scales, "
            "as one lies in the plate over the data and the other does not. Pass batch_size=None, "
            "or draw the outer one in the guide."
        )
