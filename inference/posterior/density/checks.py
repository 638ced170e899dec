"""What a model and its data must be so that a sampler can run on them."""

from collections.abc import Mapping
from typing import Any

import pyro
import torch
from pyro import poutine
from torch import Tensor

from plausible.inference.inputs.arrays import as_tensors
from plausible.inference.posterior.density.double import in_float64
from plausible.inference.posterior.density.sites import RandomLatents, samples
from plausible.models.errors import DataError, ModelError
from plausible.models.objectives.tracing import is_computed, is_validated

__all__ = [
    "as_context",
    "as_gapped_inputs",
    "as_inputs",
    "check_latents",
    "check_plates",
    "check_rewritten",
    "example_outside",
    "outside_support",
    "rewritten",
    "unvalidated",
]

_SHOWN = 5  # numbers of a datum in a message


def as_inputs(data: Any, context: Any) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Data and constants as they are passed to the model, by position and by keyword, in float64.

    Inside `in_double`, so that arrays and frames keep their digits. Data that come by name are
    passed by keyword.

    Raises:
        DataError: for other data than tensors, arrays and frames, and for missing values.
        ModelError: for a context that is not a dictionary.
    """
    constants = as_context(context)
    tensors, names = as_tensors(data)
    for position, x in enumerate(tensors):
        if x.dtype.is_floating_point and bool(x.isnan().any()):
            which = names[position] if names else f"Tensor {position} of the data"
            which = which if len(tensors) > 1 else "The data tensor"
            raise DataError(
                f"{which} has {int(x.isnan().sum()):,} of {x.numel():,} values that are NaN. "
                "Remove them, or make them latent sites of the model."
            )
    given = tuple(in_float64(x.detach()) for x in tensors)
    if names:
        return (), {**constants, **dict(zip(names, given, strict=True))}
    return given, constants


def as_gapped_inputs(data: Any, context: Any) -> tuple[tuple[Tensor | None, ...], dict[str, Any]]:
    """The same, where None may stand for what is to be predicted."""
    if isinstance(data, Mapping):
        given, constants = as_inputs({n: x for n, x in data.items() if x is not None}, context)
        return given, {**dict.fromkeys(data), **constants}
    if not isinstance(data, tuple | list):
        return as_inputs(data, context)
    given, constants = as_inputs([x for x in data if x is not None], context)
    tensors = iter(given)
    return tuple(None if x is None else next(tensors) for x in data), constants


def as_context(context: Any) -> dict[str, Any]:
    """Constants as they are passed to the model.

    Raises:
        ModelError: for anything but a dictionary.
    """
    if context is not None and not isinstance(context, Mapping):
        raise ModelError(
            f"context is a dictionary of constants by name, but got a {type(context).__name__}."
        )
    return {name: in_float64(value) for name, value in (context or {}).items()}


def check_plates(sites: Mapping[str, Any]) -> None:
    """Raise `ModelError` if a plate takes a part of its rows."""
    for name, site in sites.items():
        for frame in site["cond_indep_stack"]:
            if frame.full_size not in (None, frame.size):
                raise ModelError(
                    f"The site {name!r} lies in the plate {frame.name!r}, which takes {frame.size} "
                    f"of {frame.full_size} rows. A sampler needs all of them: remove "
                    "subsample_size, or use fit."
                )


def check_latents(latents: Any, enumerated: tuple[str, ...], sites: Mapping[str, Any]) -> None:
    """Raise `ModelError` if a discrete latent site cannot be summed out, or nothing is latent."""
    for name in enumerated:
        if not sites[name]["fn"].has_enumerate_support:
            raise ModelError(
                f"The discrete latent site {name!r} ({type(sites[name]['fn']).__name__}) has "
                "infinitely many values and cannot be summed out. Marginalise it in the model, or "
                "use a distribution of finite support."
            )
        scale = sites[name]["scale"]
        if not bool(torch.as_tensor(scale == 1).all()):
            raise ModelError(
                f"The discrete latent site {name!r} lies inside a poutine.scale, so the "
                "sum over its values is not the scaled log probability. Marginalise it yourself."
            )
    if not latents:
        discrete = f" but the discrete {', '.join(map(repr, enumerated))}" if enumerated else ""
        raise ModelError(f"The model has no latent site{discrete}, so there is nothing to sample.")


def check_rewritten(sites: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise `ModelError` where `poutine.reparam` leaves another density than the model's.

    Args:
        sites: of one run at random latent values.
        others: of another.
    """
    for name in rewritten(sites):
        if torch.equal(sites[name]["value"], others[name]["value"]):
            raise ModelError(
                f"The site {name!r} observes data, and Pyro's reparametrisations that draw another "
                "site for it are for latent sites: they leave the Jacobian out. Leave "
                f"{name!r} out of the configuration of poutine.reparam."
            )
        if f"{name}_aux" in sites:
            raise ModelError(
                f"The site {name!r} is rewritten by Pyro's StructuredReparam, which takes the "
                "guide's own density for a part of the model's: its draws are too narrow. Use "
                "NeuTraReparam with an AutoMultivariateNormal guide, which is exact."
            )
        if f"{name}_shared_latent" in sites:
            count = sites[name]["fn"].batch_shape.numel()
            if count != 1:
                raise ModelError(
                    f"Pyro's NeuTraReparam adds the Jacobian of all sites to the first, {name!r}, "
                    f"once for each of its {count} elements, which is another density. Let the "
                    "model draw a site outside of plates first."
                )


def rewritten(sites: Mapping[str, Any]) -> list[str]:
    """Names of the sites that `poutine.reparam` has replaced by others."""
    return [n for n, s in sites.items() if is_computed(s) and not s["infer"].get("_deterministic")]


def outside_support(sites: Mapping[str, Any]) -> set[str]:
    """Names of observed sites with values outside their support."""
    names = set()
    for name, site in sites.items():
        if site["is_observed"] and not is_computed(site) and site["value"].numel():
            try:
                inside = site["fn"].support.check(site["value"])
            except (NotImplementedError, RuntimeError, ValueError):
                continue
            if not bool(inside.all()):
                names.add(name)
    return names


def unvalidated(program: Any, data: tuple[Tensor, ...], context: Mapping[str, Any]) -> set[str]:
    """Names of the sites whose `validate_args=False` allows values outside their support."""
    try:
        with pyro.validation_enabled(True), RandomLatents():
            trace = poutine.trace(program).get_trace(*data, **context)
    except Exception:  # with its checks on, the model does not run from every latent value
        return set()
    return {name for name, site in samples(trace).items() if not is_validated(site["fn"])}


def example_outside(support: Any, value: Tensor) -> Any:
    """A value outside a support; of a vector or more the first numbers."""
    inside = support.check(value)
    first = value[~inside][0]
    return first.item() if inside.shape == value.shape else first.flatten()[:_SHOWN].tolist()
