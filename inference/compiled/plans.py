"""Plans: the captured graphs of all players for one shape of batch, checked against Pyro."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from plausible.inference.batches import Batches
from plausible.inference.compiled.capture import Refused, capture, refusing
from plausible.inference.compiled.check import Supplied, check_equal
from plausible.inference.compiled.passes import (
    hoist,
    lift_constants,
    lift_noise,
    written_constants,
)
from plausible.inference.compiled.rounds import (
    Group,
    Operations,
    PlayerGraph,
    Rate,
    Rounds,
    padded,
)
from plausible.inference.engine import Players
from plausible.inference.isolation import random_state_kept
from plausible.inference.movers import Mover
from plausible.models.objectives import Objective
from plausible.models.optimizers import Optimizer, Schedule
from plausible.models.plates import Batch

__all__ = ["Plan", "Unknown", "weights_of_run"]

_CHECKS = 3
_TOLERANCE = 1e-5  # the same operations in the same order: only threads may round differently
_SHAKEN = 0.01

_Memory = tuple[int, int, int]


def weights_of_run(players: Players) -> list[Tensor]:
    """Every tensor that a round may read or change besides data: parameters and buffers."""
    program, state = players.program, players.state
    return list(
        {id(x): x for x in (*program.parameters(), *program.buffers(), *state.buffers())}.values()
    )


class Unknown(Refused):
    """A program changes tensors in place that no module of the run owns.

    Attributes:
        tensors: which.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__("it changes a tensor in place that is no buffer of model or guide")
        self.tensors = tensors


