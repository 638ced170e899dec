"""The players of an objective with what they move: their losses, gradients and optimisers."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.inference.graphs.python_state import unchanged
from plausible.inference.isolation import on_device
from plausible.inference.program import Program, functions_of
from plausible.models.errors import ModelError, PlausibleError, reason_of
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.objective import Objective, Player
from plausible.models.objectives.tracing import probing, traces, trying

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Players", "listed", "make_parameters", "named_parameters"]

_NAMED = 5  # parameters that an error or a warning lists


class Players:
    """The players of an objective with their parameters and optimisers, for any engine.

    Attributes:
        without_gradient: by player that has acted, the names of the parameters of its own on which
            its first loss did not depend.
        cycle: rounds after which the turns repeat.

    Raises:
        ModelError: if two players share a name, one has no parameter to move or moves one that
            neither the model nor the objective's state holds, or a parameter that is not frozen
            belongs to no player.
    """

    def __init__(
        self, program: Program, objective: Objective, state: nn.Module, fabric: "Fabric"
    ) -> None:
        self.program, self.objective, self.state, self.fabric = program, objective, state, fabric
        self.players = objective.players()
        self.names = tuple(player.name for player in self.players)
        if len(set(self.names)) < len(self.names) or not self.names:
            raise ModelError(f"An objective needs players of different names; has {self.names}.")
        self.optimizer_states: list[OptimizerState] = []
        for player in self.players:
            own = [p for p in player.parameters(program, state) if p.requires_grad]
            if not own:
                raise ModelError(
                    f"There is nothing to train for the objective's {player.name}: model and guide "
                    "have no parameter that requires a gradient."
                )
            self.optimizer_states.append(OptimizerState(player.optimizer, own))
        self._names = _checked_owners(self)
        self._others = [_buffers_of_others(self, i) for i in range(len(self.players))]
        self.without_gradient: dict[str, list[str]] = {}
        self.cycle = math.lcm(*(player.every for player in self.players))
        self._turns: dict[int, tuple[int, ...]] = {}
        self.latest = torch.zeros(len(self.players), device=fabric.device)

    def turns(self, number: int) -> tuple[int, ...]:
        """The players that act in this round, in order, once for every update."""
        position = number % self.cycle
        if position not in self._turns:  # asked for before every call of compiled code
            self._turns[position] = tuple(
                i
                for i, player in enumerate(self.players)
                if position % player.every == 0
                for _ in range(player.updates)
            )
        return self._turns[position]

    def loss_and_gradients(self, i: int, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
        """A player's loss and its gradient with respect to the player's parameters.

        Buffers of the other players are as before afterwards.

        Raises:
            ModelError: unless the loss is a scalar tensor that depends on them.
        """
        name = self.names[i]
        with _kept(self._others[i]):
            loss, gradients = self._loss_and_gradients(i, batch)
        if name not in self.without_gradient:
            own = self.optimizer_states[i].parameters
            unused = [p for p, g in zip(own, gradients, strict=True) if g is None]
            self.without_gradient[name] = [self._names[id(p)] for p in unused]
        return loss, gradients

    def _loss_and_gradients(self, i: int, batch: Batch) -> tuple[Tensor, list[Tensor | None]]:
        name = self.names[i]
        with on_device(self.fabric.device), self.fabric.autocast():
            loss = self.players[i].loss(self.program, batch, self.state)
        if not isinstance(loss, Tensor) or loss.dim():
            given = f"a {type(loss).__name__}"
            if isinstance(loss, Tensor):
                given = f"of shape {tuple(loss.shape)}"
            raise ModelError(f"The {name} must be a scalar tensor, but is {given}.")
        if loss.is_complex():
            raise ModelError(f"The {name} is complex ({loss.dtype}); a loss is a real number.")
        if not loss.requires_grad:
            raise ModelError(f"The {name} does not depend on any parameter that it may move.")
        own = self.optimizer_states[i].parameters
        return loss.detach(), list(torch.autograd.grad(loss, own, allow_unused=True))

    def gradient_norms(self, number: int, batches: Batches) -> dict[str, Tensor]:
        """The norm of each parameter's gradient on the batch of a round, by name.

        Nothing moves; what a player moves and its loss does not depend on has the norm zero.
        """
        norms, batch = {}, batches.at(number)
        with _kept([*self.program.buffers(), *self.state.buffers()]), torch.enable_grad():
            for i in sorted(set(self.turns(number))):
                own = self.optimizer_states[i].parameters
                for p, g in zip(own, self._loss_and_gradients(i, batch)[1], strict=True):
                    norms[self._names[id(p)]] = p.new_zeros(()) if g is None else g.norm()
        return norms

    def unchanged(self) -> AbstractContextManager[None]:
        """Refuse what program and objective change in Python whenever they run."""
        return unchanged(*functions_of(self.program), self.objective, self.state)

    def after_step(self) -> None:
        """What the objective does after a round."""
        with on_device(self.fabric.device):
            self.objective.after_step(self.program, self.state)

    def state_dict(self) -> dict[str, Any]:
        """The optimisers' state and every player's latest loss."""
        return {
            "optimizers": [state.state_dict() for state in self.optimizer_states],
            "latest": self.latest.cpu().clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for own, saved in zip(self.optimizer_states, state["optimizers"], strict=True):
            own.load_state_dict(saved)
        self.latest.copy_(state["latest"])


def make_parameters(program: Any, objective: Objective, batch: Batch) -> None:
    """Run every loss once, so that parameters which the program makes on the way are there.

    An objective that scores data has run the program before; of another only its losses know how.

    Raises:
        ModelError: if a loss does not run on this batch.
    """
    device = batch.args[0].device if batch.args else torch.device("cpu")
    with trying(program, batch), torch.enable_grad():
        with contextlib.suppress(Exception):  # the state may ask for them, too
            traces(program, batch)
        state = objective.state(program).to(device)
        for player in objective.players():
            try:
                with probing(state), torch.enable_grad():
                    player.loss(program, batch, state)
            except Exception as error:
                if isinstance(error, (PlausibleError, MemoryError)) or "alloc" in str(error):
                    raise
                shapes = ", ".join(str(tuple(x.shape)) for x in batch.args)
                raise ModelError(
                    f"The {player.name} does not run on {batch.size} of {batch.total} data of "
                    f"shape {shapes}: {type(error).__name__}: {reason_of(error)}."
                ) from error


def named_parameters(program: Any, state: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters of model and guide, then those of the objective's state, by name."""
    yield from program.named_parameters()
    yield from ((f"state.{name}", p) for name, p in state.named_parameters())


