"""Fixtures of the tests of graphs and engines: their cache, who compiles, one thread."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from plausible.inference.graphs.inductor import compile_artifact
from plausible.inference.isolation import random_state_kept

__all__ = ["captured_only", "compiled_before", "compiled_here", "double", "one_thread", "own_cache"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds code that another run, or another test, has compiled."""
    monkeypatch.setenv("PLAUSIBLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def compiled_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `compiled_here` keeps its code while the tests run."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def compiled_here(compiled_before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile in this process, and the same graph once in all tests.

    A process of its own, which users have, costs seconds for its imports. The cache of a test is as
    empty as ever: what is compiled for it a second time is a copy of what was compiled first.
    """

    class Here:
        def __init__(self, function: Any, inputs: list[Tensor], path: Path, small: bool) -> None:
            self.job, self.path, self.seconds = (function, inputs, small), path, 0.0

        def done(self) -> bool:
            self.wait()
            return True

        def wait(self) -> None:
            began, kept = time.perf_counter(), compiled_before / self.path.name
            if not kept.exists():
                function, inputs, small = self.job
                with random_state_kept(torch.device("cpu")):
                    compile_artifact(function, [x.detach().clone() for x in inputs], kept, small)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(kept, unfinished := self.path.with_suffix(".copy"))
            os.replace(unfinished, self.path)
            self.seconds = time.perf_counter() - began

        def stop(self) -> None:
            """Nothing is under way between two calls."""

    monkeypatch.setattr("plausible.inference.graphs.machine_code.Compilation", Here)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums split between threads are rounded otherwise than sums that are not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def double() -> Iterator[None]:
    """Programs are made in float64."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(kept)


@pytest.fixture
def captured_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fit(compile="auto")` captures even the shortest run, and compiles nothing."""
    monkeypatch.setattr("plausible.inference.engines.choice._CAPTURE_PAYS", 0)
    for name in ("_COMPILING", "LOADING", "_LOADING_AGAIN"):
        monkeypatch.setattr(f"plausible.inference.engines.phases.{name}", float("inf"))
