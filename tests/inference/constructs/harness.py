"""Runs of constructs: set up as `fit` does, by Pyro's own ELBOs, and by captured graphs."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import pyro
import torch
from construct import Construct
from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.plans import weights_of_run
from plausible.inference.engines.players import Players, make_parameters
from plausible.inference.engines.rounds import padded
from plausible.inference.engines.sources import as_source
from plausible.inference.graphs.equality import Supplied
from plausible.inference.isolation import isolated, training
from plausible.inference.program import as_program
from plausible.inference.starts import OwnParameters
from plausible.inference.training.arguments import fabric_for
from plausible.models import ELBO, Adam, MaximumLikelihood, Renyi
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.optimizers import SGD, Optimizer

__all__ = ["Prepared", "assert_near", "prepared", "same_draws", "torch_optimizer"]


@dataclass
class Prepared:
    """A construct ready for its first round."""

    construct: Construct
    players: Players
    batches: Batches
    weights: list[Tensor]

    def reference(self, i: int, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """A player's loss and gradients by Pyro, zeros where there is none; per datum, as ours."""
        own = self.players.optimizer_states[i].parameters
        for parameter in own:
            parameter.grad = None
        elbo, program = self.construct.pyro, self.players.program
        if elbo is None:
            state = self.players.state
            with self.players.fabric.autocast():
                value = self.players.players[i].loss(program, batch, state)
            value.backward(inputs=own)
            loss, scale = float(value.detach()), 1.0
        else:
            with self._scaled(batch):
                loss = elbo.loss_and_grads(self._known, program.guide, *batch.args)
            scale = self.scale(batch)
        return torch.as_tensor(loss) / scale, [
            torch.zeros_like(p) if p.grad is None else p.grad / scale for p in own
        ]

    def _known(self, *args: Any) -> Any:
        """The model. Pyro takes gradients only where it sees a parameter, and in a plain module it
        sees none."""
        pyro.param("one for Pyro to see", lambda: torch.zeros(()))
        return self.players.program.model(*args)

    def scale(self, batch: Batch) -> float:
        """What Pyro's loss is divided by: the data that it stands for."""
        whole = (ELBO, MaximumLikelihood, Renyi)
        return float(batch.total if isinstance(self.construct.objective, whole) else batch.size)

    def _scaled(self, batch: Batch) -> AbstractContextManager[Any]:
        """Pyro's own N/B: the plate over the data as one of all, of which the batch is a part."""
        if batch.size == batch.total:
            return nullcontext()
        plate = pyro.plate

        def of_all(name: str, size: int, **more: Any) -> Any:
            if name == "data":
                return plate(name, batch.total, subsample=torch.arange(size), **more)
            return plate(name, size, **more)

        return patch("pyro.plate", of_all)


@contextmanager
def prepared(construct: Construct, seed: int = 0) -> Iterator[Prepared]:
    """Everything that `fit` makes before its first round."""
    program = as_program(construct.model, construct.guide)
    fabric = fabric_for("cpu", construct.precision)
    source, cpu = as_source(construct.data), torch.device("cpu")
    size = construct.batch_size or len(source)
    with isolated(seed, cpu), training(program), pyro.validation_enabled(False):
        batches = Batches(source, size, seed, {}, None, cpu)
        other = None
        if size < len(source):
            other = replace(batches.at(0), args=tuple(x[:-1] for x in batches.at(0).args))
        with OwnParameters():
            batches.layout = construct.objective.prepare(program, batches.at(0), other)
            if batches.layout is None:
                make_parameters(program, construct.objective, batches.at(0))
        players = Players(program, construct.objective, construct.objective.state(program), fabric)
        yield Prepared(construct, players, batches, weights_of_run(players))


@contextmanager
def same_draws(seed: int, shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> Iterator[None]:
    """Standard normals as a graph gets them from a seed, in a row; other draws follow from it."""
    torch.manual_seed(seed)
    flat = torch.empty(padded(sum(torch.Size(s).numel() for s in shapes)), dtype=dtype)
    noise = list[Tensor]()
    if len(flat):
        flat.normal_()
    for shape in shapes:
        size = torch.Size(shape).numel()
        noise.append(flat[:size].view(shape))
        flat = flat[size:]
    with Supplied(noise, dtype) as supplied:
        yield
    assert not supplied.noise, "it drew fewer times than the graph"


def torch_optimizer(optimizer: Optimizer, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """PyTorch's own optimiser of the same settings."""
    assert isinstance(optimizer.lr, float)
    if isinstance(optimizer, SGD):
        return torch.optim.SGD(parameters, lr=optimizer.lr, momentum=optimizer.momentum)
    assert type(optimizer) is Adam
    return torch.optim.Adam(parameters, optimizer.lr, optimizer.betas, optimizer.eps)


def assert_near(given: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> None:
    """Every tensor's Euclidean error is below the tolerance times its norm.

    A tenth of it times the norm of all together is allowed besides: some gradients are zero but
    for rounding.
    """
    assert [x.shape for x in given] == [x.shape for x in expected]
    assert all(x.isfinite().all() for x in expected)
    total = sum(float(x.detach().double().norm()) ** 2 for x in expected) ** 0.5
    for i, (x, y) in enumerate(zip(given, expected, strict=True)):
        x, y = x.detach().double(), y.detach().double()
        bound = tolerance * (float(y.norm()) + 0.1 * total)
        assert float((x - y).norm()) <= bound, (i, x, y)
