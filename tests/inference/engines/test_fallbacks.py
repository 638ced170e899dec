"""What cannot be captured or compiled trains all the same, and `Fit.backend` says why.

Seen failing: masks as indices that are let through, generators that are not watched, versions that
are not looked at, a self-check that compares the loss alone.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from construct import normals
from pyro.distributions import constraints
from torch import Tensor, nn

from plausible.inference import Fit, fit
from plausible.models import ELBO, Adam, Objective, Player, TrainingError
from plausible.models.objectives.batch import Batch

STEPS = 12


def model(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def guide(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.0))
    scale = pyro.param("scale", torch.tensor(0.5), constraint=constraints.positive)
    pyro.sample("mu", dist.Normal(loc, scale))


def branching(x: Tensor) -> None:
    if pyro.param("loc", torch.tensor(0.0)) > 0:
        pyro.factor("fit", torch.tensor(1.0))
    model(x)


def to_float(x: Tensor) -> None:
    pyro.factor("fit", -torch.tensor(float(x.mean())))
    model(x)


def to_item(x: Tensor) -> None:
    pyro.factor("fit", -torch.ones(()) * x.mean().item())
    model(x)


def one_by_one(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    for i in pyro.plate("data", len(x), subsample_size=5):
        pyro.sample(f"x_{i}", dist.Normal(mu, 1.0), obs=x[i])


def masked(x: Tensor) -> None:
    pyro.factor("fit", -x[x > 0].sum() * pyro.param("loc", torch.tensor(0.0)))
    model(x)


def by_python(x: Tensor) -> None:
    pyro.factor("fit", random.random() * pyro.param("loc", torch.tensor(0.0)))
    model(x)


def by_numpy(x: Tensor) -> None:
    pyro.factor("fit", float(np.random.rand()) * pyro.param("loc", torch.tensor(0.0)))
    model(x)


class ByGenerator:
    """Draws with a generator of its own, whose state nobody watches."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def __call__(self, x: Tensor) -> None:
        pyro.factor("fit", self.generator.random() * pyro.param("loc", torch.tensor(0.0)))
        model(x)


class Counting:
    """Gives data a weight by a number of Python's."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: Tensor) -> None:
        self.count += 1
        pyro.factor("fit", self.count * pyro.param("loc", torch.tensor(0.0)))
        model(x)


class CountingLate:
    """Has another likelihood from its hundredth call on."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> None:
        self.calls += 1
        model(x)
        if self.calls > 100:
            pyro.factor("late", torch.tensor(-1e6))


class CountingRounds(ELBO):
    """Counts rounds in Python, and has another loss from the eightieth on."""

    rounds = 0

    def after_step(self, model: Any, state: Any) -> None:
        super().after_step(model, state)
        type(self).rounds += 1

    def _loss(self, model: Any, batch: Batch, state: Any) -> Tensor:
        return super()._loss(model, batch, state) + 1e6 * (type(self).rounds > 80)


class Baseline(Objective):
    """REINFORCE against a decaying average that is kept outside of every buffer.

    The loss does not depend on the average: only gradients show that it was fixed.
    """

    def __init__(self) -> None:
        self.average = torch.zeros(())

    def players(self) -> tuple[Player, ...]:
        return (
            Player("loss", lambda program, state: program.parameters(), self._loss, Adam(0.02)),
        )

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Any:
        return ELBO().prepare(model, batch, other)

    def _loss(self, program: Any, batch: Batch, state: Any) -> Tensor:
        loc, scale = program.parameters()
        mu = (loc + scale.exp() * torch.randn(())).detach()
        cost = (batch.args[0] - mu).square().mean()
        score = dist.Normal(loc, scale.exp()).log_prob(mu)
        surrogate = (cost - self.average) * score
        self.average = 0.9 * self.average + 0.1 * cost
        return cost + surrogate - surrogate.detach()


def trained(program: Callable[..., None], compile: Any, **more: Any) -> Fit:
    pyro.set_rng_seed(3)
    more = {"guide": guide, "objective": ELBO(optimizer=Adam(0.02))} | more
    more = {"steps": STEPS} | more
    return fit(program, normals(20), batch_size=None, device="cpu", compile=compile, **more)


def assert_fell_back(result: Fit, engine: str, why: str) -> None:
    assert result.backend.engine == engine, result.backend
    assert result.backend.fallback
    assert re.search(why, result.backend.reason), result.backend.reason
    assert_one_sentence(result.backend.reason)


def assert_one_sentence(reason: str) -> None:
    assert reason.endswith(".") and not reason.endswith("..")
    assert reason[0].isupper() or reason.startswith("compile=")
    assert ". " not in reason and "\n" not in reason, reason


def assert_same(one: Fit, other: Fit) -> None:
    torch.testing.assert_close(one.loss, other.loss, rtol=0, atol=0)
    torch.testing.assert_close(one.params, other.params, rtol=0, atol=0)


@pytest.fixture
def captured(request: pytest.FixtureRequest) -> Callable[[], Fit]:
    """The run that nothing disturbs: graphs draw their noise in a row, so no run of Pyro is it."""

    def run() -> Fit:
        request.getfixturevalue("captured_only")
        return trained(model, compile="auto")

    return run


