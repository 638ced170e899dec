"""What every datum adds to a program's joint density and to its guide's, from their traces."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.distributions import Delta, Independent, MaskedDistribution
from pyro.ops import packed
from pyro.ops.contract import contract_tensor_tree
from pyro.ops.rings import LogRing
from pyro.poutine import Trace
from torch import Tensor
from torch.distributions import kl_divergence

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.tracing import (
    Fixed,
    Program,
    is_computed,
    observes,
    rows,
    traces,
)

__all__ = [
    "Summing",
    "at_draw",
    "check_sites",
    "densities",
    "drawn",
    "is_summed_out",
    "kl",
    "log_joint",
    "samples",
]

PARTICLES = "_particles"
Site = Any  # what Pyro's traces hold of one `pyro.sample`


class Summing:
    """A program whose model sums out what is marked for it; a dimension is left for particles.

    Args:
        program: model and guide.
        nesting: number of dimensions that plates take.
    """

    def __init__(self, program: Program, nesting: int) -> None:
        self.guide = program.guide
        self.model = poutine.enum(program.model, first_available_dim=-2 - nesting)


def samples(trace: Trace) -> dict[str, Site]:
    """The sites with a log probability, by name."""
    nodes: dict[str, Site] = trace.nodes
    return {
        name: site
        for name, site in nodes.items()
        if site["type"] == "sample" and not site["infer"].get("_deterministic")
    }


def drawn(program: Program, batch: Batch, particles: int | None = None) -> tuple[Trace, Trace]:
    """Traces of the model and of the guide whose draws it is run on.

    Discrete sites of the model that are marked `infer={"enumerate": "parallel"}` and that the guide
    lacks take all their values; those of the guide are drawn.

    Args:
        program: model and guide.
        batch: data with their `Layout`.
        particles: draws side by side, along a dimension to the left of all plates; None for one
            draw without such a dimension.
    """
    assert batch.layout is not None
    free = -1 - batch.layout.nesting
    plate = nullcontext() if particles is None else pyro.plate(PARTICLES, particles, dim=free)
    with plate:
        model, guide = traces(Summing(program, batch.layout.nesting), batch)
    for trace in (model, guide):
        trace.compute_log_prob()
    guide.pack_tensors()
    model.pack_tensors(guide.plate_to_symbol)
    return model, guide


def at_draw(program: Program, batch: Batch, guide: Trace, particle: int) -> tuple[Trace, Trace]:
    """Traces as those of `drawn` without particles, at one of the draws of a guide's trace."""
    assert batch.layout is not None
    values = {}
    for name, site in samples(guide).items():
        dim, value = -1 - batch.layout.nesting - site["fn"].event_dim, site["value"]
        has_particles = value.dim() >= -dim and value.shape[dim] > 1
        values[name] = value.select(dim, particle) if has_particles else value
    with Fixed(values):
        return drawn(program, batch)


def is_summed_out(site: Site) -> bool:
    """Whether a site took all its values."""
    return site["infer"].get("_enumerate_dim") is not None


def check_sites(model: Trace, guide: Trace, layout: Layout) -> None:
    """Refuse what gives single data no density of their own, or no bound on it.

    Raises:
        ModelError: if a site lies outside the plate over the data, or the guide puts a latent to a
            point.
    """
    for name, site in (samples(model) | samples(guide)).items():
        if layout.dim is None or not _is_inside(site, layout):
            kind = "observed" if site["is_observed"] else "latent"
            raise ModelError(
                f"The {kind} site {name!r} does not lie in one plate over the data, so single data "
                "have no likelihood of their own. Models are evaluated whose sites all lie in one "
                "`with pyro.plate('data', len(x)):`; for latents that all data share take "
                "sample_posterior, or train with the Renyi objective, whose loss is a bound."
            )
    if any(site["infer"].get("is_auxiliary") for site in samples(guide).values()):
        return  # an autoguide draws all latents at once, and sets each to its part
    for name, site in samples(guide).items():
        if _is_point(site) and not _is_point(model.nodes[name]):
            raise ModelError(
                f"The guide puts {name!r} to one point, which bounds no likelihood. Give a guide "
                "with a density, or compare what the model generates with data."
            )


def densities(model: Trace, guide: Trace, layout: Layout) -> tuple[Tensor, Tensor]:
    """Of every datum, and every particle: ln p(x, z) and ln q(z), each of shape (K, B) or (B)."""
    own = samples(guide).values()
    return log_joint(model, layout), _total(guide, [_inside(site) for site in own], layout)


