"""What `sample_posterior` was asked for, checked before anything is sampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from plausible.inference.posterior.density.sites import Site
from plausible.models.errors import ModelError, UnknownName

__all__ = ["Names", "check_counts", "named"]

_FEWEST = 4  # with fewer, no chain can be split to compute R-hat


@dataclass(frozen=True)
class Names:
    """Names of the dimensions of all sites, and labels along them."""

    dims: dict[str, tuple[str, ...]]
    coords: dict[str, list[Any]]


def check_counts(
    chains: Any,
    draws: Any,
    tune: Any,
    most: Any,
    steps: Any,
    target_accept: Any,
    method: str,
    guide: Any,
) -> None:
    """Refuse numbers that no run accepts.

    Raises:
        ModelError: says which number, and what is accepted.
    """
    least = {"chains": (chains, 1), "draws": (draws, _FEWEST), "tune": (tune, 1)}
    least |= {"steps": (steps, 1), "max_draws": (most, draws)}
    for name, (value, smallest) in least.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or value < smallest:
            raise ModelError(
                f"{name} must be a whole number of at least {smallest}, but is {value!r}."
            )
    if not isinstance(target_accept, int | float) or not 0 < target_accept < 1:
        raise ModelError(f"target_accept must lie between 0 and 1, but is {target_accept!r}.")
    if guide is not None and method == "nuts":
        raise ModelError("A guide belongs to method='svi'; the no-U-turn sampler needs none.")


def named(
    sites: Mapping[str, Site],
    dims: Mapping[str, Sequence[str]] | None,
    coords: Mapping[str, Sequence[Any]] | None,
) -> Names:
    """Dimensions and labels of all sites, those that were given included.

    Raises:
        ModelError: for labels of another number than the dimension has places.
        UnknownName: for a site or dimension that the model does not have.
    """
    for name in ("chain", "draw"):
        if name in sites:
            raise ModelError(
                f"A site is called {name!r}, which is the name of a dimension of all draws. Give "
                "it another name."
            )
    names = {name: site.dims for name, site in sites.items()}
    for what, pairs in (("dims", dims), ("coords", coords)):
        lists = isinstance(pairs, Mapping) and all(
            isinstance(x, Sequence | np.ndarray) and not isinstance(x, str) for x in pairs.values()
        )
        if pairs is not None and not lists:
            raise ModelError(
                f"{what} is a dictionary of lists by name, but got {pairs!r}: for example "
                f"{what}={{'name': ['a', 'b']}}."
            )
    for name, given in (dims or {}).items():
        if name not in sites:
            raise UnknownName("site", str(name), sites)
        if isinstance(given, str) or len(given) != len(sites[name].shape):
            raise ModelError(
                f"Site {name!r} has {len(sites[name].shape)} dimensions, but dims gives {given!r}."
            )
        names[name] = tuple(given)
    sizes: dict[str, int] = {}
    for name, site in sites.items():
        for dim, size in zip(names[name], site.shape, strict=True):
            if dim in ("chain", "draw") or dim in sites:
                raise ModelError(
                    f"A dimension of site {name!r} is called {dim!r}, which is taken. Rename the "
                    f"plate, or pass dims={{{name!r}: [...]}}."
                )
            if sizes.setdefault(dim, size) != size:
                raise ModelError(
                    f"The dimension {dim!r} has {sizes[dim]} places in one site and {size} in "
                    f"{name!r}. Pass dims={{{name!r}: [...]}} with another name."
                )
    labels = {}
    for dim, given in (coords or {}).items():
        if dim not in sizes:
            raise UnknownName("dimension", str(dim), sizes)
        if len(given) != sizes[dim]:
            raise ModelError(
                f"coords gives {len(given)} labels for the dimension {dim!r}, which has "
                f"{sizes[dim]} places."
            )
        labels[dim] = list(given)
    return Names(names, labels)