class Plan:
    """The graphs of the players that act in a round, for batches of one shape.

    Args:
        players: of the objective.
        weights: every tensor that a round may read or change besides data.
        batches: the data.
        number: a round of the kind.
        fixed: whether tensors that modules hold besides parameters and buffers stay as they are.

    Raises:
        Refused: if a loss cannot be captured, or its graph gives anything else than Pyro.
        Unknown: if a loss changes tensors in place that are not among the weights.
    """

    def __init__(
        self, players: Players, weights: list[Tensor], batches: Batches, number: int, fixed: bool
    ) -> None:
        self.players, self.weights, self.batches = players, weights, batches
        self.turns = players.turns(number)
        self.dtype = next((p.dtype for p in players.movers[0].parameters), torch.float32)
        self.written: set[int] = set()
        with random_state_kept(players.fabric.device), self._kept(), refusing("its graph failed"):
            self.graphs = {i: self._graph(i, number, fixed) for i in sorted(set(self.turns))}
            self.after, self.after_fixed = self._after()
        shapes = [shape for turn in self.turns for shape in self.graphs[turn].noise]
        self.draws = padded(sum(math.prod(shape) for shape in shapes))

    def _graph(self, i: int, number: int, fixed: bool) -> PlayerGraph:
        batches, moved = self.batches, list[int]()
        first = batches.at(number)

        def loss(*flat: Tensor) -> list[Tensor]:
            args = flat[len(self.weights) :]
            batch = Batch(args, batches.context, batches.total, batches.layout)
            value, gradients = self.players.loss_and_gradients(i, batch)
            if any(g is not None and g.is_sparse for g in gradients):
                raise Refused("it has sparse gradients")
            moved[:] = [j for j, g in enumerate(gradients) if g is not None]
            return [value, *(g for g in gradients if g is not None)]

        inputs = [*self.weights, *first.args]
        graph = capture(loss, self.weights, first.args)
        unknown = written_constants(graph)
        if unknown:
            raise Unknown(unknown)
        held = lift_constants(graph)
        self._check_memory(i, held)
        constants = [x.detach() for x in held]
        inputs += constants
        steady = set(range(len(self.weights), len(inputs)))
        if not batches.whole:
            steady -= set(range(len(self.weights), len(inputs) - len(constants)))
        if not fixed:
            steady -= set(range(len(inputs) - len(constants), len(inputs)))
        hoisted = hoist(graph, steady, inputs)
        noise = lift_noise(graph, self.dtype)
        written = graph.meta["written"]
        self.written |= written
        made = PlayerGraph(Operations(graph), moved, [*constants, *hoisted], noise, written)
        values = [x.clone() for x in constants]
        try:
            self._compare(i, made, batches.at(number), 0)
        finally:
            unknown = self._changed(held, values)
        if unknown:
            raise Unknown(unknown)
        generator = torch.Generator().manual_seed(i)
        for check in range(1, _CHECKS):
            same = 1 if batches.whole else batches.like(number)
            self._shake(generator)  # what was fixed to the weights' values shows at others
            self._compare(i, made, batches.at(number + check % same), check)
        return made

    @torch.no_grad()
    def _changed(self, tensors: list[Tensor], values: list[Tensor]) -> list[Tensor]:
        """Those of the tensors that are not as they were; they are afterwards."""
        changed = []
        for x, value in zip(tensors, values, strict=True):
            if not torch.equal(x, value):
                changed.append(x)
                x.detach().copy_(value)
        return changed

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """All weights are as before afterwards."""
        before = [w.detach().clone() for w in self.weights]
        try:
            yield
        finally:
            self._swap(range(len(self.weights)), before)

    @torch.no_grad()
    def _shake(self, generator: torch.Generator) -> None:
        for w in self.weights:
            if w.requires_grad:
                noise = torch.randn(w.shape, generator=generator, device="cpu").to(w)
                w.add_(_SHAKEN * noise * (1 + w.abs()))

    def _check_memory(self, i: int, constants: list[Tensor]) -> None:
        """Parameters get other memory while they are trained, which nothing else may share."""
        owned = {id(p) for p in self.players.movers[i].parameters}
        others = [x for x in (*self.weights, *constants) if id(x) not in owned]
        taken = [_memory(x) for x in others if x.numel()]
        for p in self.players.movers[i].parameters:
            if not p.numel():
                continue
            memory = _memory(p)
            if any(_overlap(memory, other) for other in taken):
                raise Refused("a parameter shares its memory with another tensor")
            taken.append(memory)

    def compare(self, number: int) -> None:
        """Compare the graphs with Pyro once more, as the model is now.

        Raises:
            Refused: if they differ.
        """
        with random_state_kept(self.players.fabric.device):
            for i, graph in self.graphs.items():
                self._compare(i, graph, self.batches.at(number), number)

    def _compare(self, i: int, graph: PlayerGraph, batch: Batch, seed: int) -> None:
        """One seeded step: loss, gradients and buffers of the graph against Pyro's."""
        generator = torch.Generator().manual_seed(seed)
        device = self.players.fabric.device
        noise = [
            torch.randn(shape, generator=generator, dtype=self.dtype, device="cpu").to(device)
            for shape in graph.noise
        ]
        before = [self.weights[j].detach().clone() for j in sorted(graph.written)]
        with random_state_kept(device):
            with Supplied(noise, self.dtype) as supplied:
                loss, found = self.players.loss_and_gradients(i, batch)
            gradients = [g for g in found if g is not None]
            if supplied.noise:
                raise Refused("it draws another number of times than when it was captured")
            buffers = self._swap(graph.written, before)
        with random_state_kept(device), torch.no_grad():
            given, given_gradients = graph(self.weights, batch.args, noise)
            given_buffers = self._swap(graph.written, before)
        if [j for j, g in enumerate(found) if g is not None] != graph.moved:
            raise Refused("other parameters have a gradient than when it was captured")
        check_equal("the loss", [given], [loss], _TOLERANCE)
        check_equal("a gradient", given_gradients, gradients, _TOLERANCE)
        check_equal("a buffer", given_buffers, buffers, _TOLERANCE)

    @torch.no_grad()
    def _swap(self, positions: Iterable[int], values: Sequence[Tensor]) -> list[Tensor]:
        """Put values into weights, and return what was there."""
        was = []
        for j, value in zip(sorted(positions), values, strict=True):
            was.append(self.weights[j].detach().clone())
            self.weights[j].copy_(value)
        return was

    def _after(self) -> tuple[Operations | None, list[Tensor]]:
        objective = self.players.objective
        if type(objective).after_step is Objective.after_step:
            return None, []

        def after(*weights: Tensor) -> list[Tensor]:
            self.players.after_step()
            return []

        graph = capture(after, self.weights)
        constants = [x.detach() for x in lift_constants(graph)]
        if lift_noise(graph, self.dtype):
            raise Refused("the objective draws at random after a round")
        before = [w.detach().clone() for w in self.weights]
        every = range(len(self.weights))
        with torch.no_grad():
            self.players.after_step()
            expected = self._swap(every, before)
            graph(*self.weights, *constants)
            given = self._swap(every, before)
        check_equal("what the objective keeps", given, expected, _TOLERANCE)
        self.written |= graph.meta["written"]
        return Operations(graph), constants

    @torch.no_grad()
    def round(self, number: int) -> Tensor:
        """One round of the graphs, operation by operation; returns all players' latest losses."""
        players, batch, start = self.players, self.batches.at(number), 0
        noise = torch.empty(self.draws, dtype=self.dtype, device=players.fabric.device)
        if self.draws:
            noise.normal_()
        for turn in self.turns:
            graph = self.graphs[turn]
            draws, start = graph.cut(noise, start)
            loss, made = graph(self.weights, batch.args, draws)
            gradients: list[Tensor | None] = [None] * len(players.movers[turn].parameters)
            for j, gradient in zip(graph.moved, made, strict=True):
                gradients[j] = gradient
            players.movers[turn].move(gradients, loss.isfinite())
            players.latest[turn] = loss
        if self.after is not None:
            self.after(*self.weights, *self.after_fixed)
        return players.latest.clone()

    def rounds(self, groups: list[list[Group]], count: int, in_place: bool) -> Rounds:
        """The plan as one function of flat tensors for so many rounds; see `Rounds`."""
        owned = {i for player in groups for group in player for i in group.weights}
        return Rounds(
            graphs=self.graphs,
            optimizers=[_portable(mover) for mover in self.players.movers],
            groups=groups,
            turns=self.turns,
            after=self.after,
            after_fixed=self.after_fixed,
            others=[i for i in range(len(self.weights)) if i not in owned],
            written=self.written,
            batch=len(self.batches.at(0).args),
            each=count > 1 and not self.batches.whole,
            count=count,
            in_place=in_place,
        )

    def work(self) -> float:
        """Roughly how many numbers the graphs make a round; a product of matrices counts more."""
        return sum(self.graphs[turn].graph.work for turn in self.turns)

    def draws_inside(self) -> bool:
        """Whether the graphs draw at random themselves, besides the noise that they are given."""
        return any(graph.graph.draws for graph in self.graphs.values())

    def size(self) -> int:
        """Number of operations in a round."""
        return sum(self.graphs[turn].graph.count for turn in self.turns)


def _portable(mover: Mover) -> Optimizer:
    """The optimiser with its schedule as a graph: another process need not know a user's class."""
    optimizer, rate = mover.optimizer, mover.optimizer.lr
    if not isinstance(rate, Schedule):
        return optimizer
    graph = capture(lambda step: [rate.at(step)], [], [mover.step])
    if any(node.op == "get_attr" for node in graph.graph.nodes):
        raise Refused("its learning rate holds a tensor")
    return replace(optimizer, lr=Rate(Operations(graph)))


def _memory(x: Tensor) -> _Memory:
    """The storage that a tensor lies in, and the bytes from its first to its last number."""
    storage = x.untyped_storage().data_ptr()
    start = x.data_ptr()
    length = sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True)) + 1
    return storage, start, start + length * x.element_size()


def _overlap(one: _Memory, other: _Memory) -> bool:
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
