"""What a model says of its own data at posterior draws: densities, replicates, discrete values."""

from collections.abc import Mapping
from typing import Any

import torch
from pyro.infer import config_enumerate, infer_discrete
from pyro.poutine import Trace
from pyro.poutine.messenger import Messenger
from torch import Tensor

from plausible.inference.posterior.density.joint import Joint
from plausible.inference.posterior.density.over_draws import over_draws
from plausible.inference.posterior.density.sites import SetLatents, Site, samples

__all__ = ["Pointwise", "Unobserved"]


class Unobserved(Messenger):
    """Draw sites anew, whatever they observe."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self.names = names

    def _pyro_sample(self, msg: Any) -> None:
        if msg["name"] in self.names and msg["is_observed"]:
            msg["value"], msg["is_observed"] = None, False


class Pointwise:
    r"""Densities of single data, replicates of the data, and the discrete sites summed out.

    The log likelihood of a datum is \(\ln p(x_i | \theta)\), summed over the discrete sites that
    belong to the datum alone: those in the same plates, on which nothing else depends. Where others
    depend on them too, as along a Markov chain, it is at their values in the draw.

    Everything here runs inside `in_double`.

    Attributes:
        density_sites: shape and dimension names of every observed site's log likelihood.
    """

    def __init__(self, joint: Joint) -> None:
        self._joint = joint
        self.density_sites: dict[str, Site] = {}
        with torch.no_grad():
            for name, site in joint.at_random().items():
                if name in joint.observed:
                    whole, batch = joint.observed[name][0], site["fn"].batch_shape
                    self.density_sites[name] = Site(batch, whole.dims[: len(batch)], whole.in_plate)
            self._own = self._discrete_of_data() if joint.enumerated else {}

    def discrete(self, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Draws of the discrete sites given the others, and the deterministic sites that follow.

        Args:
            latents: draws of the continuous latent sites, each of shape (draws, ...).
        """
        joint = self._joint
        if not joint.enumerated:
            return {}
        names = list(latents)

        def drawn(*row: Tensor) -> list[Tensor]:
            values = dict(zip(names, row, strict=True))

            def given(*args: Any, **kwargs: Any) -> Any:
                with SetLatents(values):
                    return config_enumerate(joint.program)(*args, **kwargs)

            sampled = infer_discrete(given, first_available_dim=-1 - joint.nesting)
            nodes: dict[str, Any] = joint.traced(sampled).nodes
            discrete = {name: nodes[name]["value"] for name in joint.enumerated}
            all_set: dict[str, Any] = joint.trace({**values, **discrete}).nodes
            sites = {**joint.discrete, **joint.conditional}
            return [all_set[name]["value"].expand(site.shape) for name, site in sites.items()]

        results = over_draws(drawn, list(latents.values()))
        return dict(zip((*joint.discrete, *joint.conditional), results, strict=True))

    def log_likelihood(self, draws: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The log likelihood of every observed value, (draws, *plates), by site.

        Values that a mask hides have zero.

        Args:
            draws: of all latent sites, the discrete ones included, each of shape (draws, ...).
        """
        names = list(draws)

        def densities(*row: Tensor) -> list[Tensor]:
            values = dict(zip(names, row, strict=True))
            plain = _scored(self._joint.trace(values))
            summed: Mapping[str, Any] = {}
            if self._own:
                continuous = {n: v for n, v in values.items() if n in self._joint.latents}
                summed = _scored(self._joint.trace(continuous, enumerate=True))
            return [
                (
                    self._summed(summed, name) if name in self._own else plain[name]["log_prob"]
                ).expand(site.shape)
                for name, site in self.density_sites.items()
            ]

        results = over_draws(densities, list(draws.values()))
        return dict(zip(self.density_sites, results, strict=True))

    def replicates(self, draws: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New data for every draw, (draws, *shape), by site.

        Args:
            draws: of all latent sites, the discrete ones included, each of shape (draws, ...).
        """
        names, observed = list(draws), self._joint.observed

        def replicated(*row: Tensor) -> list[Tensor]:
            with Unobserved(frozenset(observed)):
                trace = self._joint.trace(dict(zip(names, row, strict=True)))
            nodes: dict[str, Any] = trace.nodes
            return [nodes[name]["value"].expand(site.shape) for name, (site, _) in observed.items()]

        results = over_draws(replicated, list(draws.values()))
        return dict(zip(observed, results, strict=True))

    def _summed(self, nodes: Mapping[str, Any], name: str) -> Tensor:
        """The log probability of a site, summed over the discrete ones that are its data's own."""
        own = self._own[name]
        total = sum((nodes[other]["log_prob"] for other in own), nodes[name]["log_prob"])
        dims = [nodes[other]["infer"]["_enumerate_dim"] for other in own]
        result: Tensor = total.logsumexp(dims, keepdim=True)
        return result.reshape(result.shape[result.dim() - self._joint.nesting :])

    def _discrete_of_data(self) -> dict[str, list[str]]:
        """For observed sites the discrete ones that only they depend on, in the same plates."""
        joint = self._joint
        values = {n: site["value"] for n, site in joint.at_random().items() if n in joint.latents}
        trace = joint.trace(values, enumerate=True)
        trace.compute_log_prob()
        trace.pack_tensors()
        nodes: dict[str, Any] = trace.nodes
        symbols = {name: _symbol(nodes[name]) for name in joint.enumerated}
        uses = {
            name: {
                other
                for other, symbol in symbols.items()
                if symbol in site["packed"]["log_prob"]._pyro_dims
            }
            for name, site in samples(trace).items()
        }
        return {
            name: sorted(uses[name])
            for name in joint.observed
            if uses[name]
            and all(_plates(nodes[other]) == _plates(nodes[name]) for other in uses[name])
            and all(uses[other] <= uses[name] for other in uses[name])
            and not any(
                uses[name] & used
                for other, used in uses.items()
                if other != name and other not in uses[name]
            )
        }


def _scored(trace: Trace) -> Mapping[str, Any]:
    trace.compute_log_prob()
    nodes: dict[str, Any] = trace.nodes
    return nodes


def _symbol(site: Any) -> str:
    symbol: str = site["infer"]["_dim_to_symbol"][site["infer"]["_enumerate_dim"]]
    return symbol


def _plates(site: Any) -> set[str]:
    return {frame.name for frame in site["cond_indep_stack"] if frame.vectorized}
