"""What is loaded has its own values, whatever else the process loads or has fitted.

Seen failing: a statement's scale was 1 again where 5.5 is right, and a second loaded guide read the
first one's values.
"""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pairs import DATA, FALLING, FAMILIES, RUN, SHIFTS, Inner, model
from pyro.nn import PyroModule
from torch import Tensor, nn, tensor
from torch.distributions import constraints

from plausible.inference import fit, load
from plausible.models import GenerativeModel, MaximumLikelihood


class Wrapped(GenerativeModel):
    """A module of Pyro's inside one of PyTorch's, which passes no context on."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(Inner())

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        with pyro.plate("data", size if x is None else len(x)):
            return pyro.sample("x", dist.Normal(self.inner[0](), 1.0), obs=x)


def test_loaded_models_read_no_other_models_parameters(tmp_path: Any) -> None:
    loaded = []
    for shift, x in DATA.items():
        fit(Wrapped(), x, **RUN, out=tmp_path / str(shift))
        loaded.append(load(tmp_path / str(shift), model=Wrapped()))
        loaded[-1].sample(2)
    means = [x.mean().item() for x in DATA.values()]
    assert [m.sample(500).mean().item() for m in loaded] == pytest.approx(means, abs=0.18)


class Observed(PyroModule):
    """A likelihood whose scale a statement makes."""

    def forward(self, x: Tensor) -> Tensor:
        scale = pyro.param("scale", tensor(1.0), constraint=constraints.positive)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.0, scale), obs=x)
        return scale


def test_a_loaded_module_has_what_its_statements_had_made(tmp_path: Any) -> None:
    scales = []
    for shift, x in DATA.items():
        run = {**RUN, "objective": MaximumLikelihood(FALLING), "out": tmp_path / str(shift)}
        scales.append(fit(Observed(), x + shift, **run).params["scale"])
    loaded = [load(tmp_path / str(shift), model=Observed()) for shift in SHIFTS]
    for own, scale, x in zip(loaded, scales, DATA.values(), strict=True):
        assert scale > 3 and torch.equal(own(x), scale)


@pytest.mark.parametrize("family", FAMILIES)
def test_loaded_guides_keep_their_own_values(family: Any, tmp_path: Any) -> None:
    for shift, x in DATA.items():
        run = {**RUN, "steps": 3, "out": tmp_path / str(shift)}
        fit(model, x, guide=family(model), **run)
    guides = {shift: family(model) for shift in SHIFTS}
    runs = {s: load(tmp_path / str(s), model=model, guide=g) for s, g in guides.items()}
    for shift, x in DATA.items():
        trace = pyro.poutine.trace(guides[shift]).get_trace(x)
        values = {n: site["value"] for n, site in trace.nodes.items() if site["type"] == "param"}
        assert values.keys() <= runs[shift].params.keys() and values
        assert all(torch.equal(values[name], runs[shift].params[name]) for name in values)
    assert any(
        not torch.equal(runs[3.0].params[name], value) for name, value in runs[-3.0].params.items()
    )
    assert not pyro.get_param_store().keys()
