"""A function of tensors at many draws: all at once where it can be captured, else one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.graph import Graph, captured

__all__ = ["over_draws"]

_AT_ONCE = 512
_NUMBERS = 2**23  # most numbers of the results that are computed at once

Function = Callable[..., Sequence[Tensor]]


def over_draws(function: Function, columns: Sequence[Tensor]) -> list[Tensor]:
    """The results of a function at every row of its inputs, stacked.

    What the function draws at random is drawn anew for every row. One that cannot be captured, as
    it decides by values, is called row by row; so are operations that cannot run on many rows.

    Args:
        function: from one tensor a column to a sequence of tensors, of shapes that do not depend on
            values.
        columns: its inputs, each of shape (draws, ...); at least one.

    Returns:
        For every result a tensor of shape (draws, ...).
    """
    with torch.no_grad():
        first = [column[0].clone() for column in columns]
        try:
            with _Selecting():
                graph = captured(function, first, noise=torch.get_default_dtype())
        except Refused:
            return _row_by_row(function, columns)
        try:
            return _at_once(graph, columns)
        except RuntimeError:
            pass
        try:
            return _row_by_row(lambda *row: graph(*row, noise=_noise(graph)), columns)
        except RuntimeError:  # as of a Cholesky factor that there is not; a model may go on
            return _row_by_row(function, columns)


class _Selecting(TorchFunctionMode):
    """Let single values of tensors be indices, `x[k]`, which PyTorch takes to Python otherwise."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is Tensor.__getitem__:
            x, index = args
            indices = index if isinstance(index, tuple) else (index,)
            if indices and all(map(_is_number, indices)):
                for k in indices:
                    place = torch.where(k < 0, k + x.shape[0], k).long().reshape(1)
                    x = x.index_select(0, place).squeeze(0)
                return x
        return function(*args, **(kwargs or {}))


def _is_number(index: Any) -> bool:
    whole = isinstance(index, Tensor) and index.dtype not in (torch.bool, torch.uint8)
    return whole and index.dim() == 0 and not index.dtype.is_floating_point


def _at_once(graph: Graph, columns: Sequence[Tensor]) -> list[Tensor]:
    def run(inputs: tuple[Tensor, ...], noise: tuple[Tensor, ...]) -> list[Tensor]:
        return graph(*inputs, noise=noise)

    count, size = len(columns[0]), _result_size(graph, columns)
    width = max(1, min(_AT_ONCE, _NUMBERS // max(size, 1)))
    parts = []
    for start in range(0, count, width):
        rows = tuple(column[start : start + width] for column in columns)
        noise = tuple(torch.randn(len(rows[0]), *shape) for shape in graph.noise)
        parts.append(torch.vmap(run, randomness="different")(rows, noise))
    return [torch.cat(pieces) for pieces in zip(*parts, strict=True)]


def _result_size(graph: Graph, columns: Sequence[Tensor]) -> int:
    results = graph(*(column[0] for column in columns), noise=_noise(graph))
    return sum(result.numel() for result in results)


def _noise(graph: Graph) -> list[Tensor]:
    return [torch.randn(shape) for shape in graph.noise]


def _row_by_row(function: Function, columns: Sequence[Tensor]) -> list[Tensor]:
    rows = [function(*row) for row in zip(*columns, strict=True)]
    return [torch.stack([x.clone() for x in results]) for results in zip(*rows, strict=True)]
