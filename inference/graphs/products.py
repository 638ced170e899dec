"""Large products of matrices by oneDNN, within code that PyTorch's compiler makes."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

__all__ = ["MANY", "PRODUCT", "multiply_large"]

aten = torch.ops.aten
MANY = 1.6e7  # multiplications from which on oneDNN was measured to be the faster


def multiply_large(graph: GraphModule) -> None:
    """Have oneDNN compute large products whose first matrix lies in memory row by row.

    Layers and the gradients of their inputs are such products; with AVX-512 they take oneDNN a
    tenth to a fifth less than MKL, whose code for other makers' processors is older. Products with
    a transpose first, which the gradients of weights are, and small ones are faster as they are.
    """
    if not torch.backends.mkldnn.is_available():
        return
    _teach_compiler()
    for node in list(graph.graph.nodes):
        if not _is_large(node):
            continue
        *bias, a, b = node.args
        with graph.graph.inserting_before(node):
            result = graph.graph.call_function(PRODUCT, (a, b, *bias))
        result.meta = dict(node.meta)
        node.replace_all_uses_with(result)
        graph.graph.erase_node(node)
    graph.graph.lint()
    graph.recompile()


def _is_large(node: Node) -> bool:
    if node.target not in (aten.mm.default, aten.addmm.default) or node.kwargs:
        return False
    *bias, a, _ = [x.meta["tensor_meta"] for x in node.args]  # type: ignore[union-attr]
    result = node.meta["tensor_meta"]
    return (
        result.dtype == torch.float32
        and result.shape.numel() * a.shape[1] >= MANY
        and tuple(a.stride) == (a.shape[1], 1)
        and all(x.shape == result.shape[1:] for x in bias)
    )


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")


# PyTorch's compiler knows oneDNN's product only for weights that never change, and fuses it by
# rules that hold for such. So this is an operation of our own, with a rule of its own.
_library = torch.library.Library("plausible", "FRAGMENT")
_library.define("product(Tensor a, Tensor b, Tensor? bias=None) -> Tensor")
_library.impl("product", _product, "CPU")
_library.impl("product", lambda a, b, bias=None: a.new_empty(len(a), b.shape[1]), "Meta")
PRODUCT = torch.ops.plausible.product.default


@functools.cache
def _teach_compiler() -> None:
    from torch._inductor.lowering import register_lowering

    register_lowering(PRODUCT, type_promotion_kind=None)(_lowered)


def _lowered(a: Any, b: Any, bias: Any = None) -> Any:
    from torch._inductor.ir import FixedLayout, TensorBox
    from torch._inductor.lowering import permute
    from torch._inductor.mkldnn_ir import LinearUnary, _create_output_node

    inputs = [LinearUnary.require_contiguous(LinearUnary.realize_input(a))]
    inputs.append(LinearUnary.realize_input(permute(b, [1, 0])))
    if bias is not None:
        inputs.append(LinearUnary.require_contiguous(LinearUnary.realize_input(bias)))
    size = [a.get_size()[0], b.get_size()[1]]
    layout = FixedLayout(device=a.get_device(), dtype=a.get_dtype(), size=size)
    constants = [None] * (bias is None) + ["none", [-1], ""]
    return TensorBox.create(_create_output_node(LinearUnary(layout, inputs, constants)))
