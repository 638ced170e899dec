"""Whose a parameter is, and what a run says of those that nothing trains.

Seen failing: owners looked for in the model alone; missing gradients counted in the graph's own
list of parameters, which lacks them; the first player named whichever loss was not finite.
"""

import warnings
from collections.abc import Callable
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from compiled_code import captured_only, own_cache
from pyro.infer.autoguide import AutoNormal
from ring import RingGAN, ring
from torch import Tensor, nn

from plausible.inference import TrainingWarning, fit
from plausible.models import (
    ELBO,
    DataError,
    GenerativeModel,
    GeneratorNetwork,
    ModelError,
    Objective,
    Player,
    TrainingError,
)

__all__ = ["captured_only", "own_cache"]

pytestmark = pytest.mark.usefixtures("one_thread")

X = toys.normal_data(50, 1)
ENGINES = [False, "auto", pytest.param(True, marks=pytest.mark.slow)]


class Alone(Objective):
    """One player with a given rule for its parameters, and a spare module in the state."""

    def __init__(self, parameters: Callable[[Any, Any], Any], spare: nn.Module) -> None:
        self.parameters, self.spare = parameters, spare

    def state(self, model: Any) -> nn.Module:
        return self.spare

    def players(self) -> tuple[Player, ...]:
        return (Player("own", self.parameters, lambda m, b, s: m.shift.square().sum()),)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        (lambda m, s: [m.shift, *s.parameters()], "'critic.weight', 'critic.bias'"),
        (lambda m, s: m.parameters(), "'state.weight', 'state.bias'"),
        (lambda m, s: [m.shift], "'critic.weight', 'critic.bias', 'state.weight', 'state.bias'"),
    ],
)
def test_a_parameter_of_nobody_is_an_error_that_names_it(parameters: Any, names: str) -> None:
    spare, message = nn.Linear(1, 1), f"No player of Alone trains {names}: give it to a player's"
    with pytest.raises(ModelError, match=message):
        fit(toys.Shifted(), X, objective=Alone(parameters, spare), steps=2)
    # Frozen, it need not belong to anybody.
    model = toys.Shifted()
    model.critic.requires_grad_(False)
    objective = Alone(lambda m, s: [m.shift], nn.Linear(1, 1).requires_grad_(False))
    assert fit(model, X, objective=objective, steps=2).steps == 2


def test_a_long_list_of_such_parameters_is_cut() -> None:
    spare = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(ModelError, match=r"'state.2.weight' and 3 more: give it"):
        fit(toys.Shifted(), X, objective=Alone(lambda m, s: m.parameters(), spare), steps=2)


def test_a_parameter_that_no_checkpoint_would_hold_is_an_error() -> None:
    outside = nn.Linear(1, 1)
    objective = Alone(lambda m, s: [*m.parameters(), *outside.parameters()], nn.Module())
    with pytest.raises(ModelError, match="'own' moves a parameter that neither the model nor"):
        fit(toys.Shifted(), X, objective=objective, steps=2)


def forgetful_guide(x: Tensor) -> None:
    """A second location is made but not used."""
    loc = pyro.param("loc", torch.tensor(0.0))
    pyro.param("unused", torch.tensor(0.5))
    pyro.sample("mu", dist.Normal(loc, 0.5))


@pytest.mark.parametrize("compile", ENGINES)
def test_a_parameter_without_gradient_is_named_once(
    compile: Any, request: pytest.FixtureRequest
) -> None:
    if compile == "auto":
        request.getfixturevalue("captured_only")
    with pytest.warns(TrainingWarning) as caught:
        fit(toys.mean_model, X[:, 0], guide=forgetful_guide, steps=30, compile=compile)
    (text,) = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert text.startswith("The negative ELBO does not depend on 'pyro.param/unused', which")


def test_no_warning_where_everything_has_a_gradient() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        fit(toys.mean_model, X[:, 0], guide=AutoNormal(toys.mean_model), steps=3)
        fit(toys.Shifted(), X, objective=toys.TwoPlayers(), steps=3)


@pytest.mark.parametrize("player", ["critic", "generator"])
def test_a_loss_that_is_not_finite_is_the_named_players(player: str) -> None:
    class Breaking(toys.TwoPlayers):
        def critic_loss(self, model: Any, batch: Any, state: Any) -> Tensor:
            return super().critic_loss(model, batch, state) * self._factor("critic", model)

        def generator_loss(self, model: Any, batch: Any, state: Any) -> Tensor:
            return super().generator_loss(model, batch, state) * self._factor("generator", model)

        def _factor(self, own: str, model: Any) -> Tensor:
            moved = model.shift.detach().sum() != 0  # as it is after the generator's first turn
            return torch.where(moved & (own == player), torch.nan, 1.0)

    message = rf"The loss of step 2, the {player}'s, is not finite: no parameter is, but"
    with pytest.raises(TrainingError, match=message):
        fit(toys.Shifted(), X, objective=Breaking(1, 1), steps=9)


# What needs a guide, and what does not.


class Pairs(GenerativeModel):
    """Two tensors of data, and the inherited guide, which takes one."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(()))

    def model(self, x: Tensor, y: Tensor | None = None) -> Tensor:  # type: ignore[override]
        with pyro.plate("data", len(x)):
            return pyro.sample("y", dist.Normal(self.slope * x[:, 0], 1.0), obs=y)


class Slope(Objective):
    def players(self) -> tuple[Player, ...]:
        return (Player("slope", lambda m, s: m.parameters(), lambda m, b, s: m.slope.square()),)


def test_two_tensors_and_the_inherited_guide_are_no_riddle() -> None:
    data = (X, X[:, 0])
    assert fit(Pairs(), data, objective=Slope(), batch_size=20, steps=3).steps == 3
    for batch_size in (20, None):
        with pytest.raises(
            ModelError, match="guide of Pairs does not take 2 tensors of data: too many"
        ):
            fit(Pairs(), data, objective=ELBO(), batch_size=batch_size, steps=3)


def test_a_generator_without_likelihood_is_trained_in_minibatches() -> None:
    """It gives no datum a density and has no guide, and neither is asked for."""
    torch.manual_seed(0)
    model = GeneratorNetwork((2,), 2, None, hidden=(16,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = fit(model, ring(100), objective=RingGAN(), batch_size=32, steps=5)
    assert list(run.losses) == ["discriminator", "generator"]
    assert not any(torch.equal(value, before[n]) for n, value in model.state_dict().items())


def test_a_generator_without_likelihood_still_says_why_elbo_cannot_train_it() -> None:
    with pytest.raises(ModelError, match="has no guide"):
        fit(GeneratorNetwork((1,), 2, None, hidden=(4,)), X, objective=ELBO(), steps=2)
    with pytest.raises(DataError, match="takes data of shape"):
        fit(GeneratorNetwork((2,), 2, None, hidden=(4,)), X, objective=ELBO(), steps=2)
