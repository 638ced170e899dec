"""Players note what they do not train."""

import torch
from construct import Construct, normals
from harness import prepared
from torch import Tensor, nn

from plausible.models import ELBO
from plausible.models.objectives.objective import Player


class Two(nn.Module):
    """A layer that the loss depends on, and one that it does not."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(2, 1), nn.Linear(2, 1)

    def forward(self, x: Tensor) -> None: ...


class Squares(ELBO):
    """The squared output of a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def players(self) -> tuple[Player, ...]:
        def loss(program: nn.Module, batch: object, state: nn.Module) -> Tensor:
            output: Tensor = self.layer(torch.ones(2))
            return output.square().sum()

        return (Player("one", lambda program, state: list(program.parameters()), loss),)


def test_parameters_without_a_gradient_are_noted_when_a_player_first_acts() -> None:
    # Seen failing where nothing is noted.
    model = Two()
    with prepared(Construct(model, (normals(4, 2),), objective=Squares(model.used))) as run:
        players = run.players
        assert players.without_gradient == {}
        players.loss_and_gradients(0, run.batches.at(0))
        (names,) = players.without_gradient.values()
        assert [name.rpartition("idle.")[2] for name in names] == ["weight", "bias"]
