"""A program that cannot be trained as it is: one sentence that says how it can."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro.distributions import constraints
from pyro.infer.autoguide import AutoDelta, AutoDiagonalNormal, AutoNormal
from pyro.nn import PyroModule, PyroParam
from torch import Tensor, nn

from plausible.inference import TrainingWarning, fit
from plausible.models import (
    MaximumLikelihood,
    ModelError,
    TrainingError,
)

XS = toys.normal_data(60, 16)
X = XS[:, 0]


def no_plate(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.sample("x", dist.Normal(mu, 1.0).expand([len(x)]).to_event(1), obs=x)


def factor_outside(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.factor("x", -0.5 * (x - mu).square().sum())


def factors_outside(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    pyro.factor("x", -0.5 * (x - mu).square())


def two_plates(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
    with pyro.plate("rows", len(x), dim=-2), pyro.plate("columns", len(x), dim=-1):
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x[:, None] - x)


def penalised(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.0))
    pyro.sample("x", dist.Normal(loc, 1.0).expand([len(x)]).to_event(1), obs=x)
    pyro.factor("penalty", -loc.square())


def empty_guide(x: Tensor) -> None:
    pyro.param("unused", torch.tensor(0.0))


def wrong_guide(x: Tensor) -> None:
    toys.mean_guide(x)
    pyro.sample("nu", dist.Normal(0.0, 1.0))


def observing_guide(x: Tensor) -> None:
    toys.mean_guide(x)
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(pyro.param("loc"), 1.0))


def constant_guide(x: Tensor) -> None:
    pyro.sample("mu", dist.Normal(0.0, 1.0))


def other_plate_guide(x: Tensor) -> None:
    pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.0)), 1.0))
    with pyro.plate("batch", len(x)):
        pyro.sample("z", dist.Normal(x[:, 0], 1.0))


def nothing_given() -> None:
    pass


@pytest.mark.parametrize(
    ("model", "guide", "data", "message"),
    [
        (no_plate, toys.mean_guide, X, r"'x' grows with .*in no plate.*with pyro.plate\("),
        (factors_outside, toys.mean_guide, X, r'"x", invalid log_prob .*pyro.plate\('),
        (factor_outside, toys.mean_guide, X, r"No observed site .*with pyro.plate\("),
        (two_plates, toys.mean_guide, X, "'x' lies in the plates .*batch_size=None"),
        (penalised, None, X, "'x' grows with the batch and 'penalty' does not"),
        (toys.level_local, other_plate_guide, toys.ROWS, "'z' grows with the batch"),
        (toys.mean_model, None, X, "'mu' has no site of that name in the guide"),
        (toys.mean_model, empty_guide, X, "'mu' has no site .*AutoNormal"),
        (toys.mean_model, wrong_guide, X, "guide's site 'nu' has no site"),
        (toys.mean_model, observing_guide, X, "guide draws 'x', but the model observes"),
        (toys.mean_model, constant_guide, X, "nothing to train"),
        (nothing_given, None, (), "nothing to train"),
        (nothing_given, None, XS, "does not run on 20 of 60 data .*takes 0 positional"),
        (PyroModule, None, XS, "is the class PyroModule: pass an instance"),
        (3.0, None, XS, "The model is a float"),
        (None, None, XS, "There is no model"),
        (toys.mean_model, "AutoNormal", XS, "The guide is a str"),
        (
            toys.level_local,
            AutoNormal(toys.level_local),
            toys.ROWS,
            r"on 19 of 40 data.*It runs on 20, so some",
        ),
    ],
)
def test_a_program_that_cannot_be_trained_is_a_sentence(
    model: Any, guide: Any, data: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        fit(model, data, guide=guide, batch_size=20, steps=2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [no_plate, factor_outside, penalised])
def test_without_minibatches_no_plate_is_needed(model: Any) -> None:
    guide = None if model is penalised else toys.mean_guide
    assert fit(model, X, guide=guide, steps=3).steps == 3


def angle(x: Tensor) -> None:
    turn = pyro.sample("turn", dist.VonMises(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(turn.cos(), 1.0), obs=x)


def round_guide(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.1))
    pyro.sample("turn", dist.VonMises(loc, pyro.param("sharp", torch.tensor(2.0))))


def straight_guide(x: Tensor) -> None:
    pyro.sample("turn", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 1.0))


# Seen training without `_check_angles`: the bound grows as the guide's scale does.
@pytest.mark.parametrize("guide", [straight_guide, AutoNormal(angle), AutoDiagonalNormal(angle)])
def test_a_guide_over_all_numbers_is_refused_for_an_angle(guide: Any) -> None:
    with pytest.raises(ModelError, match=r"'turn' is an angle.*dist\.VonMises in the guide"):
        fit(angle, X, guide=guide, steps=2)


@pytest.mark.parametrize("guide", [round_guide, AutoDelta(angle)])
def test_a_round_guide_and_a_point_suit_an_angle(guide: Any) -> None:
    assert fit(angle, X, guide=guide, steps=2).steps == 2


def baselined(x: Tensor) -> None:
    logits = pyro.param("logits", torch.tensor(0.0))
    baseline = {"use_decaying_avg_baseline": True}
    pyro.sample("k", dist.Bernoulli(logits=logits), infer={"baseline": baseline})


def test_a_baseline_that_is_not_used_is_said_once() -> None:
    def model(x: Tensor) -> None:
        k = pyro.sample("k", dist.Bernoulli(0.3))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(k, 1.0), obs=x)

    with pytest.warns(TrainingWarning, match="The site 'k' has infer={'baseline'") as caught:
        fit(model, X, guide=baselined, steps=3)
    assert len(caught) == 1


def test_targets_that_would_be_broadcast_are_refused() -> None:
    """Targets of shape (N, 1) beside means of shape (N,) would be scored in all N² pairs."""
    x, y = toys.regression_data()
    net = nn.Linear(2, 1)
    message = r'"y", invalid log_prob shape Expected \[80\], actual \[80, 80\]'
    with pytest.raises(ModelError, match=message):
        fit(toys.closed_over(net), (x, y[:, None]), steps=2)


def test_maximum_likelihood_refuses_latents() -> None:
    with pytest.raises(ModelError, match="without latent variables"):
        x = toys.normal_data(9)
        fit(toys.mean_model, x, guide=toys.mean_guide, objective=MaximumLikelihood(), steps=2)


def test_two_constrained_parameters_of_one_name_are_refused() -> None:
    class Guide(PyroModule):
        def __init__(self, name: str = "") -> None:
            super().__init__(name)
            self.scale = PyroParam(torch.tensor(1.0), constraint=constraints.positive)

        def forward(self, x: Tensor, y: Tensor) -> None:
            pyro.sample("z", dist.Normal(0.0, self.scale))

    class Model(toys.Heteroscedastic):
        def forward(self, x: Tensor, y: Tensor) -> None:
            super().forward(x, y + 0.0 * pyro.sample("z", dist.Normal(0.0, 1.0)))

    data = toys.regression_data()
    with pytest.raises(ModelError, match=r"PyroParam called 'scale'.*Name a module"):
        fit(Model(), data, guide=Guide(), steps=2)
    result = fit(Model(), data, guide=Guide("guide"), steps=2)
    assert {"scale", "guide.scale"} <= result.params.keys()


def test_a_parameter_that_is_made_too_late_is_refused() -> None:
    calls = []

    def guide(x: Tensor) -> None:
        calls.append(1)
        toys.mean_guide(x)
        if len(calls) == 4:
            pyro.param("late", torch.tensor(0.0))

    with pytest.raises(ModelError, match=r"'pyro.param/late' was made in step 3"):
        fit(toys.mean_model, toys.normal_data(9), guide=guide, steps=9)


def test_a_loss_without_parameters_is_refused() -> None:
    def guide(x: Tensor) -> None:
        pyro.param("unused", torch.tensor(0.0))
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    with pytest.raises((ModelError, TrainingError), match="does not depend on any parameter"):
        fit(toys.mean_model, toys.normal_data(9), guide=guide, steps=9)
