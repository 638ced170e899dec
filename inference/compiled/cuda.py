"""CUDA graphs: the kernels of a call recorded once, and replayed without Python between them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["record"]


def record(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """Record a function on a CUDA device.

    The recording reads and writes the very tensors that it was made with. An input that is another
    tensor at a later call is copied to the place of the first. What the function draws at random is
    new at every replay: PyTorch advances the generator's offset for a recorded graph.

    Args:
        function: of flat tensors; changes some of them in place.
        inputs: tensors on the device; they are as before afterwards.

    Returns:
        A function of such inputs. What it returns is overwritten by its next call.
    """
    held = list(inputs)
    before = [x.clone() for x in held]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.no_grad(), torch.cuda.stream(aside):
        for _ in range(3):  # libraries choose their kernels and memory in the first calls
            function(*held)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        result = function(*held)
    with torch.no_grad():
        for x, value in zip(held, before, strict=True):
            x.copy_(value)

    def replay(*given: Tensor) -> Any:
        for place, value in zip(held, given, strict=True):
            if place is not value:
                place.copy_(value)
        graph.replay()
        return result.clone()

    return replay
