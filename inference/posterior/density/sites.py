"""The latent sites of a Pyro model: found in a run, set to values, mapped to unconstrained ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.distributions import biject_to

from plausible.models.errors import ModelError
from plausible.models.objectives.tracing import UNSIZED, is_computed

__all__ = [
    "Inverted",
    "RandomLatents",
    "SetLatents",
    "Site",
    "Unconstrained",
    "samples",
    "site_of",
]

_RADIUS = 2.0


@dataclass(frozen=True)
class Site:
    """A site as the user sees it.

    Attributes:
        shape: of its value, constrained.
        dims: a name for every dimension: the plate's, or `<site>_dim_0` and so on.
        in_plate: whether it lies in a plate.
    """

    shape: torch.Size
    dims: tuple[str, ...]
    in_plate: bool


class Unconstrained(Messenger):
    """Set latent sites from unconstrained values, and add up the logarithms of the Jacobians."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = values
        self.log_jacobian: Tensor | float = 0.0
        self._observed: set[str] = set()

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"]:
            self._observed.add(msg["name"])
            return
        self._give_prior(msg)
        if msg["name"] in self.values:
            _trace_it(msg)
            transform = biject_to(msg["fn"].support)
            start = self.values[msg["name"]]
            msg["value"] = transform(start)
            density = transform.log_abs_det_jacobian(start, msg["value"])
            self.log_jacobian = self.log_jacobian + density.sum()

    def _give_prior(self, msg: Any) -> None:
        """Let the entries that `obs_mask` has observed keep their density in the latent site.

        Pyro masks it, so it would be improper over them. Nothing reads them, and a density
        integrates to one, so all else has the posterior that it should have.
        """
        base = msg["name"].removesuffix("_unobserved")
        if base != msg["name"] and f"{base}_observed" in self._observed:
            msg["mask"] = None


class RandomLatents(Messenger):
    """Set continuous latent sites to random values, and remember their unconstrained shapes.

    Raises:
        ModelError: at a site that cannot be sampled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shapes: dict[str, torch.Size] = {}

    def _pyro_sample(self, msg: Any) -> None:
        name, fn = msg["name"], msg["fn"]
        if msg["is_observed"] or msg["value"] is not None or _is_subsample(fn):
            return
        if isinstance(_inner(fn), dist.VonMises | dist.SineBivariateVonMises):
            raise ModelError(
                f"The latent site {name!r} is a VonMises: angles that differ by a whole turn are "
                "the same, so its density over all numbers is improper. Draw a direction as two "
                "standard normals instead, and score its angle with pyro.factor."
            )
        if isinstance(fn, dist.Delta):
            raise ModelError(
                f"The latent site {name!r} is a Delta, which has one value only. "
                f"Write pyro.deterministic({name!r}, value)."
            )
        try:
            if fn.has_enumerate_support or fn.support.is_discrete:
                return
            transform = biject_to(fn.support)
            shape = torch.Size(transform.inverse_shape(fn.shape()))
            start = torch.empty(shape).uniform_(-_RADIUS, _RADIUS)
            msg["value"] = transform(start)
            transform.log_abs_det_jacobian(start, msg["value"])
        except NotImplementedError:
            raise ModelError(
                f"The latent site {name!r} ({type(fn).__name__}) has a support that cannot be "
                "mapped to unconstrained values. Use another distribution, or a latent site "
                "that can be mapped and pyro.factor."
            ) from None
        self.shapes[name] = shape
        _trace_it(msg)


class SetLatents(Messenger):
    """Set latent sites to constrained values, which other handlers may look at."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values and not msg["is_observed"]:
            msg["value"] = self.values[msg["name"]]  # not done: enumeration has to see the site


class Inverted(Messenger):
    """Set latent sites to constrained values, and remember those without constraints."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.values = values
        self.unconstrained: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.values and not msg["is_observed"]:
            _trace_it(msg)
            msg["value"] = self.values[msg["name"]]
            inverse = biject_to(msg["fn"].support).inv
            self.unconstrained[msg["name"]] = inverse(msg["value"])


def _trace_it(msg: Any) -> None:
    """Let traces hold a latent site that `ConjugateReparam` hides from them."""
    msg["infer"] = {k: v for k, v in msg["infer"].items() if k != "_do_not_trace"}


def samples(trace: Trace) -> dict[str, Any]:
    """The sites of `pyro.sample`, `pyro.factor` and `pyro.deterministic`, by name."""
    nodes: dict[str, Any] = trace.nodes
    return {
        name: site
        for name, site in nodes.items()
        if site["type"] == "sample" and not _is_subsample(site["fn"])
    }


def site_of(name: str, site: Any) -> Site:
    """Shape and dimension names of a site.

    Pyro takes all dimensions of a `pyro.deterministic` value for event dimensions, also inside
    plates, unless its arguments say otherwise: the last ones belong to the plates of the same
    sizes.
    """
    fn = site["fn"]
    shape, events = fn.shape(), len(fn.event_shape)
    if is_computed(site):
        shape = site["value"].shape
        events = 0 if events == len(shape) else events
    plates = {frame.dim: frame for frame in site["cond_indep_stack"] if frame.vectorized}
    dims: list[str | None] = []
    for position, size in enumerate(shape):
        frame = plates.get(position - len(shape) + events)
        dims.append(frame.name if frame is not None and frame.size in (UNSIZED, size) else None)
    unnamed = iter(range(len(dims)))
    named = tuple(dim or f"{name}_dim_{next(unnamed)}" for dim in dims)
    return Site(shape, named, bool(plates))


def _inner(fn: Any) -> Any:
    while isinstance(fn, dist.MaskedDistribution | torch.distributions.Independent) or (
        type(fn).__name__ == "ExpandedDistribution"
    ):
        fn = fn.base_dist
    return fn


def _is_subsample(fn: Any) -> bool:
    return not isinstance(fn, TorchDistributionMixin)
