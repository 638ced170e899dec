"""Rounds: players' graphs and their optimisers, several rounds in one function of flat tensors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.inference.graphs.text import Operations
from plausible.models.objectives.optimizers import Moments, Optimizer

__all__ = ["Group", "Rate", "Rounds", "Turn", "cut", "padded"]


@dataclass(frozen=True)
class Rate:
    """A learning rate as a captured graph of the step.

    Attributes:
        graph: from the step and the tensors that it reads besides to the rate.
        fixed: number of those tensors.
        read: the tensors themselves, inside `Rounds`.
    """

    graph: Operations
    fixed: int = 0
    read: tuple[Tensor, ...] = ()

    def at(self, step: Tensor) -> Tensor:
        return self.graph(step, *self.read)[0]


@dataclass(frozen=True)
class Turn:
    """What a player does in its turn, but for its optimiser.

    Attributes:
        operations: from (weights, batch, fixed, noise) to [loss, gradients]; a flat list each.
        moved: positions in the player's parameters of those that have a gradient.
        fixed: number of tensors that the operations read and never change.
        noise: shapes of their standard normal draws.
    """

    operations: Operations
    moved: list[int]
    fixed: int
    noise: list[tuple[int, ...]]


def cut(
    noise: Tensor, shapes: Sequence[tuple[int, ...]], start: int = 0
) -> tuple[list[Tensor], int]:
    """Draws of these shapes out of a flat row of them, and where the row goes on."""
    pieces = []
    for shape in shapes:
        size = math.prod(shape)
        pieces.append(noise[start : start + size].view(shape))
        start += size
    return pieces, start


@dataclass
class Group:
    """Parameters of one player that lie in one flat tensor, or a single large one.

    Attributes:
        members: positions in the player's parameters.
        weights: positions of the same in the list of all weights.
        shapes: their shapes.
    """

    members: list[int]
    weights: list[int]
    shapes: list[torch.Size]

    def parts(self, value: Tensor) -> list[Tensor]:
        """The parameters as views of the group's tensor."""
        sizes = [shape.numel() for shape in self.shapes]
        return [x.view(s) for x, s in zip(value.view(-1).split(sizes), self.shapes, strict=True)]

    def whole(self, parts: Sequence[Tensor]) -> Tensor:
        """The group's tensor made of its parameters."""
        return parts[0] if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])


def padded(size: int) -> int:
    """A number of draws, rounded up to a multiple of 16.

    PyTorch draws normals by 16, so rows of such a length hold the same draws, drawn together or
    one after the other.
    """
    return size + -size % 16


