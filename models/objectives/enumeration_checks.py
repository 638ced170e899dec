"""Discrete sites that are summed out, held against runs of the same program that draw them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.tracing import Fixed, Program, traces, trying

__all__ = ["STATES", "SetTo", "check_against_draws", "combination", "is_same_at_draw"]

# The states of discrete sites at which their sum is checked: drawn, or all at one of their values.
STATES = (None, None, None, 0, 1, -1)
# All values side by side pass through matrix products of other sizes, which round differently.
_TOLERANCE, _TOLERANCE_ON_GPU = 1e-3, 1e-2


class SetTo(Messenger):
    """Set all elements of discrete sites to the value at this place of their support, or to draws.

    Args:
        names: the sites.
        k: the place; from the end where it is negative. None leaves them to be drawn.
    """

    def __init__(self, names: Sequence[str], k: int | None) -> None:
        super().__init__()
        self.names, self.k = names, k

    def _pyro_sample(self, msg: Any) -> None:
        if self.k is not None and msg["name"] in self.names:
            support = msg["fn"].enumerate_support(expand=True)
            msg["value"] = support[self.k % len(support)]


def check_against_draws(program: Program, enumerating: Program, batch: Batch) -> None:
    """Refuse a program that has other log probabilities where discrete sites take all their values.

    At values that were drawn, every site's log probability must be that of the run that drew them.
    It is not where a program combines values of a summed-out site, as their sum over a plate:
    enumerated sites hold all values along a dimension of their own, which such operations take for
    draws. Modules are in evaluation mode inside. A site whose density is itself drawn at random
    cannot be judged, and passes.

    Args:
        program: model and guide.
        enumerating: the same with some discrete sites enumerated.
        batch: data.

    Raises:
        ModelError: names a site that combines values.
    """
    on_gpu = any(x.device.type != "cpu" for x in batch.args)
    tolerance = _TOLERANCE_ON_GPU if on_gpu else _TOLERANCE
    with trying(program, batch), _in_evaluation_mode(program):
        values = _latents(traces(program, batch))
        sites = {name: site for trace in traces(enumerating, batch) for name, site in _sites(trace)}
        discrete = tuple(n for n, s in sites.items() if s["infer"].get("_enumerate_dim"))
        with Fixed({name: value for name, value in values.items() if name not in discrete}):
            enumerated = _with_densities(enumerating, batch)
            for k in STATES:
                with SetTo(discrete, k):
                    drawn = _with_densities(program, batch)
                for name in _differing(enumerated, drawn, discrete, tolerance):
                    with Fixed(_latents(drawn)):
                        again = _with_densities(program, batch)
                    if name not in _differing(again, drawn, (), tolerance):
                        raise combination(name, discrete)


def is_same_at_draw(
    name: str, enumerated: Trace, drawn: Trace, discrete: Sequence[str], tolerance: float
) -> bool:
    """Whether a site has the log probability of a drawing run at the values drawn there.

    Args:
        name: the site.
        enumerated: a run in which the discrete sites hold all their values.
        drawn: one in which they were drawn.
        discrete: their names.
        tolerance: relative and absolute.
    """
    nodes: dict[str, Any] = enumerated.nodes
    log_prob: Tensor = nodes[name]["log_prob"]
    own = nodes[name]["infer"].get("_dim_to_id", {})
    for other in discrete:
        if other not in nodes:
            continue
        infer = nodes[other]["infer"]
        dim = infer["_enumerate_dim"]
        if own.get(dim) != infer["_dim_to_id"][dim] or log_prob.dim() < -dim:
            continue  # dimensions are used again along a Markov chain
        if log_prob.shape[dim] == 1:
            continue
        same: Tensor = nodes[other]["value"] == drawn.nodes[other]["value"]
        events = nodes[other]["fn"].event_dim
        if events:
            same = same.flatten(-events).all(-1)
        index = same.to(torch.uint8).argmax(dim, keepdim=True)
        full = torch.broadcast_shapes(index.shape, log_prob.shape)
        single = list(full)
        single[dim] = 1
        log_prob = log_prob.expand(full).gather(dim, index.expand(single))
    other_run: Tensor = drawn.nodes[name]["log_prob"]
    return torch.allclose(log_prob, other_run, rtol=tolerance, atol=tolerance, equal_nan=True)


def combination(name: str, discrete: Sequence[str]) -> ModelError:
    """The error for a site that combines values of discrete sites."""
    return ModelError(
        f"The site {name!r} combines values of the discrete latent sites "
        f"{', '.join(map(repr, discrete))}, as by sum, mean or stack, which are summed out one by "
        "one. Write what depends on them element by element, or give their combination a site of "
        "its own."
    )


def _with_densities(program: Program, batch: Batch) -> tuple[Trace, Trace]:
    both = traces(program, batch)
    for trace in both:
        trace.compute_log_prob()
    return both


def _differing(
    enumerated: tuple[Trace, Trace],
    drawn: tuple[Trace, Trace],
    discrete: Sequence[str],
    tolerance: float,
) -> list[str]:
    """Sites of the model, then of the guide, that are not the same at the draw."""
    return [
        name
        for one, other in zip(enumerated, drawn, strict=True)
        for name, _ in _sites(other)
        if not is_same_at_draw(name, one, other, discrete, tolerance)
    ]


def _sites(trace: Trace) -> list[tuple[str, Any]]:
    nodes: dict[str, Any] = trace.nodes
    return [
        (name, site)
        for name, site in nodes.items()
        if site["type"] == "sample" and not site["infer"].get("_deterministic")
    ]


def _latents(both: tuple[Trace, Trace]) -> dict[str, Tensor]:
    sites = [pair for trace in both for pair in _sites(trace)]
    return {name: site["value"] for name, site in sites if not site["is_observed"]}


@contextmanager
def _in_evaluation_mode(program: Program) -> Iterator[None]:
    """Without dropout, and without what a batch's statistics would mix."""
    modules = list(program.modules()) if isinstance(program, nn.Module) else []
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
