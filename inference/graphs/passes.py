"""Passes over captured graphs: what is fixed becomes an input, what is drawn becomes an input."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

__all__ = [
    "compute_once",
    "hoist",
    "is_standard_normal",
    "lift_constants",
    "lift_noise",
    "turn_narrow",
    "write_out_vectors",
    "written_constants",
    "written_inputs",
]

aten = torch.ops.aten

_COSTLY = ("exp", "expm1", "log", "log1p", "pow", "rsqrt", "sqrt", "tanh", "sigmoid")
_LARGE = 2000  # elements; for fewer a loop of its own costs more than it saves
_UNROLLED = 8  # shorter reductions are written out as what they add up
_NARROW = 32


def lift_constants(graph: GraphModule) -> list[Tensor]:
    """Turn the tensors that a graph holds into inputs at its end, and return those tensors.

    A tensor of a module's attribute is then read when the graph runs, so a change in place is seen.
    Numbers that were written as tensors are written into the graph as numbers.
    """
    constants: list[Tensor] = []
    inputs: dict[str, Node] = {}
    for node in list(graph.graph.nodes):
        if node.op != "get_attr":
            continue
        value = getattr(graph, node.target)
        if not isinstance(value, Tensor):
            raise TypeError(f"the graph holds a {type(value).__name__}")
        if value.numel() == 1 and all(u.target is aten.lift_fresh_copy.default for u in node.users):
            _write_number(graph, node, value)
            continue
        if node.target not in inputs:
            name = f"constant_{len(constants)}"
            inputs[node.target] = _new_input(graph, name, {"val": value.detach()})
            constants.append(value)
        node.replace_all_uses_with(inputs[node.target])
        graph.graph.erase_node(node)
    _tidy(graph)
    return constants


def _write_number(graph: GraphModule, node: Node, value: Tensor) -> None:
    for user in list(node.users):
        with graph.graph.inserting_before(user):
            number = graph.graph.call_function(
                aten.full.default,
                (list(value.shape), value.item()),
                {"dtype": value.dtype, "device": value.device, "pin_memory": False},
            )
        number.meta = dict(user.meta)
        user.replace_all_uses_with(number)
        graph.graph.erase_node(user)
    graph.graph.erase_node(node)


def is_standard_normal(
    target: object, args: Sequence[object], kwargs: Mapping[str, object]
) -> bool:
    """Whether an operation draws standard normals, whatever its inputs."""
    if kwargs.get("generator") is not None:
        return False
    if target in (aten.randn.default, aten.randn_like.default):
        return True
    return target is aten.normal_.default and tuple(args[1:]) in ((), (0.0,), (0.0, 1.0))


def lift_noise(graph: GraphModule, dtype: torch.dtype) -> list[tuple[int, ...]]:
    """Turn the standard normal draws of this type into inputs at the graph's end.

    Returns:
        Their shapes, in the order in which the program draws.
    """
    shapes: list[tuple[int, ...]] = []
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or not is_standard_normal(
            node.target, node.args, node.kwargs
        ):
            continue
        value = node.meta["val"] if "val" in node.meta else node.meta["tensor_meta"]
        if value.dtype != dtype:
            continue
        noise = _new_input(graph, f"noise_{len(shapes)}", node.meta)
        shapes.append(tuple(value.shape))
        node.replace_all_uses_with(noise)
        graph.graph.erase_node(node)
    _tidy(graph)
    return shapes


def hoist(graph: GraphModule, fixed: Iterable[int], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Compute once what depends on fixed inputs only, and make it inputs at the graph's end.

    Args:
        graph: a captured graph.
        fixed: positions of the inputs that never change.
        inputs: the graph's inputs.

    Returns:
        The values computed.
    """
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    known = {placeholders[i]: inputs[i] for i in fixed}
    values: dict[Node, Any] = dict(known)
    written = _written(graph)
    with torch.no_grad():
        for node in graph.graph.nodes:
            if (
                node.op == "call_function"
                and node.all_input_nodes
                and all(s in values for s in node.all_input_nodes)
                and not written & {node, *node.all_input_nodes}
                and not _is_writing(node)
                and torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ())
            ):
                args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = node.target(*args, **kwargs)
    edge = [
        node
        for node, value in values.items()
        if node not in known
        and isinstance(value, Tensor)
        and any(user not in values for user in node.users)
    ]
    hoisted = []
    for i, node in enumerate(edge):
        value = values[node].detach().clone()
        entry = _new_input(graph, f"hoisted_{i}", {"val": value})
        node.replace_all_uses_with(entry, delete_user_cb=lambda user: user not in values)
        hoisted.append(value)
    _tidy(graph)
    return hoisted


def compute_once(graph: GraphModule) -> None:
    """Have numbers computed once that large tensors are computed with.

    PyTorch's compiler writes the computation of a number, such as Adam's bias correction, into the
    loop over the tensor that it scales, to be done again for every vector of elements. What comes
    out of a reduction it does not; the largest of eight times the same number is that number.
    """
    costly: set[Node] = set()
    for node in list(graph.graph.nodes):
        if node.op != "call_function" or not _is_number(node):
            continue
        if not costly.intersection(node.all_input_nodes) and _name(node) not in _COSTLY:
            continue
        costly.add(node)
        wide = [user for user in node.users if _size(user) >= _LARGE]
        if not wide:
            continue
        with graph.graph.inserting_after(node):
            copies = graph.graph.call_function(aten.expand.default, (node, [_UNROLLED]))
        with graph.graph.inserting_after(copies):
            largest = graph.graph.call_function(aten.amax.default, (copies, [0]))
        largest.meta = dict(node.meta)
        for user in wide:
            user.replace_input_with(node, largest)
    _tidy(graph)


