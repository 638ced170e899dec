"""Exact answers of a Pyro program whose samples are discrete, and the graph that it draws."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plausible.fairness.causal.graph import Graph
from plausible.inference.errors import DataError, UnknownName

__all__ = ["graph_of", "joint"]

Array = NDArray[np.float64]


def joint(
    program: Callable[..., Any],
    of: Sequence[str],
    do: Mapping[str, Any] | None = None,
    args: tuple[Any, ...] = (),
) -> Array:
    """P(of | do) of a Pyro program, by running it once for all values of its samples.

    Args:
        program: with discrete `pyro.sample` statements, each at most once; what it observes is
            conditioned on.
        of: names of samples, in the order of the axes of the answer.
        do: values that samples are set to, as `pyro.poutine.do` does.
        args: of the program.

    Raises:
        UnknownName: for a sample that the program does not have.
        DataError: if a sample is continuous, what is asked for is set, or what is observed cannot
            be.
    """
    import pyro
    import torch
    from pyro import poutine
    from pyro.infer import config_enumerate

    data: dict[str, Any] = {name: torch.as_tensor(x) for name, x in (do or {}).items()}
    marked = config_enumerate(poutine.do(program, data) if data else program, "parallel")
    with torch.no_grad(), pyro.validation_enabled(False):
        trace = poutine.trace(poutine.enum(marked, first_available_dim=-1)).get_trace(*args)
        sites = {n: s for n, s in trace.nodes.items() if s["type"] == "sample"}
        latent = {name: site for name, site in sites.items() if not site["is_observed"]}
        for name, site in latent.items():
            if site["infer"].get("_enumerate_dim") is None:
                raise DataError(f"Only discrete samples can be summed over, and {name!r} is none.")
        axes = {name: site["value"].dim() for name, site in latent.items()}
        for name in of:
            if name in data:
                raise DataError(f"{name!r} is set by do=: ask for other samples.")
            if name not in axes:
                raise UnknownName("sample", name, list(axes))
        operands: list[Any] = []
        for site in sites.values():
            density = site["fn"].log_prob(site["value"]).double().exp()
            kept = [i for i, n in enumerate(density.shape) if n > 1]
            names = [density.dim() - i for i in kept]
            operands += [density.reshape([density.shape[i] for i in kept]).numpy(), names]
        every = np.einsum(*operands, [axes[name] for name in of], optimize="greedy")
    total = every.sum()
    if not total > 0:
        raise DataError("What the program observes has the probability 0.")
    return np.asarray(every / total)


def graph_of(program: Callable[..., Any], args: tuple[Any, ...] = ()) -> Graph:
    """The graph of a Pyro program: which sample's distribution reads which.

    Args:
        program: with `pyro.sample` statements.
        args: of the program.
    """
    from pyro.infer.inspect import get_dependencies

    read: Any = get_dependencies(program, model_args=args)["prior_dependencies"]
    return Graph({name: tuple(p for p in parents if p != name) for name, parents in read.items()})
