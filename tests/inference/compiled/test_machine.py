"""A machine does as many rounds a call as it can."""

from typing import Any

import pytest
import torch
from constructs import CONSTRUCTS
from harness import prepared

from plausible.inference.compiled.machine import Machine
from plausible.inference.compiled.packing import pack
from plausible.inference.compiled.plans import Plan

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
    construct = CONSTRUCTS["minibatches, short last batch"]()
    construct.data, construct.batch_size = (torch.randn(64),), 4
    done: list[int] = []
    with prepared(construct) as run:
        plan = Plan(run.players, run.weights, run.batches, 0, fixed=True)
        packed = pack(run.players.movers, run.weights, [frozenset(plan.graphs[0].moved)])
        machine = Machine(plan, packed, COUNT, small=True)

        def counted(*inputs: Any) -> Any:
            done.append(int(inputs[-1]))
            return machine.function(*inputs)

        machine.code = counted
        losses = machine.run(first, limit, lambda _: True)
        packed[0].unpack()
    assert done == rounds
    assert losses.shape == (sum(rounds), 1)
