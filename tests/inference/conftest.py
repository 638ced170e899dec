"""What the tests of this folder share. It lets them, and processes they start, import `toys`."""

import multiprocessing
import sys
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "constructs"), str(HERE / "posterior")]

import toys  # noqa: E402


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums split between threads are rounded otherwise than sums that are not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Starts processes from one that has imported everything: milliseconds, not seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toys", "lightning_fabric"])
    return context


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with a latest and a previous checkpoint, of steps 4 and 3."""
    toys.run("pyro.param", tmp_path, 4)
    return tmp_path
