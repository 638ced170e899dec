"""Plans: the captured graphs of all players for one shape of batch, checked against Pyro."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.inference.engines.packing import check_memory
from plausible.inference.engines.players import Players
from plausible.inference.engines.rounds import Group, Rate, Rounds, Turn, cut, padded
from plausible.inference.graphs.capture import Refused, refusing
from plausible.inference.graphs.equality import Supplied, check_equal
from plausible.inference.graphs.graph import Graph, Unknown, captured
from plausible.inference.isolation import random_state_kept
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.objective import Objective
from plausible.models.objectives.optimizers import Optimizer
from plausible.models.objectives.schedules import Schedule

__all__ = ["Plan", "PlayerGraph", "weights_of_run"]

_CHECKS = 3
_TOLERANCE = 1e-5  # the same operations in the same order: only threads may round differently
_SHAKEN = 0.01


def weights_of_run(players: Players) -> list[Tensor]:
    """Every tensor that a round may read or change besides data: parameters and buffers."""
    roots = players.program, players.state
    tensors = [x for root in roots for x in (*root.parameters(), *root.buffers())]
    return list({id(x): x for x in tensors}.values())


@dataclass
class PlayerGraph:
    """A captured loss with its gradients.

    Attributes:
        graph: from (weights, batch) to [loss, gradients].
        moved: positions in the player's parameters of those that have a gradient.
    """

    graph: Graph
    moved: list[int]

    def __call__(
        self, weights: Sequence[Tensor], batch: Sequence[Tensor], noise: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        loss, *gradients = self.graph(*weights, *batch, noise=noise)
        return loss, gradients

    @property
    def noise(self) -> list[tuple[int, ...]]:
        """Shapes of its standard normal draws."""
        return self.graph.noise

    def turn(self) -> Turn:
        """What another process has to know of it."""
        return Turn(self.graph.operations, self.moved, len(self.graph.fixed), self.graph.noise)


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
        self.dtype = next((p.dtype for p in players.optimizer_states[0].parameters), torch.float32)
        self.written = set[int]()
        with random_state_kept(players.fabric.device), self._kept(), refusing("its graph failed"):
            self.graphs = {i: self._graph(i, number, fixed) for i in sorted(set(self.turns))}
            self.after = self._after()
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

        end = len(self.weights) + len(first.args)
        graph = captured(
            loss,
            self.weights,
            first.args,
            steady=range(len(self.weights), end) if batches.whole else (),
            held_steady=fixed,
            noise=self.dtype,
        )
        check_memory(self.players.optimizer_states[i].parameters, [*self.weights, *graph.held])
        self.written |= graph.written
        player_graph = PlayerGraph(graph, moved)
        values = [x.detach().clone() for x in graph.held]
        try:
            self._compare(i, player_graph, batches.at(number), 0)
        finally:
            unknown = self._changed(graph.held, values)
        if unknown:
            raise Unknown(unknown)
        generator = torch.Generator().manual_seed(i)
        with self.players.unchanged():
            for check in range(1, _CHECKS):
                same = 1 if batches.whole else batches.like(number)
                self._shake(generator)  # what was fixed to the weights' values shows at others
                self._compare(i, player_graph, batches.at(number + check % same), check)
        return player_graph

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
        written = graph.graph.written
        before = [self.weights[j].detach().clone() for j in sorted(written)]
        with random_state_kept(device):
            with Supplied(noise, self.dtype) as supplied:
                loss, every = self.players.loss_and_gradients(i, batch)
            gradients = [g for g in every if g is not None]
            if supplied.noise:
                raise Refused("it draws another number of times than when it was captured")
            buffers = self._swap(written, before)
        with random_state_kept(device), torch.no_grad():
            given, given_gradients = graph(self.weights, batch.args, noise)
            given_buffers = self._swap(written, before)
        if [j for j, g in enumerate(every) if g is not None] != graph.moved:
            raise Refused("other parameters have a gradient than when it was captured")
        check_equal("the loss", [given], [loss], _TOLERANCE)
        check_equal("a gradient", given_gradients, gradients, _TOLERANCE)
        check_equal("a buffer", given_buffers, buffers, _TOLERANCE)

    @torch.no_grad()
    def _swap(self, positions: Iterable[int], values: Sequence[Tensor]) -> list[Tensor]:
        """Put values into weights, and return those that they had."""
        was = []
        for j, value in zip(sorted(positions), values, strict=True):
            was.append(self.weights[j].detach().clone())
            self.weights[j].copy_(value)
        return was

    def _after(self) -> Graph | None:
        """What the objective does after a round; None where it does nothing."""
        objective = self.players.objective
        if type(objective).after_step is Objective.after_step:
            return None

        def after(*weights: Tensor) -> list[Tensor]:
            self.players.after_step()
            return []

        graph = captured(after, self.weights, held_steady=False, noise=self.dtype)
        if graph.noise:
            raise Refused("the objective draws at random after a round")
        before, every = [w.detach().clone() for w in self.weights], range(len(self.weights))
        with torch.no_grad(), self.players.unchanged():
            self.players.after_step()
            expected = self._swap(every, before)
            graph(*self.weights)
            given = self._swap(every, before)
        check_equal("what the objective keeps", given, expected, _TOLERANCE)
        self.written |= graph.written
        return graph

    @torch.no_grad()
    def round(self, number: int) -> Tensor:
        """One round of the graphs, operation by operation; returns all players' latest losses."""
        players, batch, start = self.players, self.batches.at(number), 0
        noise = torch.empty(self.draws, dtype=self.dtype, device=players.fabric.device)
        if self.draws:
            noise.normal_()
        for turn in self.turns:
            graph = self.graphs[turn]
            draws, start = cut(noise, graph.noise, start)
            loss, given = graph(self.weights, batch.args, draws)
            gradients: list[Tensor | None] = [None] * len(players.optimizer_states[turn].parameters)
            for j, gradient in zip(graph.moved, given, strict=True):
                gradients[j] = gradient
            players.optimizer_states[turn].move(gradients, loss.isfinite())
            players.latest[turn] = loss
        if self.after is not None:
            self.after(*self.weights)
        return players.latest.clone()

    def rounds(self, groups: list[list[Group]], count: int, in_place: bool) -> Rounds:
        """The plan as one function of flat tensors for `count` rounds; see `Rounds`."""
        owned = {i for player in groups for group in player for i in group.weights}
        return Rounds(
            turns={i: graph.turn() for i, graph in self.graphs.items()},
            optimizers=[_portable(state)[0] for state in self.players.optimizer_states],
            groups=groups,
            order=self.turns,
            after=self.after.operations if self.after is not None else None,
            after_fixed=len(self.after.fixed) if self.after is not None else 0,
            others=[i for i in range(len(self.weights)) if i not in owned],
            written=self.written,
            batch=len(self.batches.at(0).args),
            each=count > 1 and not self.batches.whole,
            count=count,
            in_place=in_place,
        )

    def fixed(self) -> list[Tensor]:
        """What goes where the inputs of `Rounds` say "fixed"."""
        own = [x for graph in self.graphs.values() for x in graph.graph.fixed]
        own += self.after.fixed if self.after is not None else []
        rates = (_portable(state)[1] for state in self.players.optimizer_states)
        return own + [x for read in rates for x in read]

    def work(self) -> float:
        """Roughly how many numbers the graphs make a round; a product of matrices counts more."""
        return sum(self.graphs[turn].graph.operations.work for turn in self.turns)

    def draws_inside(self) -> bool:
        """Whether the graphs draw at random themselves, besides the noise that they are given."""
        return any(graph.graph.operations.draws for graph in self.graphs.values())

    def size(self) -> int:
        """Number of operations in a round."""
        return sum(self.graphs[turn].graph.operations.count for turn in self.turns)


def _portable(state: OptimizerState) -> tuple[Optimizer, list[Tensor]]:
    """The optimiser with its schedule as a graph, and the tensors that this reads.

    Another process need not know a user's class.
    """
    optimizer, rate = state.optimizer, state.optimizer.lr
    if not isinstance(rate, Schedule):
        return optimizer, []
    graph = captured(lambda step: [rate.at(step)], [], [state.step], held_steady=False)
    return replace(optimizer, lr=Rate(graph.operations, len(graph.fixed))), graph.fixed
