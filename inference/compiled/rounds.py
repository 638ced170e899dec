"""Rounds: players' graphs and their optimisers, several rounds in one function of flat tensors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.models.optimizers import Moments, Optimizer

__all__ = ["Group", "Operations", "PlayerGraph", "Rate", "Rounds", "padded"]

aten = torch.ops.aten
_PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default, aten.baddbmm.default)
_CONVOLUTIONS = (aten.convolution.default, aten.convolution_backward.default)


class Operations:
    """A graph as a function that can be sent to another process: the text of its operations.

    (A pickled GraphModule is traced anew when it is read, which fixes what it draws at random.)
    """

    def __init__(self, graph: GraphModule) -> None:
        nodes = [node for node in graph.graph.nodes if node.op == "call_function"]
        self.count = len(nodes)
        tags = [getattr(node.target, "tags", ()) for node in nodes]
        self.draws = any(torch.Tag.nondeterministic_seeded in tag for tag in tags)
        self.work = sum(_work(node) for node in nodes)
        self.text = graph.graph.python_code("self").src
        self._function = self._made()

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        return self._function(None, *inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_function"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._function = self._made()

    def _made(self) -> Callable[..., list[Tensor]]:
        names: dict[str, Any] = {"torch": torch, "device": torch.device}
        names |= {"inf": math.inf, "nan": math.nan, "NoneType": type(None)}
        exec(compile(self.text, "<captured graph>", "exec"), names)
        return names["forward"]


@dataclass(frozen=True)
class Rate:
    """A learning rate as a captured graph of the step."""

    graph: Operations

    def at(self, step: Tensor) -> Tensor:
        return self.graph(step)[0]


def _work(node: Node) -> float:
    """Roughly how many numbers an operation makes; those of a product of matrices count more."""
    value = _meta(node)
    if not hasattr(value, "shape"):
        return 0.0
    operands = [_meta(x) for x in node.args if isinstance(x, Node)]
    depth = 1.0
    if node.target in _PRODUCTS:
        depth += 0.1 * operands[-1].shape[-2]
    elif node.target in _CONVOLUTIONS:
        depth += 0.1 * max(x.shape[1:].numel() for x in operands[1:])
    return depth * value.shape.numel()


def _meta(node: Any) -> Any:
    return node.meta.get("val", node.meta.get("tensor_meta"))


@dataclass
class PlayerGraph:
    """A captured loss with its gradients.

    Attributes:
        graph: from (weights, batch, fixed, noise) to [loss, gradients]; a flat list each.
        moved: positions in the player's parameters of those that have a gradient.
        fixed: tensors that the graph reads and never changes.
        noise: shapes of its standard normal draws.
        written: positions in the weights of those that the graph changes in place (buffers).
    """

    graph: Operations
    moved: list[int]
    fixed: list[Tensor]
    noise: list[tuple[int, ...]]
    written: set[int] = field(default_factory=set)

    def __call__(
        self, weights: Sequence[Tensor], batch: Sequence[Tensor], noise: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        loss, *gradients = self.graph(*weights, *batch, *self.fixed, *noise)
        return loss, gradients

    def cut(self, noise: Tensor, start: int) -> tuple[list[Tensor], int]:
        """This graph's draws out of a flat row of them, and where the row goes on."""
        pieces = []
        for shape in self.noise:
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
    """The room for so many draws: PyTorch draws normals by 16, so a multiple of it makes the draws
    of many rounds at once the same as those of one round after the other."""
    return size + -size % 16


