"""What `sample_posterior` returns besides the draws that it made: ArviZ's other groups."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from plausible.inference.posterior.density.double import in_double
from plausible.inference.posterior.density.joint import Joint
from plausible.inference.posterior.pointwise import Pointwise
from plausible.models.errors import ModelError, PlausibleError, reason_of

__all__ = ["Groups", "groups_of"]

_MOST = 10_000_000  # numbers that are kept of a group without being asked for

Values = dict[str, "np.ndarray[Any, Any]"]


@dataclass
class Groups:
    """Groups of ArviZ data; arrays are (chains, draws, ...).

    Attributes:
        discrete: draws of the discrete sites that were summed out, and of deterministic ones that
            depend on them.
        log_likelihood: of every observed value.
        dims_of_densities: its dimensions.
        posterior_predictive: new data for every draw.
        left_out: what is missing, and why; empty where nothing is.
    """

    discrete: Values = field(default_factory=dict)
    log_likelihood: Values = field(default_factory=dict)
    dims_of_densities: dict[str, tuple[str, ...]] = field(default_factory=dict)
    posterior_predictive: Values = field(default_factory=dict)
    left_out: str = ""


def groups_of(
    joint: Joint, values: Mapping[str, Any], predictive: Literal["auto"] | bool, seed: int
) -> Groups:
    """The groups at draws of a model's posterior.

    Args:
        joint: the model with its data.
        values: draws of all continuous latent sites, each (chains, draws, ...).
        predictive: whether log likelihood and replicated data are wanted; "auto" leaves them out
            where they are large, or cannot be computed.
        seed: of discrete values and replicates.

    Raises:
        ModelError: if what is asked for cannot be computed.
    """
    chains, draws = next(iter(values.values())).shape[:2]
    groups = Groups()
    latents = {name: _rows(values[name]) for name in joint.latents}

    def shaped(results: Mapping[str, Tensor]) -> Values:
        return {n: x.numpy().reshape(chains, draws, *x.shape[1:]) for n, x in results.items()}

    def kept(what: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        try:
            return dict(compute())
        except (PlausibleError, MemoryError):
            raise
        except Exception as error:
            sentence = f"{what} could not be computed: {reason_of(error)}"
            if predictive is True:
                raise ModelError(f"{sentence}. Leave them out with predictive=False.") from error
            groups.left_out = sentence
            return {}

    with in_double(seed):
        pointwise = Pointwise(joint)
        discrete = kept("Draws of the discrete sites", lambda: pointwise.discrete(latents))
        groups.discrete = shaped(discrete)
        numbers = chains * draws * sum(x.numel() for _, x in joint.observed.values())
        if predictive == "auto" and numbers > _MOST:
            groups.left_out = (
                f"log_likelihood and posterior_predictive would hold {numbers:,} numbers each: "
                "ask for them with predictive=True."
            )
        elif predictive and not groups.left_out:
            everything = {**latents, **{name: discrete[name] for name in joint.enumerated}}
            groups.log_likelihood = shaped(
                kept("The log likelihood", lambda: pointwise.log_likelihood(everything))
            )
            groups.posterior_predictive = shaped(
                kept("Replicated data", lambda: pointwise.replicates(everything))
            )
    sites = pointwise.density_sites.items()
    groups.dims_of_densities = {name: site.dims for name, site in sites}
    return groups


def _rows(values: Any) -> Tensor:
    array = np.ascontiguousarray(values)
    return torch.from_numpy(array.reshape(-1, *array.shape[2:]).copy())