def log_joint(
    model: Trace, layout: Layout, which: Callable[[Site], bool] = lambda site: True
) -> Tensor:
    r"""The log density of some sites for every datum, summed over all values of what is summed out.

    .. math:: \ln \sum_k p(x, k, z)

    Args:
        model: from `drawn`.
        layout: how its sites lie in plates.
        which: sites that count; without the observed ones it is ln p(z).

    Returns:
        Shape (K, B), or (B,) without particles.
    """
    symbols = set(model.plate_to_symbol.values())
    factors: OrderedDict[frozenset[str], list[Any]] = OrderedDict()
    terms, sums = [], set()
    for site in samples(model).values():
        term = _inside(site)
        own = set(term._pyro_dims) - symbols
        if not which(site):
            continue
        if own:
            stack = site["cond_indep_stack"]
            place = frozenset(model.plate_to_symbol[f.name] for f in stack if f.vectorized)
            factors.setdefault(place, []).append(term)
            sums |= own
        else:
            terms.append(term)
    if factors:
        for contracted in contract_tensor_tree(factors, sums, ring=LogRing()).values():
            terms += contracted
    return _total(model, terms, layout)


def kl(model: Trace, guide: Trace, layout: Layout) -> Tensor:
    """KL(q || p) of the latents for every datum, shape (B,), at one draw.

    In closed form where PyTorch knows it and the sites come in one order in model and guide, else
    ln q - ln p at the draw.

    Args:
        model, guide: from `drawn`, without particles.
        layout: how their sites lie in plates.
    """
    latent = [name for name, site in samples(model).items() if not site["is_observed"]]
    names = list(samples(guide))
    rewritten = any(is_computed(site) for site in samples(model).values())
    summed_out = any(is_summed_out(model.nodes[name]) for name in latent)
    if summed_out or rewritten or latent != names:
        log_q = _total(guide, [_inside(site) for site in samples(guide).values()], layout)
        return log_q - log_joint(model, layout, lambda site: not observes(site))
    terms = []
    for name in names:
        p, q = model.nodes[name], guide.nodes[name]
        exact = _closed_form(p, q)
        terms += [_inside(q), packed.neg(_inside(p))] if exact is None else [exact]
    return _total(guide, terms, layout)


def _closed_form(p: Site, q: Site) -> Tensor | None:
    """The divergence of one site, packed as its log probability is."""
    plain = p["mask"] is None and q["mask"] is None
    if not plain or any(isinstance(_bare(s["fn"]), Delta | MaskedDistribution) for s in (p, q)):
        return None
    try:
        divergence = kl_divergence(q["fn"], p["fn"])
    except NotImplementedError:
        return None
    if divergence.shape != q["unscaled_log_prob"].shape:
        return None
    exact: Tensor = packed.pack(divergence, q["infer"]["_dim_to_symbol"])
    return exact


def _is_inside(site: Site, layout: Layout) -> bool:
    return any(frame.name in layout.plates for frame in site["cond_indep_stack"])


def _is_point(site: Site) -> bool:
    return isinstance(_bare(site["fn"]), Delta)


def _bare(distribution: Any) -> Any:
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    return distribution


def _inside(site: Site) -> Any:
    """A site's log probability without `poutine.scale`: a power of a density is not a density."""
    parts = site["packed"]
    return packed.scale_and_mask(parts["unscaled_log_prob"], mask=parts["mask"])


def _total(trace: Trace, terms: list[Any], layout: Layout) -> Tensor:
    """The sum of packed terms for every particle and datum."""
    sites = samples(trace)
    frames = {f.name: f for s in sites.values() for f in s["cond_indep_stack"]}
    kept = [f for name, f in frames.items() if name == PARTICLES or name in layout.plates]
    kept.sort(key=lambda frame: frame.name != PARTICLES)
    symbols = [trace.plate_to_symbol[frame.name] for frame in kept]
    stacks = [(site, frame) for site in sites.values() for frame in site["cond_indep_stack"]]
    shape = [max(rows(s, f) for s, f in stacks if f.name == frame.name) for frame in kept]
    total = torch.zeros(())
    for site in sites.values():
        total = site["log_prob"].new_zeros(shape)
    for term in terms:
        summed = [d for d, symbol in enumerate(term._pyro_dims) if symbol not in symbols]
        rest = [symbol for symbol in term._pyro_dims if symbol in symbols]
        value = term.sum(summed) if summed else term
        order = [rest.index(symbol) for symbol in symbols if symbol in rest]
        sizes = [n if s in rest else 1 for s, n in zip(symbols, shape, strict=True)]
        total = total + value.permute(order).reshape(sizes)
    return total
