"""Checks that what a model observes depends on data as minibatches may have them."""

from typing import Any

import torch
from pyro import poutine
from pyro.poutine import Trace
from pyro.poutine.util import prune_subsample_sites
from torch import Tensor

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.tracing import Fixed, Program, Seen, observes, traces, trying

__all__ = ["check_unplated_sums"]

_TOLERANCE = 1e-3
_GROWTH = 1.5
_ROUNDING = 3e-5  # of float32 sums in another order, with room


def check_unplated_sums(program: Program, batch: Batch, layout: Layout, seen: Seen) -> None:
    """Refuse a model in which an observed site outside the plate over the batch sums over data.

    Sites inside are scaled by N/B and this one is not, so it would weigh less the smaller the
    batch. Half of the batch is passed to the model once and twice over, with the same latents: a
    sum over data doubles, while a mean over them, or what depends on global latents only, stays.
    With `scale_plates=False` the model scales, so that no observed site may double. What cannot be
    judged so passes: a site that draws at random by itself, one that is zero, a sum next to a
    larger term that stays, and a model that does not run on the half.

    Refused too is what depends on the order of the data, as a sum with weights that decay does, or
    a density of each datum given the one before: minibatches come shuffled.

    Args:
        program: model and guide.
        batch: a batch that is a part of the data.
        layout: of the program's sites.
        seen: its sites.

    Raises:
        ModelError: if an observed site grows when every datum comes twice, or if all of them
            together are another when the data come in turned order.
    """
    names = _unplated(seen, layout)
    if (batch.scale_plates and not layout.plates) or batch.size < 2:
        return
    with trying(program, batch):
        half = tuple(x[: batch.size // 2] for x in batch.args)
        twice = tuple(torch.cat([x, x]) for x in half)
        try:
            model, _ = traces(program, Batch(half, batch.context, batch.total))
            latent = {n: s for n, s in _samples(model).items() if not s["is_observed"]}
            values = {n: site["value"] for n, site in latent.items()}
            doubled = {n: _doubled(site, layout) for n, site in latent.items()}
            once, again, double = (
                _densities(program, batch, args, given)
                for args, given in ((half, values), (half, values), (twice, doubled))
            )
            turned = _densities(
                program,
                batch,
                tuple(x.flip(0) for x in half),
                {n: _turned(site, layout) for n, site in latent.items()},
            )
        except (RuntimeError, ValueError, IndexError):
            return
    if all(_follows(site) for site in latent.values()):
        _check_order(once, again, turned)
    for name in names & once.keys():
        size = abs(once[name])
        same = abs(again[name] - once[name]) < _TOLERANCE * size
        if same and abs(double[name]) > _GROWTH * size:
            if not batch.scale_plates:
                raise ModelError(
                    f"scale_plates=False leaves the scaling by N/B to the model, but its observed "
                    f"site {name!r} is twice as large where every datum comes twice. Leave "
                    "scale_plates out, or put the site into poutine.scale(scale=N / len(x))."
                )
            raise ModelError(
                f"The observed site {name!r} lies outside the plate over the data but sums over "
                "them, so its weight would depend on the size of the batch. Put it into the plate "
                f"(`with pyro.plate('data', len(x)): pyro.factor({name!r}, ...)`, one value for "
                "each datum), or pass batch_size=None."
            )


def _check_order(once: dict[str, float], again: dict[str, float], turned: dict[str, float]) -> None:
    """Refuse log probabilities whose sum is another where the data come in turned order."""
    if once.keys() != turned.keys():
        return
    size = _ROUNDING * max(1e-6, sum(abs(value) for value in once.values()))
    if abs(sum(again.values()) - sum(once.values())) > size:
        return
    if abs(sum(turned.values()) - sum(once.values())) > size:
        name = max(once, key=lambda name: abs(turned[name] - once[name]))
        raise ModelError(
            f"The log probability of the site {name!r} depends on the order of the data, and "
            "minibatches come shuffled. Make what orders them (a time, the datum before) a part of "
            "each row, or pass batch_size=None."
        )


def _follows(site: Any) -> bool:
    """Whether a latent's values can be put in another order with the data."""
    frames = site["cond_indep_stack"]
    return all(f.vectorized and f.full_size in (None, f.size) for f in frames)


def _turned(site: Any, layout: Layout) -> Tensor:
    """A latent's value for data in turned order."""
    value: Tensor = site["value"]
    for frame in site["cond_indep_stack"]:
        dim = frame.dim - site["fn"].event_dim if frame.vectorized else 0
        if frame.name in layout.plates and frame.vectorized and value.dim() >= -dim:
            value = value.flip(dim)
    return value


def _samples(trace: Trace) -> dict[str, Any]:
    return {name: site for name, site in trace.nodes.items() if site["type"] == "sample"}


def _unplated(seen: Seen, layout: Layout) -> set[str]:
    """Observed sites in no plate over the batch, and in none that Pyro scales."""
    names = set()
    for name, site in seen.sites.items():
        frames = site["cond_indep_stack"]
        scaled = any(f.name in layout.plates or f.full_size not in (None, f.size) for f in frames)
        if observes(site) and not scaled:
            names.add(name)
    return names


def _doubled(site: Any, layout: Layout) -> Tensor:
    """A latent's value for data that come twice."""
    value: Tensor = site["value"]
    for frame in site["cond_indep_stack"]:
        if frame.name in layout.plates and frame.vectorized:
            value = torch.cat([value, value], frame.dim - site["fn"].event_dim)
    return value


def _densities(
    program: Program, batch: Batch, args: tuple[Tensor, ...], values: dict[str, Tensor]
) -> dict[str, float]:
    with Fixed(values):
        trace = poutine.trace(program.model).get_trace(*args, **batch.context)
    trace = prune_subsample_sites(trace)
    trace.compute_log_prob()
    return {name: float(site["log_prob_sum"]) for name, site in _samples(trace).items()}
