"""A function of tensors as a graph that reads nothing but its inputs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule

from plausible.inference.graphs.capture import Refused, capture
from plausible.inference.graphs.passes import (
    hoist,
    lift_constants,
    lift_noise,
    written_constants,
    written_inputs,
)
from plausible.inference.graphs.text import Operations

__all__ = ["Graph", "Unknown", "captured"]


class Unknown(Refused):
    """A function changes tensors in place that are not among its inputs.

    Attributes:
        tensors: which.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__("it changes a tensor in place that is not a buffer of model or guide")
        self.tensors = tensors


@dataclass
class Graph:
    """What a function of tensors does.

    Attributes:
        operations: from (the function's inputs, fixed, noise) to its results; flat lists.
        fixed: tensors that it reads besides its inputs and does not change.
        noise: shapes of its standard normal draws, in their order.
        written: positions in the state of the tensors that it changes in place.
        held: the tensors that the function itself holds, in its closure or in modules.
    """

    operations: Operations
    fixed: list[Tensor]
    noise: list[tuple[int, ...]]
    written: set[int]
    held: list[Tensor]

    def __call__(self, *inputs: Tensor, noise: Sequence[Tensor] = ()) -> list[Tensor]:
        return self.operations(*inputs, *self.fixed, *noise)


def captured(
    function: Callable[..., Sequence[Tensor]],
    state: Sequence[Tensor],
    rest: Sequence[Tensor] = (),
    *,
    steady: Collection[int] = (),
    held_steady: bool = True,
    noise: torch.dtype | None = None,
) -> Graph:
    """Capture a function, and prepare its graph.

    Tensors that the function holds become inputs, what depends on inputs that stay as they are is
    computed once, and draws become inputs.

    Args:
        function: from tensors to a sequence of tensors.
        state: tensors that the function may change in place; see `capture`.
        rest: its other inputs.
        steady: positions, among all inputs, of those that stay as they are.
        held_steady: whether the tensors that the function holds stay as they are, too.
        noise: the type whose standard normal draws become inputs; None for no type.

    Raises:
        Refused: if the function cannot be captured.
        Unknown: if it changes tensors in place that it holds.
    """
    graph = capture(function, state, rest)
    unknown = written_constants(graph)
    if unknown:
        raise Unknown(unknown)
    written = graph.meta["written"] | (written_inputs(graph) & {*range(len(state))})
    held = lift_constants(graph)
    fixed = [x.detach() for x in held]
    inputs = [*state, *rest, *fixed]
    first = len(inputs) - len(fixed)
    known = {*steady, *(range(first, len(inputs)) if held_steady else ())}
    fixed += hoist(graph, known, inputs)
    fixed = _read(graph, first, fixed)
    shapes = lift_noise(graph, noise) if noise is not None else []
    return Graph(Operations(graph), fixed, shapes, written, held)


def _read(graph: GraphModule, first: int, fixed: list[Tensor]) -> list[Tensor]:
    """Those of the fixed tensors that the graph reads; the inputs of others are removed."""
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"][first:]
    for node in inputs:
        if not node.users:
            graph.graph.erase_node(node)
    graph.recompile()
    return [x for node, x in zip(inputs, fixed, strict=True) if node.users]
