"""A guide that was trained in one process predicts in another."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoIAFNormal, AutoNormal
from pyro.nn import PyroModule, PyroParam
from torch import Tensor, nn

from plausible.inference import fit, load, predict
from plausible.models import ELBO, Adam, CheckpointError

X = torch.tensor([-1.0, 0.0, 0.5, 2.0])
Y = torch.tensor([-1.7, 0.3, 1.4, 4.1])
NEW = torch.tensor([-2.0, 0.0, 1.0, 3.0, 5.0])


def line(x: Tensor, y: Tensor | None = None) -> None:
    weights = pyro.sample("weights", dist.Normal(torch.zeros(2), 3.0).to_event(1))
    noise = pyro.sample("noise", dist.LogNormal(0.0, 0.5))
    with pyro.plate("data", len(x)):
        mean = pyro.deterministic("mean", weights[0] + weights[1] * x)
        pyro.sample("y", dist.Normal(mean, noise), obs=y)


def by_statements(x: Tensor, y: Tensor | None = None) -> None:
    loc = pyro.param("loc", torch.zeros(2))
    scale = pyro.param("scale", torch.ones(2), constraint=dist.constraints.positive)
    pyro.sample("weights", dist.Normal(loc, scale).to_event(1))
    pyro.sample("noise", dist.Delta(pyro.param("noise_loc", torch.tensor(1.0))))


class ByModule(PyroModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 2)
        self.width = PyroParam(torch.ones(2), constraint=dist.constraints.positive)

    def forward(self, x: Tensor, y: Tensor | None = None) -> None:
        loc = self.net(torch.ones(1, dtype=self.net.weight.dtype))
        pyro.sample("weights", dist.Normal(loc, self.width).to_event(1))
        pyro.sample("noise", dist.Delta(torch.ones(())))


GUIDES: dict[str, Callable[[], Any]] = {
    "autoguide": lambda: AutoNormal(line),
    "flow": lambda: AutoIAFNormal(line, hidden_dim=[4]),
    "statements": lambda: by_statements,
    "module": ByModule,
}


def trained(guide: Any, out: Path) -> Any:
    objective = ELBO(optimizer=Adam(0.05))
    return fit(
        line,
        (X, Y),
        guide=guide,
        objective=objective,
        steps=20,
        batch_size=None,
        compile=False,
        out=out,
    )


@pytest.mark.parametrize("kind", GUIDES)
def test_a_run_that_was_loaded_predicts_as_the_run_itself(kind: str, tmp_path: Path) -> None:
    run = trained(GUIDES[kind](), tmp_path)
    expected: Any = predict(line, NEW, run, draws=20)
    fresh = GUIDES[kind]()
    again = load(tmp_path, model=line, guide=fresh)
    made: Any = predict(line, NEW, again, draws=20)
    np.testing.assert_array_equal(made.predictions["y"].values, expected.predictions["y"].values)
    assert again.guide is fresh and again.steps == 20 and torch.equal(again.loss, run.loss)
    assert set(again.params) == set(run.params)
    assert all(torch.equal(again.params[name], value) for name, value in run.params.items())
    assert list(pyro.get_param_store().keys()) == []


ELSEWHERE = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
from test_reload import GUIDES, NEW, line
from plausible.inference import load, predict

run = load(sys.argv[2], model=line, guide=GUIDES["autoguide"]())
np.save(sys.argv[3], predict(line, NEW, run, draws=20).predictions["y"].values)
"""


def test_a_guide_that_was_trained_here_predicts_in_another_process(tmp_path: Path) -> None:
    run = trained(GUIDES["autoguide"](), tmp_path / "run")
    folder, out = Path(__file__).parent, tmp_path / "y.npy"
    command = [sys.executable, "-c", ELSEWHERE, str(folder), str(tmp_path / "run"), str(out)]
    subprocess.run(command, check=True, timeout=300)
    expected: Any = predict(line, NEW, run, draws=20)
    np.testing.assert_array_equal(np.load(out), expected.predictions["y"].values)


def test_a_plain_function_without_a_guide_gets_its_parameters_back(tmp_path: Path) -> None:
    def model(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(0.5))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    run = fit(model, X, steps=3, batch_size=2, compile=False, out=tmp_path)
    again: Any = load(tmp_path, model=model)
    assert torch.equal(again.params["loc"], run.params["loc"])
    with again.scope():
        assert torch.equal(pyro.param("loc"), run.params["loc"])


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    trained(GUIDES["autoguide"](), tmp_path)
    with pytest.raises(CheckpointError, match="do not fit"):
        load(tmp_path, model=line, guide=by_statements)

    def picky(x: Tensor, y: Tensor) -> None:
        if not bool(x.any()):
            raise ValueError("only zeros")
        line(x, y)

    with pytest.raises(CheckpointError, match=r"only zeros.*load\(\.\.\., data="):
        load(tmp_path, model=picky, guide=AutoNormal(picky))
    load(tmp_path, model=picky, guide=AutoNormal(picky), data=(X, Y))
    file = tmp_path / "checkpoint.pt"
    content = torch.load(file, weights_only=True)
    del content["inputs"]  # as versions wrote it before
    torch.save(content, file)
    with pytest.raises(CheckpointError, match=r"pass the run's data to load\(\.\.\., data="):
        load(tmp_path, model=line, guide=AutoNormal(line))
    load(tmp_path, model=line, guide=AutoNormal(line), data=(X, Y))
