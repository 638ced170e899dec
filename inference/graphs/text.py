"""A captured graph as text: a function that can be sent to another process and named by a key."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

__all__ = ["Operations"]

aten = torch.ops.aten
_PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default)
_CONVOLUTIONS = (aten.convolution.default, aten.convolution_backward.default)


class Operations:
    """A graph's operations as a function from its inputs to the list of its results.

    A pickled GraphModule is traced again when it is read, which fixes what it draws at random and
    turns its numbers into tensors that it holds. So the text is kept, and pickled.

    Attributes:
        text: the operations, as Python code.
        count: number of operations.
        draws: whether some of them draw at random.
        convolves: whether convolutions are among them.
        work: roughly how many numbers they make; those of a product of matrices count more.
    """

    def __init__(self, graph: GraphModule) -> None:
        nodes = [node for node in graph.graph.nodes if node.op == "call_function"]
        self.count = len(nodes)
        tags = [getattr(node.target, "tags", ()) for node in nodes]
        self.draws = any(torch.Tag.nondeterministic_seeded in tag for tag in tags)
        self.convolves = any(node.target in _CONVOLUTIONS for node in nodes)
        self.work = sum(_work(node) for node in nodes)
        self.text = graph.graph.python_code("self").src
        self._function = self._made()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        return self._function(None, *inputs)

    def described(self) -> str:
        """Everything that the function depends on besides the shapes of its inputs."""
        return self.text

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._function = self._made()

    def _made(self) -> Callable[..., list[Tensor]]:
        names: dict[str, Any] = {"torch": torch, "device": torch.device}
        names |= {"inf": math.inf, "nan": math.nan, "NoneType": type(None)}
        exec(compile(self.text, "<captured graph>", "exec"), names)
        return names["forward"]


def _work(node: Node) -> float:
    value = _meta(node)
    if not hasattr(value, "shape"):
        return 0.0
    operands = [_meta(x) for x in node.args if isinstance(x, Node)]
    depth = 1.0
    if node.target in _PRODUCTS:
        depth += 0.1 * operands[-1].shape[-2]
    elif node.target in _CONVOLUTIONS:
        depth += 0.1 * max(x.shape[1:].numel() for x in operands[1:])
    return depth * value.shape.numel()


def _meta(node: Node) -> Any:
    return node.meta.get("val", node.meta.get("tensor_meta"))
