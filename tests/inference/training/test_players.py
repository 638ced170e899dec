"""Objectives of several players: turns, frozen others, state that is kept."""

from typing import Any

import pyro.distributions as dist
import pytest
import torch
import toys
from torch import Tensor, nn

from plausible.inference import Progress, fit
from plausible.models import Adam, ModelError, Objective, Player
from plausible.models.objectives.batch import Batch

pytestmark = pytest.mark.usefixtures("one_thread")


class Watched(toys.TwoPlayers):
    """Writes down whose turn it is and the weights at every loss."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.turns: list[str]
        self.weights: list[dict[str, Tensor]]
        self.batches: list[Tensor]

    def state(self, model: Any) -> nn.Module:
        """Made when a run begins, and before that for a try, which is forgotten."""
        self.turns, self.weights, self.batches = [], [], []
        return super().state(model)

    def note(self, name: str, model: nn.Module, batch: Batch) -> None:
        self.turns.append(name)
        self.weights.append({n: p.detach().clone() for n, p in model.named_parameters()})
        self.batches.append(batch.args[0])

    def critic_loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        self.note("critic", model, batch)
        return super().critic_loss(model, batch, state)

    def generator_loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        self.note("generator", model, batch)
        return super().generator_loss(model, batch, state)


X = toys.normal_data(50, 1)


def test_players_take_their_turns_in_order_with_their_updates_and_rounds() -> None:
    objective = Watched(updates=2, every=3)
    fit(toys.Shifted(), X, objective=objective, batch_size=20, steps=5)
    rounds = ["critic", "critic", "generator"], ["critic"] * 2, ["critic"] * 2
    assert objective.turns == [turn for i in (0, 1, 2, 0, 1) for turn in rounds[i]]


# Seen failing when every optimiser is given all parameters.
def test_the_other_players_parameters_do_not_move_in_a_players_turn() -> None:
    objective = Watched(updates=2, every=1)
    model = toys.Shifted()
    fit(model, X, objective=objective, batch_size=20, steps=10)
    last = {name: p.detach().clone() for name, p in model.named_parameters()}
    own = {"critic": {"critic.weight"}, "generator": {"shift"}}
    moved = {"critic": set(), "generator": set()}
    for turn, before, after in zip(
        objective.turns, objective.weights, [*objective.weights[1:], last], strict=True
    ):
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed <= own[turn] | ({"critic.bias"} if turn == "critic" else set())
        moved[turn] |= changed
    assert own["critic"] <= moved["critic"] and own["generator"] == moved["generator"]
    assert all(p.grad is None for p in model.parameters())


# Seen failing with `loss.backward()`: it leaves gradients of the critic for the critic's next step.
def test_rounds_equal_a_loop_written_by_hand() -> None:
    updates, every, rounds = 2, 3, 20
    model = toys.Shifted()
    shift, weight, bias = (p.detach().clone() for p in model.parameters())
    fit(model, X, objective=toys.TwoPlayers(updates, every), batch_size=None, steps=rounds)
    torch.manual_seed(0)
    for tensor in (shift, weight, bias):
        tensor.requires_grad_()
    critic = torch.optim.Adam([weight, bias], lr=0.02, fused=True)
    generator = torch.optim.Adam([shift], lr=0.02, fused=True)
    for number in range(rounds):
        for _ in range(updates):
            fake = shift.detach() + torch.randn(50, 1)
            gap = (fake @ weight.T + bias).mean() - (X @ weight.T + bias).mean()
            critic.zero_grad()
            (gap + 0.5 * weight.square().sum()).backward()
            critic.step()
        if number % every == 0:
            fake = shift + torch.randn(50, 1)
            generator.zero_grad()
            (-(fake @ weight.detach().T + bias.detach()).mean()).backward()
            generator.step()
    # Sums in another order: float error only.
    assert torch.allclose(model.shift, shift, atol=1e-6)
    assert torch.allclose(model.critic.weight, weight, atol=1e-6)


def test_all_players_of_a_round_see_the_same_batch() -> None:
    objective = Watched(updates=2, every=1)
    fit(toys.Shifted(), X, objective=objective, batch_size=20, steps=3)
    sizes = [len(batch) for batch in objective.batches]
    assert sizes == [20] * 6 + [10] * 3
    for first in range(0, 9, 3):
        assert all(
            torch.equal(objective.batches[first + i], objective.batches[first]) for i in (1, 2)
        )


def test_losses_come_by_name_and_a_resting_player_repeats_its_last() -> None:
    seen: list[dict[str, float]] = []

    def note(progress: Progress) -> None:
        seen.append({name: loss.item() for name, loss in progress.losses.items()})

    result = fit(
        toys.Shifted(), X, objective=toys.TwoPlayers(1, 3), batch_size=20, steps=7, callbacks=[note]
    )
    assert list(result.losses) == ["critic", "generator"]
    assert all(loss.shape == (7,) for loss in result.losses.values())
    assert torch.equal(result.loss, torch.stack(list(result.losses.values()), 1))
    generator = result.losses["generator"]
    assert torch.equal(generator[:3], generator[0].expand(3))
    assert torch.equal(generator[3:6], generator[3].expand(3)) and generator[3] != generator[0]
    for name, curve in result.losses.items():
        assert [step[name] for step in seen] == curve.tolist()


def test_the_state_moves_after_every_round_and_is_given_to_the_losses() -> None:
    states: list[float] = []

    class Averaging(toys.TwoPlayers):
        def state(self, model: Any) -> nn.Module:
            states.clear()  # of the try before the run
            return super().state(model)

        def critic_loss(self, model: Any, batch: Batch, state: Any) -> Tensor:
            states.append(state.average.item())
            return super().critic_loss(model, batch, state)

    shifts: list[float] = []
    fit(
        toys.Shifted(),
        X,
        objective=Averaging(1, 1),
        steps=6,
        callbacks=[lambda progress: shifts.append(progress.model.shift.item())],
    )
    expected = [0.0]
    for shift in shifts[:-1]:
        expected.append(0.99 * expected[-1] + 0.01 * shift)
    assert states == pytest.approx(expected, abs=1e-7)


def test_one_players_state_is_not_anothers() -> None:
    """A second run of the same objective object starts from a fresh state and fresh moments."""
    objective = toys.TwoPlayers()
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        runs.append(fit(toys.Shifted(), X, objective=objective, batch_size=20, steps=9))
    assert torch.equal(runs[0].losses["generator"], runs[1].losses["generator"])


def test_a_generator_learns_the_mean_of_its_data() -> None:
    """The critic's slope follows the difference of the means, the shift follows the slope.

    Full batches leave the noise of the draws alone: their mean over 400 has a standard error of
    0.05, and the shift is an average over some hundred of them; 0.03 is allowed.
    """
    x = 0.3 * toys.normal_data(400, 1) + 2.0
    model = toys.Shifted()
    last: list[float] = []
    fit(
        model,
        x,
        objective=toys.TwoPlayers(updates=3, every=1, lr=0.02),
        batch_size=None,
        steps=600,
        callbacks=[lambda p: last.append(model.shift.item())],
    )
    assert sum(last[-200:]) / 200 == pytest.approx(x.mean().item(), abs=0.03)
    assert dist.Normal(model.shift, 1.0).mean.shape == (1,)


def test_a_player_whose_parameters_are_frozen_is_an_error() -> None:
    model = toys.Shifted()
    model.critic.requires_grad_(False)
    with pytest.raises(ModelError, match="nothing to train for the objective's critic"):
        fit(model, X, objective=toys.TwoPlayers(), steps=2)


def test_a_frozen_parameter_of_a_player_does_not_move() -> None:
    model = toys.Shifted()
    model.critic.bias.requires_grad_(False)
    before = model.critic.bias.clone()
    fit(model, X, objective=toys.TwoPlayers(), steps=20)
    assert torch.equal(model.critic.bias, before) and not model.critic.bias.requires_grad


def test_turns_need_at_least_one_update() -> None:
    for wrong in ({"updates": 0}, {"every": 0}, {"updates": -1}):
        with pytest.raises(ModelError, match=r"needs updates >= 1 and every >= 1"):
            Player("p", lambda m, s: [], lambda m, b, s: torch.zeros(()), **wrong)


def test_an_objective_without_players_says_so() -> None:
    with pytest.raises(ModelError, match="has no players: write its `players` method"):
        fit(toys.Shifted(), X, objective=Objective(), steps=2)


def test_players_have_learning_rates_of_their_own() -> None:
    class Uneven(toys.TwoPlayers):
        def players(self) -> tuple[Player, ...]:
            critic, generator = super().players()
            return (
                Player("critic", critic.parameters, critic.loss, Adam(lr=0.5)),
                Player("generator", generator.parameters, generator.loss, Adam(lr=0.001)),
            )

    model = toys.Shifted()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    fit(model, X, objective=Uneven(), steps=1)
    # Adam's first step is its learning rate, whatever the gradient.
    weight = (model.critic.weight - before["critic.weight"]).abs().item()
    assert weight == pytest.approx(0.5, rel=1e-4)
    assert (model.shift - before["shift"]).abs().item() == pytest.approx(0.001, rel=1e-3)
