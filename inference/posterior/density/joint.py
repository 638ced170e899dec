"""A Pyro model with its data as a log joint density over unconstrained latent values."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pyro import poutine
from pyro.infer import config_enumerate
from pyro.infer.mcmc.util import TraceEinsumEvaluator
from pyro.poutine import Trace
from pyro.util import check_site_shape
from torch import Tensor

from plausible.inference.posterior.density.checks import (
    check_latents,
    check_plates,
    check_rewritten,
    example_outside,
    outside_support,
    rewritten,
    unvalidated,
)
from plausible.inference.posterior.density.double import frozen, in_float64
from plausible.inference.posterior.density.sites import (
    Inverted,
    RandomLatents,
    SetLatents,
    Site,
    Unconstrained,
    samples,
    site_of,
)
from plausible.models.base import Model
from plausible.models.errors import DataError, ModelError, PlausibleError
from plausible.models.objectives.enumeration_checks import (
    STATES,
    SetTo,
    combination,
    is_same_at_draw,
)
from plausible.models.objectives.tracing import is_computed

__all__ = ["Joint"]

_SUPPORT_TRIES = 10
_TOLERANCE = 1e-8
_LONGEST_REASON = 300


class Joint:
    """The log joint density of a model and its data. Everything here runs inside `in_double`.

        ln p(x, θ(u)) + ln |det ∂θ/∂u|

    with u the unconstrained latents and θ(u) their values in the model. Discrete latent sites of
    finite support are summed out.

    Attributes:
        latents: the continuous latent sites, in the order in which the model draws them.
        observed: the observed sites, each with its value.
        deterministic: the `pyro.deterministic` sites that depend on no summed-out site.
        conditional: those that do.
        enumerated: the discrete latent sites, which are summed out.
        discrete: the same, with shape and dimension names.
        program: the model, in float64 and with its parameters.
        nesting: number of dimensions that plates take.

    Raises:
        DataError: if the data do not fit the model.
        ModelError: if the model has no latent site, or one that cannot be sampled.
    """

    def __init__(self, model: Any, data: tuple[Tensor, ...], context: Mapping[str, Any]) -> None:
        self.program, self._data = _callable(model), data
        self._context = {name: frozen(x, torch.float64) for name, x in context.items()}
        with torch.no_grad():
            trace, self._shapes = self._run_at_random()
            values = {n: s["value"] for n, s in trace.nodes.items() if s["type"] == "param"}
            self.parameters = {name: in_float64(value).detach() for name, value in values.items()}
            self.program = poutine.substitute(self.program, data=self.parameters)
            sites = samples(trace)
            check_plates(sites)
            if rewritten(sites):
                check_rewritten(sites, self.at_random())
            stacks = [frame for site in sites.values() for frame in site["cond_indep_stack"]]
            self.nesting = max((-frame.dim for frame in stacks if frame.vectorized), default=0)
            self.latents = {name: site_of(name, sites[name]) for name in self._shapes}
            self.enumerated = tuple(
                name
                for name, site in sites.items()
                if not site["is_observed"] and name not in self._shapes
            )
            check_latents(self.latents, self.enumerated, sites)
            self.observed: dict[str, tuple[Site, Tensor]] = {
                name: (site_of(name, site), site["value"].detach().expand(site["fn"].shape()))
                for name, site in sites.items()
                if site["is_observed"] and not is_computed(site) and site["value"].numel()
            }
            self._check_supports(sites)
            self.deterministic = self._deterministic(sites)
            self.discrete = {name: site_of(name, sites[name]) for name in self.enumerated}
            self.conditional = {
                name: site_of(name, site)
                for name, site in sites.items()
                if is_computed(site) and name not in self.deterministic
            }
            self._check_nothing_hidden()

    @property
    def size(self) -> int:
        """Length of the vector of unconstrained latent values."""
        return sum(shape.numel() for shape in self._shapes.values())

    @property
    def sites(self) -> dict[str, Site]:
        """All sites that the user sees."""
        observed = {name: site for name, (site, _) in self.observed.items()}
        latent = {**self.latents, **self.deterministic, **self.discrete, **self.conditional}
        return {**latent, **observed}

    def __call__(self, vector: Tensor) -> Tensor:
        """The log joint density at an unconstrained vector; a scalar."""
        trace, jacobian = self._at(vector)
        evaluator = TraceEinsumEvaluator(trace, bool(self.enumerated), self.nesting)
        return evaluator.log_prob(trace) + jacobian

    def values(self, vector: Tensor) -> dict[str, Tensor]:
        """Latent and deterministic sites at an unconstrained vector."""
        nodes: dict[str, Any] = self._at(vector)[0].nodes
        sites = {**self.latents, **self.deterministic}
        return {name: nodes[name]["value"].expand(s.shape) for name, s in sites.items()}

    def unconstrained(self, values: Mapping[str, Tensor]) -> Tensor:
        """The vector at which the latent sites have these values."""
        with Inverted(values) as inverted:
            self._trace()
        parts = [inverted.unconstrained[name].reshape(-1) for name in self._shapes]
        return torch.cat(parts)

    def trace(self, values: Mapping[str, Tensor], enumerate: bool = False) -> Trace:
        """A run at latent values; discrete sites may take all theirs."""
        with SetLatents(values):
            return self._trace(enumerate)

    def traced(self, program: Callable[..., Any]) -> Trace:
        """A run of a program on the model's data."""
        return poutine.trace(program).get_trace(*self._data, **self._context)

    def at_random(self) -> dict[str, Any]:
        """The sites of a run at random latent values."""
        return samples(self._run_at_random()[0])

    def by_site(self, vector: Tensor) -> dict[str, float]:
        """The log probability of every site that is not summed out, at one point."""
        trace, _ = self._at(vector)
        trace.compute_log_prob()
        return {name: float(site["log_prob"].sum()) for name, site in samples(trace).items()}

    def site_at(self, position: int) -> str:
        """The latent site that this place in the vector belongs to."""
        for name, shape in self._shapes.items():
            position -= shape.numel()
            if position < 0:
                return name
        raise IndexError(position)

    def _at(self, vector: Tensor, enumerate: bool = True) -> tuple[Trace, Tensor | float]:
        parts = vector.split([shape.numel() for shape in self._shapes.values()])
        pairs = zip(self._shapes.items(), parts, strict=True)
        with Unconstrained({name: part.view(shape) for (name, shape), part in pairs}) as latent:
            trace = self._trace(enumerate)
        drawn = {name for name, site in samples(trace).items() if not site["is_observed"]}
        expected = {*self.latents, *self.enumerated}
        if drawn != expected:
            raise ModelError(
                f"The latent site {min(drawn ^ expected)!r} is drawn for some values of the others "
                "only. A sampler needs the same latent sites everywhere: draw it always, and use "
                "torch.where."
            )
        return trace, latent.log_jacobian

    def _trace(self, enumerate: bool = True) -> Trace:
        program = self.program
        if self.enumerated and enumerate:
            program = poutine.enum(config_enumerate(program), first_available_dim=-1 - self.nesting)
        return self.traced(program)

    def _run_at_random(self) -> tuple[Trace, dict[str, torch.Size]]:
        """A run from random latent values; the errors of the model's own are explained."""
        try:
            with RandomLatents() as latents:
                trace = poutine.trace(self.program).get_trace(*self._data, **self._context)
            trace.compute_log_prob()
            for name, site in samples(trace).items():
                if not isinstance(site["value"], Tensor):
                    raise ModelError(
                        f"Site {name!r} observes {site['value']!r}, a "
                        f"{type(site['value']).__name__}. Observe a tensor: torch.tensor(...)."
                    )
                check_site_shape(site, sys.maxsize)
        except (PlausibleError, MemoryError):
            raise
        except Exception as error:
            text = str(error).partition("Trace Shapes:")[0]
            raise ModelError(_explained(self._data, text or type(error).__name__)) from error
        return trace, latents.shapes

    def _check_supports(self, sites: Mapping[str, Any]) -> None:
        """Refuse observed values outside their support, whatever the latent values."""
        outside = outside_support(sites)
        if outside:
            outside -= unvalidated(self.program, self._data, self._context)
        for _ in range(_SUPPORT_TRIES):
            others = self.at_random() if outside else {}
            # A support that follows latent values may hold the data at values not met here.
            outside = {
                name
                for name in outside & outside_support(others)
                if str(others[name]["fn"].support) == str(sites[name]["fn"].support)
            }
            if not outside:
                return
        name = min(outside)
        support = sites[name]["fn"].support
        raise DataError(
            f"Site {name!r} observes values outside its support ({support}), for example "
            f"{example_outside(support, sites[name]['value'])}."
        )

    def _deterministic(self, sites: Mapping[str, Any]) -> dict[str, Site]:
        known = {n: site_of(n, site) for n, site in sites.items() if is_computed(site)}
        if not self.enumerated:
            return known
        try:
            nodes: dict[str, Any] = self._at(torch.zeros(self.size))[0].nodes
            self(torch.zeros(self.size))
        except (PlausibleError, MemoryError):
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:_LONGEST_REASON]
            raise ModelError(
                f"The discrete latent sites {', '.join(map(repr, self.enumerated))} cannot be "
                f"summed out: {reason}. Index parameters with them by Vindex (pyro.ops.indexing)."
            ) from error
        for name in self.enumerated:
            if nodes[name]["infer"].get("_enumerate_dim") is None:
                raise ModelError(
                    f"The discrete latent site {name!r} is enumerated one value at a time; "
                    "remove its infer={'enumerate': ...}."
                )
        known = {n: s for n, s in known.items() if nodes[n]["value"].shape == s.shape}
        for k in STATES:
            known = self._checked_against_draws(known, k)
        return known

    def _checked_against_draws(self, known: dict[str, Site], k: int | None) -> dict[str, Site]:
        """Compare the enumerated model with a run in which the discrete sites are drawn.

        Returns:
            The deterministic sites that have the same value.
        """
        vector = torch.empty(self.size).uniform_(-1.0, 1.0)
        enumerated, _ = self._at(vector)
        with SetTo(self.enumerated, k):
            plain, _ = self._at(vector, enumerate=False)
        for trace in (enumerated, plain):
            trace.compute_log_prob()
        for name, site in samples(plain).items():
            if not is_computed(site):
                if not is_same_at_draw(name, enumerated, plain, self.enumerated, _TOLERANCE):
                    raise combination(name, self.enumerated)
        summed, drawn = samples(enumerated), samples(plain)
        return {
            name: s
            for name, s in known.items()
            if torch.equal(summed[name]["value"], drawn[name]["value"])
        }

    def _check_nothing_hidden(self) -> None:
        """Refuse a density that is another at the same point."""
        if not self.size:
            return
        vector = torch.empty(self.size).uniform_(-1.0, 1.0)
        first, second = self(vector), self(vector)
        if not torch.equal(first, second) and not bool(first.isnan() | second.isnan()):
            raise ModelError(
                f"The model's log density is {float(first):.6g} in one run and {float(second):.6g} "
                "in the next, at the same latent values: it draws at random besides its sample "
                "sites, or hides one (poutine.block). Make every draw a pyro.sample site."
            )


def _callable(model: Any) -> Callable[..., Any]:
    twin = frozen(model, torch.float64)
    return twin.model if isinstance(twin, Model) else twin


def _explained(data: tuple[Tensor, ...], text: str) -> str:
    shapes = ", ".join(str(tuple(x.shape)) for x in data) or "() (none)"
    reason = " ".join(text.split())[:_LONGEST_REASON].rstrip(" .")
    return f"The model does not run on data of shape {shapes}: {reason}."
