"""A captured function reads nothing but its inputs, and its code comes from one place."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.graph import Unknown, captured
from plausible.inference.graphs.inductor import compile_artifact
from plausible.inference.graphs.machine_code import MachineCode


def test_a_graph_reads_only_what_it_needs() -> None:
    # Seen failing: inputs kept that only what is computed once had read.
    held, unread = torch.arange(3.0), torch.ones(5)

    def function(w: Tensor, x: Tensor) -> list[Tensor]:
        unread.sum()
        return [w * held.exp() * x.exp() + torch.randn(3)]

    w, x, noise = torch.ones(3), torch.full((3,), 2.0), torch.full((3,), 0.5)
    graph = captured(function, [w], [x], steady=[1], noise=torch.float32)
    assert [t.data_ptr() for t in graph.held] == [held.data_ptr()]
    assert graph.noise == [(3,)] and len(graph.fixed) == 2  # the two exponentials
    assert "exp" not in graph.operations.text
    expected = 3 * w * held.exp() * x.exp() + noise
    torch.testing.assert_close(graph(3 * w, x, noise=[noise])[0], expected)


@pytest.mark.parametrize("steady", [True, False])
def test_what_a_function_holds_is_fixed_only_where_it_stays_as_it_is(steady: bool) -> None:
    held = torch.ones(3)
    graph = captured(lambda w: [w * held.exp()], [torch.ones(3)], held_steady=steady)
    held.add_(1.0)
    expected = 1.0 if steady else 2.0
    torch.testing.assert_close(graph(torch.ones(3))[0], torch.full((3,), expected).exp())


def test_a_tensor_that_a_function_holds_and_changes_is_named() -> None:
    held = torch.zeros(3)

    def function(w: Tensor) -> list[Tensor]:
        held.add_(1.0)
        return [w * held]

    with pytest.raises(Unknown) as caught:
        captured(function, [torch.ones(3)])
    assert caught.value.tensors[0] is held
    assert captured(lambda w, _: function(w), [torch.ones(3), held]).written == {1}


class Here:
    """A compilation without a process of its own."""

    begun = 0

    def __init__(self, *job: Any) -> None:
        self.job, self.seconds = job, 1.5
        Here.begun += 1

    def wait(self) -> None:
        compile_artifact(*self.job)

    def stop(self) -> None: ...


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> MachineCode:
    monkeypatch.setattr("plausible.inference.graphs.machine_code.Compilation", Here)
    monkeypatch.setattr(Here, "begun", 0)
    graph = captured(lambda w: [w + 1], [torch.ones(3)])
    return MachineCode(graph.operations, [torch.ones(3)], small=True)


def file_of(folder: Path) -> Path:
    (file,) = folder.rglob("*.bin")
    return file


def test_code_is_compiled_once_and_a_damaged_file_anew(code: MachineCode, tmp_path: Path) -> None:
    assert not code.kept()
    for _ in range(2):
        torch.testing.assert_close(code.obtain()(torch.zeros(3))[0], torch.ones(3))
    assert code.kept() and Here.begun == 1 and code.seconds == 1.5
    file_of(tmp_path).write_bytes(b"garbage")
    torch.testing.assert_close(code.obtain()(torch.zeros(3))[0], torch.ones(3))
    assert Here.begun == 2 and code.seconds == 3.0


def test_code_that_cannot_be_loaded_right_after_compiling_is_refused(
    code: MachineCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: Here) -> None:
        compile_artifact(*self.job)
        file_of(tmp_path).write_bytes(b"garbage")

    monkeypatch.setattr(Here, "wait", damaged)  # seen failing: the file left where it was
    with pytest.raises(Refused, match="cannot be loaded"):
        code.obtain()
    assert Here.begun == 1 and not code.kept()
