"""CUDA graphs: the kernels of a call recorded once, and replayed without Python between them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from plausible.inference.graphs.capture import Refused

__all__ = ["Pool", "record", "replaying"]

Pool = Any  # what torch.cuda.graph_pool_handle gives, whose type PyTorch keeps to itself


def record(
    function: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    changing: int,
    pool: Pool | None = None,
) -> Callable[..., Tensor]:
    """Record a function on a CUDA device.

    The recording reads and writes the very tensors that it was made with. What the function draws
    at random is new at every replay: PyTorch advances the generator's offset for a recorded graph.

    Args:
        function: of flat tensors; changes some of them in place.
        inputs: tensors on the device; a later call may write its own into them (`replaying`).
        changing: how many of them, the first ones, the function changes; they are as before
            afterwards.
        pool: memory that is shared with other recordings, of which one runs at a time
            (`torch.cuda.graph_pool_handle`); None for memory of its own.

    Returns:
        The function, of such inputs.

    Raises:
        Refused: if the function waits for the device, as copies from and to the CPU do, or the
            device's memory does not suffice.
    """
    before = [x.clone() for x in inputs[:changing]]
    try:
        with torch.no_grad(), torch.cuda.device(inputs[0].device):
            graph, result = _recorded(function, inputs, pool)
    except RuntimeError as error:
        text = " ".join(str(error).split())[:160]
        raise Refused(f"its kernels cannot be recorded ({text})") from error
    finally:
        with torch.no_grad():
            for x, value in zip(inputs, before, strict=False):
                x.copy_(value)

    def play() -> Tensor:
        graph.replay()
        return result.clone()  # the next replay overwrites it

    return replaying(play, inputs)


def _recorded(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], pool: Pool | None
) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        function(*inputs)  # libraries choose their kernels and memory in the first calls
        # A recording that fails on the way leaves PyTorch's generator unusable, so what cannot be
        # recorded is found before.
        with _no_waiting():
            function(*inputs)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        result = function(*inputs)
    return graph, result


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Operations that wait for the device raise a RuntimeError."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def replaying(play: Callable[[], Tensor], places: Sequence[Tensor]) -> Callable[..., Tensor]:
    """A function that reads its inputs in fixed places, as a function of any inputs.

    An input that is not in its place is copied there. Inputs therefore must not share memory with
    the places of others, or lie across their own.
    """

    def function(*inputs: Tensor) -> Tensor:
        with torch.no_grad():
            for place, value in zip(places, inputs, strict=True):
                if place is not value:
                    place.copy_(value)
        return play()

    return function