@dataclass
class Rounds:
    """One or more rounds of all players as a function of flat tensors, ready to be compiled.

    Inputs, in order: for every player its groups (the value, then its moments) and its step; the
    other weights; the players' fixed tensors; the batch; the noise, shape (rounds, draws); the
    number of rounds to do, where there are several. The state is changed in place. With more than
    one round nothing moves any more after a loss that is not finite.

    Attributes:
        graphs: one for every player that acts.
        optimizers: of every player.
        groups: of every player.
        turns: who acts, in order.
        after: what the objective does after a round; None where it does nothing.
        after_fixed: tensors that it reads.
        others: positions of the weights that no player moves.
        written: positions of the weights that are changed in place, by losses or after a round.
        batch: number of tensors in a batch.
        each: whether every round has a batch of its own, on a first dimension.
        count: number of rounds.
        in_place: whether optimisers are PyTorch's fused kernels, as in what is recorded.
    """

    graphs: dict[int, PlayerGraph]
    optimizers: list[Optimizer]
    groups: list[list[Group]]
    turns: tuple[int, ...]
    after: Operations | None
    after_fixed: list[Tensor]
    others: list[int]
    written: set[int]
    batch: int
    each: bool
    count: int
    in_place: bool

    @property
    def draws(self) -> int:
        """Standard normal draws of a round."""
        shapes = [shape for turn in self.turns for shape in self.graphs[turn].noise]
        return padded(sum(math.prod(shape) for shape in shapes))

    def fixed(self) -> list[Tensor]:
        """What goes where the inputs say "fixed"."""
        return [x for graph in self.graphs.values() for x in graph.fixed] + self.after_fixed

    def described(self) -> str:
        """Everything that the function depends on besides the shapes of its inputs."""
        graphs = [(i, g.graph.text, g.moved, g.noise) for i, g in self.graphs.items()]
        after = self.after.text if self.after is not None else ""
        rules = [_rule(optimizer) for optimizer in self.optimizers]
        rest = (rules, self.groups, self.turns, self.others, sorted(self.written))
        return repr((graphs, after, rest, self.batch, self.each, self.count, self.in_place))

    def __call__(self, *inputs: Tensor) -> Tensor:
        given = iter(inputs)
        moments = [list(optimizer.moments) for optimizer in self.optimizers]
        own = [
            [[next(given) for _ in range(1 + len(names))] for _ in groups] + [[next(given)]]
            for groups, names in zip(self.groups, moments, strict=True)
        ]
        others = [next(given) for _ in self.others]
        fixed = {i: [next(given) for _ in graph.fixed] for i, graph in self.graphs.items()}
        after_fixed = [next(given) for _ in self.after_fixed]
        batch = [next(given) for _ in range(self.batch)]
        noise = next(given) if self.draws else None
        rounds = next(given) if self.count > 1 else None

        state = [[list(group) for group in groups] for groups in own]
        losses, alive = [], None
        for k in range(self.count):
            go = rounds > k if rounds is not None else None
            if alive is not None and go is not None:
                go = go & alive
            kept = {
                j: others[j].clone()
                for j, i in enumerate(self.others)
                if go is not None and i in self.written
            }
            row, start = [], 0
            for turn in self.turns:
                graph = self.graphs[turn]
                draws: list[Tensor] = []
                if noise is not None:
                    draws, start = graph.cut(noise[k], start)
                data = [x[k] for x in batch] if self.each else batch
                weights = self._weights(state, others)
                loss, *gradients = graph.graph(*weights, *data, *fixed[turn], *draws)
                finite = loss.isfinite()
                alive = finite if alive is None else alive & finite
                allowed = finite if go is None else go & finite
                state[turn] = self._moved(turn, state[turn], gradients, allowed)
                row.append(loss)
            if self.after is not None:
                self.after(*self._weights(state, others), *after_fixed)
            for j, old in kept.items():
                others[j].copy_(torch.where(go, others[j], old))  # type: ignore[arg-type]
            losses.append(torch.stack(row))
        for groups, moved in zip(own, state, strict=True):
            for group, values in zip(groups, moved, strict=True):
                for old, new in zip(group, values, strict=True):
                    if new is not old:
                        old.copy_(new)
        return torch.stack(losses)

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
        by_member = dict(zip(self.graphs[turn].moved, gradients, strict=True))
        groups, names = self.groups[turn], self.optimizers[turn].moments
        which = [j for j, group in enumerate(groups) if group.members[0] in by_member]
        flat = [groups[j].whole([by_member[m] for m in groups[j].members]) for j in which]
        moments: Moments = {name: [state[j][1 + i] for j in which] for i, name in enumerate(names)}
        return which, [state[j][0] for j in which], flat, moments

    def _moved(
        self, turn: int, state: list[list[Tensor]], gradients: list[Tensor], go: Tensor
    ) -> list[list[Tensor]]:
        """A player's state after its step: groups whose parameters have no gradient stay."""
        optimizer, (*values, (step,)) = self.optimizers[turn], state
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


def _rule(optimizer: Optimizer) -> str:
    """What an optimiser does, as a graph: a name need not tell what a user's schedule computes."""
    names = list(optimizer.moments)

    def step(parameter: Tensor, gradient: Tensor, step: Tensor, *values: Tensor) -> list[Tensor]:
        moments = {name: [value] for name, value in zip(names, values, strict=True)}
        moved, after = optimizer.update([parameter], [gradient], moments, step)
        return [*moved, *(x for name in names for x in after[name])]

    numbers = [torch.ones(1, device="cpu") for _ in range(2 + len(names))]
    try:
        return make_fx(step)(*numbers[:2], numbers[0].sum(), *numbers[2:]).code
    except Exception:  # one that cannot be compiled has no need of a key
        return repr(optimizer)
