"""Fixtures of the tests of graphs and engines: their own cache of compiled code, one thread."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

__all__ = ["captured_only", "double", "one_thread", "own_cache"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds code that another run, or another test, has compiled."""
    monkeypatch.setenv("PLAUSIBLE_CACHE", str(tmp_path / "cache"))


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