def listed(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _checked_owners(players: Players) -> dict[int, str]:
    """Names of all parameters; refuses those that nothing trains, or no checkpoint would hold."""
    names: dict[int, str] = {}
    unowned = []
    owned = {id(p) for own in players.optimizer_states for p in own.parameters}
    for name, parameter in named_parameters(players.program, players.state):
        names.setdefault(id(parameter), name)
        if parameter.requires_grad and parameter.is_complex():
            raise ModelError(
                f"The parameter {name!r} is complex, and optimisers move real numbers. Train its "
                "real and imaginary parts, torch.view_as_real(w), and let the model put them "
                "together: torch.view_as_complex(parts)."
            )
        if parameter.requires_grad and id(parameter) not in owned:
            unowned.append(name)
    if unowned:
        raise ModelError(
            f"No player of {type(players.objective).__name__} trains {listed(unowned)}: give it to "
            "a player's `parameters`, or freeze it with requires_grad_(False)."
        )
    for name, own in zip(players.names, players.optimizer_states, strict=True):
        if any(id(p) not in names for p in own.parameters):
            raise ModelError(
                f"The player {name!r} moves a parameter that neither the model nor the objective's "
                "state holds, so no checkpoint would keep it: return its module from the "
                "objective's `state` method."
            )
    return names


def _buffers_of_others(players: Players, i: int) -> list[Tensor]:
    """Buffers that a player's turn must leave as they are; `Player.modules` tells the rule."""
    roots = players.program, players.state
    claims = [_claimed(player, *roots) for player in players.players]
    buffers = {id(b): b for claim in claims for b in (claim or {}).values()}
    owners: dict[int, set[int]] = {}
    for root in roots:
        buffers.update({id(b): b for b in root.buffers()})
        _find_owners(root, set(), players, owners)
    others = []
    for key, buffer in buffers.items():
        claimed = {j for j, claim in enumerate(claims) if claim is not None and key in claim}
        own, known = claims[i], claimed or owners.get(key, set())
        if (key not in own) if own is not None else (bool(known) and i not in known):
            others.append(buffer)
    return others


def _claimed(player: Player, program: Any, state: nn.Module) -> dict[int, Tensor] | None:
    """Buffers of the modules that a player names; None where it names none."""
    if player.modules is None:
        return None
    return {id(b): b for module in player.modules(program, state) for b in module.buffers()}


def _find_owners(
    module: nn.Module, around: set[int], players: Players, owners: dict[int, set[int]]
) -> None:
    """Whose each buffer inside is, by the nearest module around it that holds parameters."""
    inside = {id(p) for p in module.parameters()}
    nearest = {
        i
        for i, own in enumerate(players.optimizer_states)
        if any(id(p) in inside for p in own.parameters)
    }
    for buffer in module.buffers(recurse=False):
        owners.setdefault(id(buffer), nearest or around)
    for child in module.children():
        _find_owners(child, nearest or around, players, owners)


@contextmanager
def _kept(buffers: Sequence[Tensor]) -> Iterator[None]:
    """These tensors are as before afterwards, once no gradient needs what they were inside."""
    with torch.no_grad():
        saved = [buffer.clone() for buffer in buffers]
    yield
    with torch.no_grad():
        for buffer, value in zip(buffers, saved, strict=True):
            buffer.copy_(value)