@dataclass
class Rounds:
    """One or more rounds of all players as a function of flat tensors, ready to be compiled.

    Inputs, in order: for every player its groups (the value, then its moments) and its step; the
    other weights; the fixed tensors of the players and of their learning rates; the batch; the
    noise, shape (rounds, draws); the number of rounds to do, where there are several. The state is
    changed in place. With more than one round nothing moves any more after a loss that is not
    finite.

    Attributes:
        turns: of every player that acts.
        optimizers: of every player.
        groups: of every player.
        order: who acts, in order.
        after: what the objective does after a round; None where it does nothing.
        after_fixed: number of tensors that it reads besides the weights.
        others: positions of the weights that no player moves.
        written: positions of the weights that are changed in place, by losses or after a round.
        batch: number of tensors in a batch.
        each: whether every round has a batch of its own, on a first dimension.
        count: number of rounds.
        in_place: whether optimisers are PyTorch's fused kernels, as in what is recorded.
    """

    turns: dict[int, Turn]
    optimizers: list[Optimizer]
    groups: list[list[Group]]
    order: tuple[int, ...]
    after: Operations | None
    after_fixed: int
    others: list[int]
    written: set[int]
    batch: int
    each: bool
    count: int
    in_place: bool

    @property
    def draws(self) -> int:
        """Standard normal draws of a round."""
        shapes = [shape for i in self.order for shape in self.turns[i].noise]
        return padded(sum(math.prod(shape) for shape in shapes))

    def described(self) -> str:
        """Everything that the function depends on besides the shapes of its inputs."""
        graphs = [(i, t.operations.text, t.moved, t.noise) for i, t in self.turns.items()]
        after = self.after.text if self.after is not None else ""
        rules = [_rule(optimizer) for optimizer in self.optimizers]
        rest = (rules, self.groups, self.order, self.others, sorted(self.written))
        return repr((graphs, after, rest, self.batch, self.each, self.count, self.in_place))

    def __call__(self, *inputs: Tensor) -> Tensor:
        given = self._read(inputs)
        state = [[list(group) for group in groups] for groups in given.own]
        losses, alive = [], None
        for k in range(self.count):
            go = given.rounds > k if given.rounds is not None else None
            if alive is not None and go is not None:
                go = go & alive
            kept = {
                j: given.others[j].clone()
                for j, i in enumerate(self.others)
                if go is not None and i in self.written
            }
            row, alive = self._round(k, given, state, go, alive)
            if self.after is not None:
                self.after(*self._weights(state, given.others), *given.after_fixed)
            for j, old in kept.items():
                value = torch.where(go, given.others[j], old)  # type: ignore[arg-type]
                given.others[j].copy_(value)
            losses.append(row)
        for groups, moved in zip(given.own, state, strict=True):
            for group, values in zip(groups, moved, strict=True):
                for old, new in zip(group, values, strict=True):
                    if new is not old:
                        old.copy_(new)
        return torch.stack(losses)

    def _read(self, inputs: Sequence[Tensor]) -> "_Inputs":
        given = iter(inputs)
        moments = [list(optimizer.moments) for optimizer in self.optimizers]
        return _Inputs(
            own=[
                [[next(given) for _ in range(1 + len(names))] for _ in groups] + [[next(given)]]
                for groups, names in zip(self.groups, moments, strict=True)
            ],
            others=[next(given) for _ in self.others],
            fixed={i: [next(given) for _ in range(t.fixed)] for i, t in self.turns.items()},
            after_fixed=[next(given) for _ in range(self.after_fixed)],
            optimizers=[_reading(optimizer, lambda: next(given)) for optimizer in self.optimizers],
            batch=[next(given) for _ in range(self.batch)],
            noise=next(given) if self.draws else None,
            rounds=next(given) if self.count > 1 else None,
        )

    def _round(
        self,
        k: int,
        given: "_Inputs",
        state: list[list[list[Tensor]]],
        go: Tensor | None,
        alive: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """The losses of a round's turns, which move the state, and whether all were finite."""
        losses, start = [], 0
        for i in self.order:
            turn = self.turns[i]
            draws: list[Tensor] = []
            if given.noise is not None:
                draws, start = cut(given.noise[k], turn.noise, start)
            data = [x[k] for x in given.batch] if self.each else given.batch
            weights = self._weights(state, given.others)
            loss, *gradients = turn.operations(*weights, *data, *given.fixed[i], *draws)
            finite = loss.isfinite()
            alive = finite if alive is None else alive & finite
            allowed = finite if go is None else go & finite
            optimizer = given.optimizers[i]
            state[i] = self._moved(i, optimizer, state[i], gradients, allowed)
            losses.append(loss)
        return torch.stack(losses), alive

    def _weights(self, state: list[list[list[Tensor]]], others: list[Tensor]) -> list[Tensor]:
        weights = dict(zip(self.others, others, strict=True))
        for groups, values in zip(self.groups, state, strict=True):
            for group, (value, *_) in zip(groups, values, strict=False):
                weights.update(zip(group.weights, group.parts(value), strict=True))
        return [weights[i] for i in range(len(weights))]

    def _to_move(
        self, turn: int, state: list[list[Tensor]], gradients: list[Tensor]
    ) -> tuple[list[int], list[Tensor], list[Tensor], Moments]:
        """Groups whose parameters have a gradient: which, their values, gradients and moments."""
        by_member = dict(zip(self.turns[turn].moved, gradients, strict=True))
        groups, names = self.groups[turn], self.optimizers[turn].moments
        which = [j for j, group in enumerate(groups) if group.members[0] in by_member]
        flat = [groups[j].whole([by_member[m] for m in groups[j].members]) for j in which]
        moments: Moments = {name: [state[j][1 + i] for j in which] for i, name in enumerate(names)}
        return which, [state[j][0] for j in which], flat, moments

    def _moved(
        self,
        turn: int,
        optimizer: Optimizer,
        state: list[list[Tensor]],
        gradients: list[Tensor],
        go: Tensor,
    ) -> list[list[Tensor]]:
        """A player's state after its step: groups whose parameters have no gradient stay."""
        *values, (step,) = state
        which, parameters, flat, moments = self._to_move(turn, values, gradients)
        if self.in_place:
            optimizer.update_in_place(parameters, flat, moments, step.add_(go), go)
            return state
        step = step + go
        moved, after = optimizer.update(parameters, flat, moments, step)
        new = [list(group) for group in values]
        for position, j in enumerate(which):
            fresh = [moved[position], *(after[name][position] for name in optimizer.moments)]
            new[j] = [torch.where(go, x, was) for x, was in zip(fresh, values[j], strict=True)]
        return [*new, [step]]


@dataclass
class _Inputs:
    """The inputs of `Rounds` by what they are, in their order."""

    own: list[list[list[Tensor]]]
    others: list[Tensor]
    fixed: dict[int, list[Tensor]]
    after_fixed: list[Tensor]
    optimizers: list[Optimizer]
    batch: list[Tensor]
    noise: Tensor | None
    rounds: Tensor | None


def _reading(optimizer: Optimizer, read: Callable[[], Tensor]) -> Optimizer:
    """The optimiser whose learning rate has the tensors that it reads."""
    rate = optimizer.lr
    if not isinstance(rate, Rate) or not rate.fixed:
        return optimizer
    return replace(optimizer, lr=replace(rate, read=tuple(read() for _ in range(rate.fixed))))


def _rule(optimizer: Optimizer) -> str:
    """What an optimiser does, as a graph: its name does not say what a user's schedule computes."""
    names = list(optimizer.moments)
    optimizer = _reading(optimizer, lambda: torch.ones((), device="cpu"))

    def step(parameter: Tensor, gradient: Tensor, step: Tensor, *values: Tensor) -> list[Tensor]:
        moments = {name: [value] for name, value in zip(names, values, strict=True)}
        moved, after = optimizer.update([parameter], [gradient], moments, step)
        return [*moved, *(x for name in names for x in after[name])]

    numbers = [torch.ones(1, device="cpu") for _ in range(2 + len(names))]
    try:
        return make_fx(step)(*numbers[:2], numbers[0].sum(), *numbers[2:]).code
    except Exception:  # one that cannot be compiled needs no key
        return repr(optimizer)