def line_of(function: Callable[..., Any], text: str) -> str:
    """File, line and text as a reason quotes them."""
    lines = Path(__file__).read_text().splitlines()
    start = function.__code__.co_firstlineno
    number = next(n for n, line in enumerate(lines, 1) if n > start and text in line)
    return re.escape(f"in {Path(__file__).name}, line {number}: `{lines[number - 1].strip()}`")


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (branching, "if pyro.param"),
        (to_float, "float(x.mean())"),
        (to_item, ".item()"),
        (one_by_one, "for i in pyro.plate"),
    ],
)
def test_a_decision_by_a_tensor_is_quoted(program: Callable[..., None], text: str) -> None:
    result = trained(program, compile=True)
    why = "decides by the value of a tensor " + line_of(program, text)
    assert_fell_back(result, "eager", why)
    assert_same(result, trained(program, compile=False))


def test_a_mask_as_index_is_refused() -> None:
    result = trained(masked, compile=True)
    assert_fell_back(result, "eager", r"depends on values|with a mask")
    assert_same(result, trained(masked, compile=False))


@pytest.mark.parametrize("program", [by_python, by_numpy])
def test_foreign_generators_are_refused(program: Callable[..., None]) -> None:
    result = trained(program, compile=True)
    assert_fell_back(result, "eager", "Python's or NumPy's generator")


@pytest.mark.parametrize("program", [ByGenerator, Counting])
def test_what_changes_outside_of_tensors_is_seen(program: Callable[[], Any]) -> None:
    assert_fell_back(
        trained(program(), compile=True), "eager", "the loss differs|a gradient differs"
    )


def test_a_counter_that_decides_late_is_seen_before_it_does() -> None:
    result = trained(CountingLate(), compile=True, steps=150)
    assert_fell_back(result, "eager", r"it changes CountingLate\.calls in Python each time")
    assert result.loss[-1] > 1e4 > result.loss[0]


def test_a_counter_of_the_objective_is_seen_before_it_decides() -> None:
    result = trained(model, compile=True, steps=150, objective=CountingRounds(optimizer=Adam(0.02)))
    assert_fell_back(
        result, "eager", r"it changes the class CountingRounds\.rounds in Python each time"
    )
    assert result.loss[-1] > 1e4 > result.loss[0]


def test_a_baseline_outside_of_buffers_is_seen_in_the_gradients() -> None:
    result = trained(model, compile=True, objective=Baseline())
    assert_fell_back(result, "eager", "a gradient differs")


def test_sparse_gradients_are_refused_as_without_compiling() -> None:
    def failure(compile: Any) -> str:
        table = nn.Embedding(3, 1, sparse=True)

        def sparse(x: Tensor) -> None:
            pyro.module("table", table)
            pyro.factor("fit", -table(torch.tensor([0, 2])).square().sum())

        with pytest.raises(TrainingError) as error:
            trained(sparse, compile=compile, guide=None)
        return str(error.value)

    assert "Sparse" in failure(True)
    assert failure(True) == failure(False)


VERSION = re.escape(torch.__version__.split("+")[0])


def test_an_older_version_of_pytorch_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plausible.inference.graphs.capture.TESTED", ((9, 0), (9, 1)))
    result = trained(model, compile=True)
    assert_fell_back(result, "eager", rf"PyTorch {VERSION} is too old for it \(tested: 9.0 to 9.1")
    assert_same(result, trained(model, compile=False))


def test_a_newer_version_of_pytorch_is_tried_and_named_once(
    monkeypatch: pytest.MonkeyPatch, captured: Callable[[], Fit]
) -> None:
    monkeypatch.setattr("plausible.inference.graphs.capture.TESTED", ((1, 0), (2, 1)))
    with pytest.warns(UserWarning, match=rf"PyTorch {VERSION} is newer .*1.0 to 2.1") as warned:
        result = captured()
        captured()
    assert len(warned) == 1
    assert result.backend.engine == "captured"


def test_without_a_compiler_the_graph_runs(
    monkeypatch: pytest.MonkeyPatch, captured: Callable[[], Fit]
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        patched.delenv("CXX", raising=False)
        result = trained(model, compile=True)
    assert_fell_back(result, "captured", "no C\\+\\+ compiler was found")
    assert_same(result, captured())


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the process that compiles."""

    def put(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        stand_in = SimpleNamespace(executable=str(path))
        monkeypatch.setattr("plausible.inference.graphs.background.sys", stand_in)

    return put


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo no room left >&2; exit 1", r"compiling it failed \(no room left\)"),
        ("kill -SEGV $$", r"crashed \(SIGSEGV\)"),
        ("exit 0", "compiling it failed"),
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_failed_compilation_leaves_the_graph(
    script: str,
    why: str,
    wait: bool,
    worker: Callable[[str], None],
    captured: Callable[[], Fit],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker(script)
    if not wait:  # begin to compile after the first ten rounds, whatever is left
        monkeypatch.setattr("plausible.inference.engines.choice._CAPTURE_PAYS", 0)
        monkeypatch.setattr("plausible.inference.engines.phases._COMPILING", 0.0)
        monkeypatch.setattr(f"{__name__}.STEPS", 400)
    result = trained(model, compile=True if wait else "auto")
    assert_fell_back(result, "captured", why)
    assert_same(result, captured())


@pytest.mark.slow
def test_a_broken_compiler_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, captured: Callable[[], Fit]
) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho broken; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    result = trained(model, compile=True)
    assert_fell_back(result, "captured", "compiling it failed")
    assert_same(result, captured())


@pytest.mark.parametrize(("compile", "why"), [(False, "compile=False"), ("auto", "Fewer than 500")])
def test_no_fallback_where_nothing_was_wanted(compile: Any, why: str) -> None:
    result = trained(model, compile=compile)
    assert result.backend.engine == "eager" and not result.backend.fallback
    assert why in result.backend.reason
    assert_one_sentence(result.backend.reason)
    assert_same(result, trained(model, compile=False))
