"""Batches of many rounds that are gathered ahead are those of one round after the other."""

from typing import Any

import pytest
import torch

from plausible.inference.engines import batches as module
from plausible.inference.engines.batches import Batches
from plausible.inference.engines.sources import as_source

TOTAL, SIZE, ROOM = 70, 8, 4


def made(seed: int = 3) -> Batches:
    x = torch.arange(TOTAL * 6.0).view(TOTAL, 3, 2)
    return Batches(as_source((x, x[:, 0, 0])), SIZE, seed, {}, None, torch.device("cpu"))


@pytest.mark.parametrize("ahead", [0, 3 * SIZE * 7, 10**6])  # the least, three rounds, an epoch
def test_batches_gathered_ahead_are_those_of_single_rounds(
    ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing: rows kept when the epoch turns; the last rounds of an epoch without their room;
    # a block that begins a round late.
    monkeypatch.setattr(module, "_AHEAD", ahead)
    many, single = made(), made()
    number = 0
    for step in (1, 4, 3, 4, 2, 4, 4) * 4:
        if many.is_short(number):
            number += 1
        count = min(step, many.like(number))
        stacked = many.stacked(number, count, ROOM)
        assert [x.shape for x in stacked] == [(ROOM, SIZE, 3, 2), (ROOM, SIZE)]
        for k in range(count):
            for one, other in zip(stacked, single.at(number + k).args, strict=True):
                assert torch.equal(one[k], other)
        number += count


def test_rounds_before_are_gathered_again() -> None:
    many, single = made(), made()
    for number in (12, 2, 4, 3, 10, 0):
        (x, _), expected = many.stacked(number, 2, ROOM), single.at(number + 1).args[0]
        assert torch.equal(x[1], expected)


def test_rows_are_gathered_once_for_many_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    many = made()
    asked: list[int] = []
    gather = many.source.batch

    def counted(index: Any) -> Any:
        asked.append(len(index))
        return gather(index)

    monkeypatch.setattr(many.source, "batch", counted)
    for number in range(0, 8, 2):
        many.stacked(number, 2, ROOM)
    assert asked == [1, 8 * SIZE + (ROOM - 1) * SIZE]  # a row, for its size, and the epoch