def write_out_vectors(graph: GraphModule) -> None:
    """Write products of vectors, as a layer of one input or one output has, as multiplications.

    The compiler then does them in one loop with what is around them; a library is asked for so
    little at a time that asking takes longer.
    """
    for node in list(graph.graph.nodes):
        if node.target not in (aten.mm.default, aten.addmm.default) or node.kwargs:
            continue
        if not node.meta["tensor_meta"].dtype.is_floating_point:  # sums of integers are of int64
            continue
        *bias, a, b = node.args
        new = graph.graph.call_function
        inner = a.meta["tensor_meta"].shape[1]
        rows, columns = node.meta["tensor_meta"].shape
        with graph.graph.inserting_before(node):
            if inner == 1:
                result = new(aten.mul.Tensor, (a, b))
            elif columns == 1:
                product = new(aten.mul.Tensor, (a, new(aten.t.default, (b,))))
                result = new(aten.sum.dim_IntList, (product, [1], True))
            elif rows == 1:
                product = new(aten.mul.Tensor, (new(aten.t.default, (a,)), b))
                result = new(aten.sum.dim_IntList, (product, [0], True))
            else:
                continue
            for vector in bias:
                result = new(aten.add.Tensor, (result, vector))
        result.meta = dict(node.meta)
        node.replace_all_uses_with(result)
        graph.graph.erase_node(node)
    _tidy(graph)


def turn_narrow(graph: GraphModule) -> None:
    """Compute products with few columns, such as the outputs of a small head, as their transposes.

    Libraries multiply them slowly (15 columns take three times as long as 16), and code for what
    comes after, a softmax over a few classes, is only fast where neighbours in memory are data.
    """
    for node in list(graph.graph.nodes):
        if node.target not in (aten.mm.default, aten.addmm.default) or node.kwargs:
            continue
        *bias, a, b = node.args
        rows, columns = node.meta["tensor_meta"].shape
        of_weights = a.target in (aten.t.default, aten.permute.default, aten.transpose.int)
        vectors = all(x.meta["tensor_meta"].shape == (columns,) for x in bias)
        if not 1 < columns <= _NARROW or rows < 4 * columns or of_weights or not vectors:
            continue
        with graph.graph.inserting_before(node):
            new = graph.graph.call_function
            product = new(aten.mm.default, (new(aten.t.default, (b,)), new(aten.t.default, (a,))))
            for vector in bias:
                column = new(aten.unsqueeze.default, (vector, 1))
                product = new(aten.add.Tensor, (product, column))
            result = new(aten.t.default, (product,))
        result.meta = dict(node.meta)
        node.replace_all_uses_with(result)
        graph.graph.erase_node(node)
    _tidy(graph)


def _is_number(node: Node) -> bool:
    value = node.meta.get("tensor_meta")
    return value is not None and value.shape == () and value.dtype.is_floating_point


def _size(node: Node) -> int:
    value = node.meta.get("tensor_meta")
    return 0 if value is None else math.prod(value.shape)


def _name(node: Node) -> str:
    return str(getattr(node.target, "_opname", ""))


def written_constants(graph: GraphModule) -> list[Tensor]:
    """The tensors that a graph holds and changes in place."""
    written = _written(graph)
    names = [n.target for n in graph.graph.nodes if n in written and n.op == "get_attr"]
    return [getattr(graph, name) for name in dict.fromkeys(names)]


def written_inputs(graph: GraphModule) -> set[int]:
    """Positions of the inputs that a graph writes to, also where it leaves their values alone.

    A spectral norm that has converged does so: its vectors come out as they went in.
    """
    written = _written(graph)
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    return {i for i, node in enumerate(inputs) if node in written}


def _written(graph: GraphModule) -> set[Node]:
    """Nodes that are written to in place, and those whose memory they share."""
    written: set[Node] = set()
    for node in graph.graph.nodes:
        if _is_writing(node):
            target = _shared(node)
            while isinstance(target, Node) and target not in written:
                written.add(target)
                target = _shared(target) if _is_view(target) else None
    return written


def _shared(node: Node) -> Any:
    """What an operation writes to, or is a view of: its `out`, where it has one."""
    return node.kwargs.get("out", node.args[0] if node.args else None)


def _is_writing(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and schema.is_mutable


def _is_view(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and any(r.alias_info is not None for r in schema.returns)


def _new_input(graph: GraphModule, name: str, meta: dict[str, Any]) -> Node:
    last = [node for node in graph.graph.nodes if node.op == "placeholder"][-1]
    with graph.graph.inserting_after(last):
        entry = graph.graph.placeholder(name)
    entry.meta = dict(meta)
    return entry


def _tidy(graph: GraphModule) -> None:
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()
