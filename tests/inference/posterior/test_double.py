"""Densities are in float64 whatever types a model holds, and from copies of whatever it holds."""

import threading
import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from pyro.ops.indexing import Vindex
from torch import Tensor, nn

from plausible.inference import log_density, sample_posterior
from plausible.models import ModelError

X = torch.tensor([0.3, -1.2, 0.7])
TABLE = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
CENTRES = torch.tensor([-1.0, 2.0])


def normal(x: Any, loc: Any, scale: float = 1.0) -> Tensor:
    return dist.Normal(loc, scale).log_prob(torch.as_tensor(x, dtype=torch.float64))


def value(model: Callable[..., Any], at: float, data: Any = X) -> float:
    return log_density(model, data, compile=False).value_and_grad([at])[0]


def test_a_table_in_float32_may_be_indexed_by_a_summed_out_site() -> None:
    """One in a global name, one in a closure: k ~ row of TABLE, x_i ~ N(m + shift[k], 1)."""
    shift = torch.tensor([-2.0, 1.0])

    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        first = pyro.sample("first", dist.Categorical(TABLE[0]))
        k = pyro.sample("k", dist.Categorical(Vindex(TABLE)[first]))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(m + Vindex(shift)[k], 1.0), obs=x)

    table = TABLE.double() / TABLE.double().sum(1, keepdim=True)
    m, moved = 0.4, shift.double()
    parts = [
        table[0, i].log() + table[i, j].log() + normal(X, m + moved[j]).sum()
        for i in range(2)
        for j in range(2)
    ]
    expected = normal(m, 0.0) + torch.stack(parts).logsumexp(0)
    assert value(model, m) == pytest.approx(float(expected), abs=1e-12)


def test_constants_in_float32_do_not_lower_the_precision() -> None:
    """A matrix product, which PyTorch refuses to mix, and a sum, which it rounds to float32."""
    design = torch.tensor([[1.0], [2.0], [3.0]])

    def model(x: Tensor) -> None:
        slope = pyro.sample("slope", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(design @ slope + CENTRES[0], 1.0).to_event(1), obs=x)
        pyro.factor("f", (CENTRES + slope[0]).sum())

    expected = normal(0.1, 0.0) + normal(X, design[:, 0].double() * 0.1 - 1.0).sum() + 1.2
    assert value(model, 0.1) == pytest.approx(float(expected), abs=1e-13)


def test_what_a_model_writes_in_place_is_written() -> None:
    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        places = torch.zeros(3, dtype=torch.float32)
        places[1] = 5.0
        places[2:].add_(2.0)
        pyro.sample("x", dist.Normal(loc + places, 1.0).to_event(1), obs=x)

    places = torch.tensor([0.0, 5.0, 2.0], dtype=torch.float64)
    expected = normal(0.1, 0.0) + normal(X, 0.1 + places).sum()
    assert value(model, 0.1) == pytest.approx(float(expected), abs=1e-13)


def test_chains_of_a_model_that_is_not_captured_run_in_float64_too() -> None:
    """They run in threads of their own, in processes of their own."""

    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        scale = 1.0 if loc[0] > 10 else 2.0
        pyro.sample("x", dist.Normal(TABLE @ loc, scale).to_event(1), obs=x[:2])

    made: Any = sample_posterior(
        model, X, chains=2, draws=20, tune=20, max_draws=20, compile=False, progress=False
    )
    assert made.posterior.attrs["engine"] == "eager"


class Remembering(PyroModule):
    """A module with an old weight_norm, and one that keeps what it computed last."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.linear = nn.utils.weight_norm(nn.Linear(1, 1))
        self.last: Any = None

    def forward(self, x: Tensor) -> None:
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        self.last = {"mean": [self.linear(x[:, None])[:, 0]]}
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(self.last["mean"][0], scale), obs=x)


def test_modules_may_hold_tensors_that_were_computed() -> None:
    module = Remembering()
    with pyro.get_param_store().scope():
        module(X)
    assert module.last["mean"][0].grad_fn is not None  # which copy.deepcopy refuses
    with torch.no_grad():
        mean = module.linear(X[:, None])[:, 0].double()
    half = dist.HalfNormal(1.0).log_prob(torch.tensor(1.0, dtype=torch.float64))
    expected = float(half + normal(X, mean).sum())
    density = log_density(module, X, compile=False)
    assert density.value_and_grad([0.0])[0] == pytest.approx(expected, abs=1e-6)
    drawn: Any = sample_posterior(
        module, X, method="svi", steps=3, chains=1, draws=4, progress=False
    )
    assert drawn.posterior["scale"].shape == (1, 4)


def test_a_module_that_cannot_be_copied_is_named() -> None:
    module = Remembering()
    module.lock = threading.Lock()
    with pytest.raises(ModelError, match=r"Remembering cannot be copied.*lock"):
        log_density(module, X, compile=False)
    with pytest.raises(ModelError, match=r"Remembering cannot be copied.*lock"):
        sample_posterior(module, X, method="svi", steps=3, draws=4, progress=False)
