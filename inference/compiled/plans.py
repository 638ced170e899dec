"""Plans: the captured graphs of all players for one shape of batch, checked against Pyro."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from plausible.inference.batches import Batches
from plausible.inference.compiled.capture import Refused, capture
from plausible.inference.compiled.check import Supplied, check_equal
from plausible.inference.compiled.passes import hoist, lift_constants, lift_noise
from plausible.inference.compiled.rounds import Group, Operations, PlayerGraph, Rounds, padded
from plausible.inference.engine import Players
from plausible.inference.isolation import random_state_kept
from plausible.models.objectives import Objective
from plausible.models.plates import Batch

__all__ = ["Plan", "weights_of_run"]

_CHECKS = 3
_TOLERANCE = 1e-5  # the same operations in the same order: only threads may round differently


def weights_of_run(players: Players) -> list[Tensor]:
    """Every tensor that a round may read or change besides data: parameters and buffers."""
    program, state = players.program, players.state
    return list(
        {id(x): x for x in (*program.parameters(), *program.buffers(), *state.buffers())}.values()
    )


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
    """

    def __init__(
        self, players: Players, weights: list[Tensor], batches: Batches, number: int, fixed: bool
    ) -> None:
        self.players, self.weights, self.batches = players, weights, batches
        self.turns = players.turns(number)
        self.dtype = next((p.dtype for p in players.movers[0].parameters), torch.float32)
        self.written: set[int] = set()
        with random_state_kept(players.fabric.device):
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
        constants = lift_constants(graph)
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
        checks = _CHECKS if batches.whole else min(_CHECKS, batches.like(number))
        for check in range(checks):
            self._compare(i, made, batches.at(number + check), check)
        return made

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
            torch.randn(shape, generator=generator, dtype=self.dtype).to(device)
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
            objective.after_step(self.players.program, self.players.state)
            return []

        graph = capture(after, self.weights)
        constants = lift_constants(graph)
        if lift_noise(graph, self.dtype):
            raise Refused("the objective draws at random after a round")
        before = [w.detach().clone() for w in self.weights]
        every = range(len(self.weights))
        with torch.no_grad():
            objective.after_step(self.players.program, self.players.state)
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

    def rounds(self, groups: list[list[Group]], count: int) -> Rounds:
        """The plan as one function of flat tensors for so many rounds."""
        owned = {i for player in groups for group in player for i in group.weights}
        return Rounds(
            graphs=self.graphs,
            optimizers=[mover.optimizer for mover in self.players.movers],
            groups=groups,
            turns=self.turns,
            after=self.after,
            after_fixed=self.after_fixed,
            others=[i for i in range(len(self.weights)) if i not in owned],
            written=self.written,
            batch=len(self.batches.at(0).args),
            each=count > 1 and not self.batches.whole,
            count=count,
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
