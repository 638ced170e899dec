"""Runs as on a CUDA device; here a recording only calls again what was recorded, in its places.

What a device itself does is tested in test_gpu.py.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from plausible.inference import Fit, fit
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.cuda import replaying
from plausible.models import VAE

RECORDED = "plausible.inference.engines.recorded"
STEPS, SIZE, BATCH = 60, 100, 8  # 12 batches an epoch and a short one

pytestmark = pytest.mark.usefixtures("compiled_here")


class Recordings:
    """What was recorded: how many rounds each recording does, and how often each was played."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.played: list[int] = []

    def record(
        self, function: Callable[..., Tensor], inputs: Sequence[Tensor], changing: int, pool: Any
    ) -> Callable[..., Tensor]:
        before = [x.clone() for x in inputs[:changing]]
        count = len(function(*inputs))
        for x, value in zip(inputs, before, strict=False):
            x.copy_(value)
        self.rounds.append(count)

        def play() -> Tensor:
            self.played.append(count)
            return function(*inputs)

        return replaying(play, inputs)


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> Recordings:
    result = Recordings()
    monkeypatch.setattr("plausible.inference.engines.recorded._FAILED", {})
    monkeypatch.setattr("plausible.inference.engines.compiled._is_gpu", lambda device: True)
    monkeypatch.setattr(
        "plausible.inference.engines.recorded.record", torch.no_grad()(result.record)
    )
    monkeypatch.setattr("plausible.inference.engines.choice._CAPTURE_PAYS", 0)
    for name in ("synchronize", "graph_pool_handle"):
        monkeypatch.setattr(torch.cuda, name, lambda *device: None)
    return result


def trained(compile: Any, steps: int = STEPS) -> Fit:
    torch.manual_seed(0)
    x = (torch.rand(SIZE, 12) < 0.3).float()
    vae = VAE((12,), 2, hidden=(16,))
    return fit(vae, x, batch_size=BATCH, steps=steps, device="cpu", compile=compile)


def without(monkeypatch: pytest.MonkeyPatch, fused: bool) -> None:
    monkeypatch.setattr("plausible.inference.engines.recorded._FUSED", fused)


def test_recorded_rounds_are_those_of_the_captured_graph(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seen failing with the batches of a call all the first one's, and with noise drawn once a call.
    without(monkeypatch, fused=False)
    recorded = trained(True)
    assert recorded.backend.engine == "compiled" and not recorded.backend.fallback
    assert "recording of kernels of PyTorch's own" in recorded.backend.reason
    assert sorted(set(recordings.rounds)) == [1, 8]
    assert recordings.played.count(8) >= 4  # besides those that were undone
    monkeypatch.setattr("plausible.inference.engines.recorded.record", refuses)
    captured = trained("auto")
    assert captured.backend.engine == "captured"
    torch.testing.assert_close(recorded.loss, captured.loss, rtol=1e-5, atol=1e-5)


def refuses(*arguments: Any) -> None:
    raise Refused("it is to be captured only")


def test_compiled_kernels_take_the_place_of_pytorchs_own(recordings: Recordings) -> None:
    run = trained(True)
    assert "recording of kernels compiled for it" in run.backend.reason
    assert not run.backend.fallback
    again = trained(True)  # from the cache
    assert torch.equal(run.loss, again.loss)
    assert again.backend.compile_seconds == 0.0


def test_compiled_kernels_are_taken_in_the_middle_of_a_long_run(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(True)
    (file,) = Path(os.environ["PLAUSIBLE_CACHE"]).rglob("*.bin")
    code = file.read_bytes()
    file.unlink()

    class Compilation:
        """Done when it is asked for the third time."""

        seconds = 7.0

        def __init__(self, function: Any, inputs: Any, path: Path, small: bool) -> None:
            self.path, self.asked = path, 0

        def done(self) -> bool:
            self.asked += 1
            if self.asked == 3:
                self.path.write_bytes(code)
            return self.asked == 3

        def stop(self) -> None:
            raise AssertionError("it is done")

    monkeypatch.setattr("plausible.inference.graphs.machine_code.Compilation", Compilation)
    monkeypatch.setattr(
        "plausible.inference.engines.recorded.RecordedStep.timed", faster_if_compiled
    )
    run = trained("auto")
    assert "recording of kernels compiled for it" in run.backend.reason
    assert run.backend.compile_seconds == 7.0
    torch.testing.assert_close(run.loss, whole.loss, rtol=1e-4, atol=1e-4)


def faster_if_compiled(step: Any, number: int) -> float:
    return 1.0 if "compiled" in step.description else 2.0


def test_kernels_that_cannot_be_compiled_leave_the_recording_and_are_not_tried_again(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Any] = []

    def fails(*arguments: Any) -> None:
        tries.append(arguments)
        raise Refused("compiling it failed (no Triton)")

    monkeypatch.setattr("plausible.inference.graphs.machine_code.Compilation", fails)
    for _ in range(2):
        backend = trained(True).backend
        assert backend.engine == "compiled" and not backend.fallback
        why = "the kernels are PyTorch's own, because compiling it failed (no Triton)"
        assert why in backend.reason
    assert len(tries) == 1
