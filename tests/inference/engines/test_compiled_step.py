"""A compiled step does as many rounds a call as it can."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from constructs import CONSTRUCTS
from harness import prepared

from plausible.inference.engines.compiled_step import CompiledStep
from plausible.inference.engines.packing import Packing
from plausible.inference.engines.plans import Plan

COUNT = 4


@pytest.mark.parametrize(
    ("first", "limit", "rounds"),
    [
        (0, 16, [4, 4, 4, 4]),
        (1, 3, [3]),  # fewer than a call does
        (3, 30, [4, 4, 4, 1, 4, 4, 4, 4]),  # to the end of the epoch, then full ones; one is left
        (14, 6, [2, 4]),
        (16, 1, [1]),
    ],
)
def test_calls_are_full_ones_within_an_epoch(first: int, limit: int, rounds: list[int]) -> None:
    # Seen failing: a last call for what is left, after which no call begins with the epoch.
    done: list[int] = []
    with compiled_step_of_minibatches() as compiled_step:

        def counted(*inputs: Any) -> Any:
            done.append(int(inputs[-1]))
            return compiled_step.function(*inputs)

        compiled_step.code = counted
        losses = compiled_step.run(first, limit, lambda _: True)
    assert done == rounds
    assert losses.shape == (sum(rounds), 1)


@pytest.mark.parametrize("bad", [None, 20])
def test_fused_optimisers_in_place_move_as_those_written_out(bad: int | None) -> None:
    # As in recorded CUDA graphs. Seen failing with the step not advanced, and with `go` left out:
    # nothing may move after a loss that is not finite.
    results = []
    for in_place in (False, True):
        with compiled_step_of_minibatches() as step:
            if bad is not None:
                step.plan.batches.source.tensors[0][bad] = float("nan")
            step.function.in_place = in_place
            losses = step.run(0, 16, lambda _: True)
            results.append([losses, *(x.clone() for x in step._state)])
    steps = [float(state[-1]) for state in results]
    assert steps == [16.0, 16.0] if bad is None else steps[0] == steps[1] < 16.0
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-7, equal_nan=True)


@contextmanager
def compiled_step_of_minibatches() -> Iterator[CompiledStep]:
    """16 batches an epoch, four rounds a call; nothing is compiled."""
    construct = CONSTRUCTS["minibatches, short last batch"]()
    construct.data, construct.batch_size = (torch.arange(64.0),), 4
    with prepared(construct) as run:
        plan = Plan(run.players, run.weights, run.batches, 0, fixed=True)
        packed = Packing(run.players, run.weights).of({0: plan.graphs[0].moved})
        yield CompiledStep(plan, packed, COUNT, small=True)
        packed[0].unpack()


def test_parameters_that_only_rounding_moves_are_not_compared() -> None:
    # Seen failing with the second group's moments looked for before its parameters.
    step = CompiledStep.__new__(CompiledStep)
    step._groups = [[3, 3], [1]]  # parameter, first and second moment; twice; then a parameter
    large, small = torch.tensor([1.0, 1e-6]), torch.tensor([1e-6, 1.0])
    state = [torch.ones(2), large, large, torch.ones(2), small, small, torch.ones(2)]
    counted = [x.tolist() for x in step._counted(state)]
    both = [True, True]
    assert counted == [[True, False], both, both, [False, True], both, both, both]
