"""The guard of conftest.py itself: it must catch each kind of leak, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PROBES = """
import signal, matplotlib, matplotlib.pyplot as plt, numpy, pyro, pytest, random, torch
from torch.distributions import Distribution

def test_leak_validation(): Distribution.set_default_validate_args(False)
def test_leak_pyro_validation(): pyro.enable_validation(False)
def test_leak_module_local_params(): pyro.settings.set(module_local_params=True)
def test_leak_params(): pyro.param("weight", torch.zeros(1))
def test_leak_dtype(): torch.set_default_dtype(torch.float64)
def test_leak_device(): torch.set_default_device("meta")
def test_leak_grad(): torch.set_grad_enabled(False)
def test_leak_threads(): torch.set_num_threads(torch.get_num_threads() + 1)
def test_leak_deterministic(): torch.use_deterministic_algorithms(True)
def test_leak_precision(): torch.set_float32_matmul_precision("medium")
def test_leak_mkldnn(): torch.backends.mkldnn.set_flags(False)
def test_leak_rc(): matplotlib.rcParams["lines.linewidth"] = 9.0
def test_leak_figures(): plt.figure()
def test_leak_interrupt(): signal.signal(signal.SIGINT, signal.SIG_IGN)

@pytest.fixture(scope="module")
def shared():
    pyro.param("weight", torch.zeros(1))

def test_leak_of_a_shared_fixture(shared): pass

DRAWS = []
def draw(): return torch.rand(()).item(), numpy.random.rand(), random.random()

def test_clean_first(): DRAWS.append(draw())
def test_clean_second(): assert DRAWS[0] == draw()

@pytest.fixture(scope="module")
def trained(): return draw()
def test_clean_shared_fixture_is_seeded(trained): assert trained == DRAWS[0]

def test_clean_scoped(monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9.0)
    with pyro.settings.context(module_local_params=True), pyro.get_param_store().scope():
        pyro.param("weight", torch.zeros(1))

@pytest.mark.gpu
def test_needs_gpu(): assert torch.cuda.is_available()
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("probes")
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "test_probes.py").write_text(PROBES)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu: needs a CUDA device\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return run.stdout


def names(report: str, outcome: str) -> set[str]:
    return set(re.findall(rf"^{outcome} \S*::(\w+)", report, re.MULTILINE))


def test_every_leak_fails_the_test_that_leaks_and_no_other(report: str) -> None:
    leaking = set(re.findall(r"def (test_leak\w+)", PROBES))
    assert names(report, "ERROR") == leaking
    assert not names(report, "FAILED")


def test_message_names_what_moved(report: str) -> None:
    assert re.search(
        r"global state changed: torch\.get_default_dtype\(\): "
        r"was torch\.float32, is torch\.float64$",
        report,
        re.MULTILINE,
    )
    assert "matplotlib.rcParams: was {'lines.linewidth': 1.5}" in report
    assert "pyro.settings: was {'validate_distributions_torch': True}" in report


def test_seeds_are_the_same_for_every_test_and_for_shared_fixtures(report: str) -> None:
    clean = set(re.findall(r"def (test_clean\w+)", PROBES))
    assert clean <= names(report, "PASSED")


def test_gpu_marker_skips_without_a_device_and_says_why(report: str) -> None:
    skipped = "SKIPPED [1]" in report and "needs a CUDA device" in report
    assert skipped or "test_needs_gpu" in names(report, "PASSED")
