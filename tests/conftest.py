"""Every test starts from the same seeds, and a test that leaves a global default changed fails."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pyro
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # helpers that tests of all packages import
SEED = 0

Reader = Callable[[], Any]
Restorer = Callable[[Any], object]


def _set_rc(values: dict[str, Any]) -> None:
    dict.update(matplotlib.rcParams, values)


def _set_figures(_: list[int]) -> None:
    plt.close("all")


def _set_params(_: list[str]) -> None:
    pyro.clear_param_store()


# What a library may change behind its caller's back: how to read it, how to put it back.
WATCHED: dict[str, tuple[Reader, Restorer]] = {
    # These hold the validation flags of Pyro and of torch.distributions, and module_local_params.
    "pyro.settings": (pyro.settings.get, lambda saved: pyro.settings.set(**saved)),
    "pyro.get_param_store()": (lambda: sorted(pyro.get_param_store().keys()), _set_params),
    "torch.get_default_dtype()": (torch.get_default_dtype, torch.set_default_dtype),
    "torch.get_default_device()": (torch.get_default_device, torch.set_default_device),
    "torch.is_grad_enabled()": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch.are_deterministic_algorithms_enabled()": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    "torch.get_float32_matmul_precision()": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "torch.get_num_threads()": (torch.get_num_threads, torch.set_num_threads),
    "torch.backends.mkldnn.enabled": (
        lambda: torch.backends.mkldnn.enabled,
        lambda saved: torch.backends.mkldnn.set_flags(saved),
    ),
    "matplotlib.rcParams": (lambda: dict(matplotlib.rcParams), _set_rc),
    "open matplotlib figures": (plt.get_fignums, _set_figures),
    "the handler of Ctrl-C": (
        lambda: signal.getsignal(signal.SIGINT),
        lambda saved: signal.signal(signal.SIGINT, saved),
    ),
}

BASELINE = pytest.StashKey[dict[str, Any]]()


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
    config.stash[BASELINE] = {name: read() for name, (read, _) in WATCHED.items()}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device, and torch.cuda.is_available() is False")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    # A model trained once for a module must not depend on which tests ran before.
    if fixturedef.scope != "function":
        pyro.set_rng_seed(SEED)


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Code that is compiled serves all tests of a process, and no later run of them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAUSIBLE_CACHE", str(folder))
        yield folder


@pytest.fixture
def compiled_here(cache_of_this_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile in this process, and the same graph once in all tests.

    A process of its own, which users have, costs seconds for its imports. The cache of a test is as
    empty as ever: what is compiled for it a second time is a copy of what was compiled first.
    """
    from plausible.inference.graphs.inductor import compile_artifact
    from plausible.inference.isolation import random_state_kept

    class Here:
        def __init__(self, function: Any, inputs: list[Any], path: Path, small: bool) -> None:
            self.job, self.path, self.seconds = (function, inputs, small), path, 0.0

        def done(self) -> bool:
            self.wait()
            return True

        def wait(self) -> None:
            began, kept = time.perf_counter(), cache_of_this_run / "here" / self.path.name
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
def isolated(pytestconfig: pytest.Config) -> Iterator[None]:
    """Seeds torch, NumPy and Python, and fails the test when a watched default has moved."""
    baseline = pytestconfig.stash[BASELINE]
    pyro.set_rng_seed(SEED)
    yield
    leaks = []
    for name, (read, restore) in WATCHED.items():
        if (now := read()) != (before := baseline[name]):
            leaks.append(f"{name}: {_difference(before, now)}")
            restore(before)
    if leaks:
        pytest.fail("This test left global state changed: " + "; ".join(leaks), pytrace=False)


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, dict):
        moved = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        before = {key: before.get(key) for key in moved}
        now = {key: now.get(key) for key in moved}
    return f"was {before!r}, is {now!r}"
