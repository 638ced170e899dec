"""Runs of model and guide: traces, sites that were seen, and tries that leave nothing changed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import prune_subsample_sites, site_is_subsample
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from plausible.models.objectives.batch import Batch

__all__ = [
    "UNSIZED",
    "BatchScale",
    "Fixed",
    "Program",
    "Seen",
    "innermost",
    "is_computed",
    "is_validated",
    "observes",
    "probing",
    "rows",
    "traces",
    "trying",
]

UNSIZED = -1  # what Pyro gives a plate that has no size


class Program(Protocol):
    """Anything with a Pyro model and a guide."""

    def model(self, *args: Any, **kwargs: Any) -> Any: ...

    def guide(self, *args: Any, **kwargs: Any) -> Any: ...


class BatchScale(Messenger):
    """Multiply the log probabilities inside the named plates by a factor, N/B for minibatches."""

    def __init__(self, plates: frozenset[str], factor: float) -> None:
        super().__init__()
        self.plates, self.factor = plates, factor

    def _pyro_sample(self, msg: Any) -> None:
        if any(frame.name in self.plates for frame in msg["cond_indep_stack"]):
            msg["scale"] = msg["scale"] * self.factor


class Fixed(Messenger):
    """Set latent sites to values."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values and not msg["is_observed"]:
            msg["value"], msg["done"] = self.values[msg["name"]], True


class Seen(Messenger):
    """Remember the sites of all runs inside, by name; `sites` holds the last message of each."""

    def __init__(self) -> None:
        super().__init__()
        self.sites: dict[str, Any] = {}

    def _pyro_post_sample(self, msg: Any) -> None:
        if not site_is_subsample(msg):
            self.sites[msg["name"]] = msg


def is_computed(site: Any) -> bool:
    """Whether a site names a value that others determine, and observes nothing.

    So it is with `pyro.deterministic`, and with latent sites that `poutine.reparam` has rewritten:
    Pyro marks them as observed, with a Delta of the value itself, which holds what is left of the
    site's log density.
    """
    if site["infer"].get("_deterministic"):
        return True
    fn = site["fn"]
    while isinstance(fn, dist.MaskedDistribution | dist.Independent):
        fn = fn.base_dist
    return bool(site["is_observed"]) and isinstance(fn, dist.Delta) and fn.v is site["value"]


def observes(site: Any) -> bool:
    """Whether a site scores data."""
    return bool(site["is_observed"]) and not is_computed(site)


def traces(program: Program, batch: Batch) -> tuple[Trace, Trace]:
    """Run the guide, then the model on the guide's draws; returns (model trace, guide trace)."""
    guide = poutine.trace(program.guide).get_trace(*batch.args, **batch.context)
    replayed = poutine.replay(program.model, trace=guide)
    model = poutine.trace(replayed).get_trace(*batch.args, **batch.context)
    return prune_subsample_sites(model), prune_subsample_sites(guide)


def rows(site: Any, frame: Any) -> int:
    """How many rows a site has along a plate: the plate's size, or its own where that has none."""
    if frame.size != UNSIZED:
        return int(frame.size)
    shape = site["log_prob"].shape
    return int(shape[frame.dim]) if len(shape) >= -frame.dim else 1


def is_validated(distribution: Any) -> bool:
    """Whether values are held against the support, unless `validate_args=False` was written.

    It can be told only of distributions made while Pyro's checks are on, as in `probing`.
    """
    return bool(innermost(distribution)._validate_args)


def innermost(distribution: Any) -> Any:
    """A distribution without what only gives it another shape or a mask."""
    wrappers = dist.Independent, dist.ExpandedDistribution, dist.MaskedDistribution
    while isinstance(distribution, wrappers):
        distribution = distribution.base_dist
    return distribution


@contextmanager
def probing(program: Program | nn.Module) -> Iterator[None]:
    """Run with Pyro's checks on, and leave a program's or module's buffers as they were."""
    buffers = list(program.buffers()) if isinstance(program, nn.Module) else []
    buffers = [buffer for buffer in buffers if not is_lazy(buffer)]
    saved = [buffer.clone() for buffer in buffers]
    try:
        with torch.no_grad(), pyro.validation_enabled(True):
            yield
    finally:
        for buffer, value in zip(buffers, saved, strict=True):
            buffer.copy_(value)


@contextmanager
def trying(program: Program, batch: Batch) -> Iterator[None]:
    """`probing`, after which the random state is as before too."""
    devices = {x.device for x in batch.args if x.is_cuda}
    with torch.random.fork_rng(list(devices)), probing(program):
        yield
