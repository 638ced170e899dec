"""Draws as ArviZ data: the one place that knows how its containers are built."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plausible.inference.posterior.arguments import Names
from plausible.inference.posterior.diagnostics import arviz

if TYPE_CHECKING:
    from arviz import InferenceData

__all__ = ["SUMMED_OUT", "arviz_data"]

SUMMED_OUT = "summed_out"  # marks, among the posterior's variables, draws of summed-out sites

Values = Mapping[str, Any]


def arviz_data(
    names: Names,
    *,
    posterior: Values | None = None,
    discrete: Values | None = None,
    log_likelihood: Values | None = None,
    dims_of_densities: Mapping[str, tuple[str, ...]] | None = None,
    **groups: Values,
) -> "InferenceData":
    """ArviZ data with these groups; empty ones are left out.

    Args:
        names: dimensions of all sites, and labels along them.
        posterior: draws, each (chains, draws, ...).
        discrete: draws of discrete sites that were summed out, and what depends on them; they join
            the posterior, marked.
        log_likelihood: of single data.
        dims_of_densities: their dimensions, which are fewer where an event has several numbers.
        groups: others, by ArviZ's names.
    """
    dims = {name: list(of) for name, of in names.dims.items()}
    joined = {**(posterior or {}), **(discrete or {})}
    filled = {name: values for name, values in groups.items() if values}
    predicted = {"pred_dims": dims, "pred_coords": names.coords} if "predictions" in filled else {}
    idata = arviz().from_dict(
        posterior=joined or None, dims=dims, coords=names.coords, **predicted, **filled
    )
    for name in discrete or {}:
        idata.posterior[name].attrs[SUMMED_OUT] = 1
    if log_likelihood:
        idata.extend(
            arviz().from_dict(
                log_likelihood=log_likelihood,
                dims={name: list(of) for name, of in (dims_of_densities or {}).items()},
                coords=names.coords,
            )
        )
    return idata
