"""Objectives: what a model is fitted for, as one or more players with a loss each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives.bounds import elbo
from plausible.models.objectives.enumeration import check_enumeration
from plausible.models.objectives.optimizers import Adam, Optimizer
from plausible.models.objectives.plates import Batch, Layout, find_layout
from plausible.models.objectives.unplated_sums import Seen, check_outside

__all__ = ["ELBO", "Annealing", "MaximumLikelihood", "Objective", "Player"]


@dataclass(frozen=True)
class Player:
    """One optimiser with its parameters and its loss; all other parameters are frozen in its turn.

    Attributes:
        name: what the loss curve calls it.
        parameters: from the model to the parameters that this player moves.
        loss: from (model, batch, state) to a scalar tensor, in nats per datum where it has a unit.
        optimizer: how they are moved.
        steps: steps a turn.
        every: takes its turn in every so-manieth round.
    """

    name: str
    parameters: Callable[[Any], Iterable[nn.Parameter]]
    loss: Callable[[Any, Batch, nn.Module], Tensor]
    optimizer: Optimizer = Adam()
    steps: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1:
            raise ModelError(
                f"Player {self.name!r} needs steps >= 1 and every >= 1, "
                f"but has steps={self.steps}, every={self.every}."
            )


class Objective:
    """One or more players in order, and what they remember between steps."""

    def players(self) -> tuple[Player, ...]:
        """The players of one round, in the order of their turns."""
        raise ModelError(f"{type(self).__name__} has no players: write its `players` method.")

    def state(self) -> nn.Module:
        """A fresh module of buffers (moving averages, a step count); checkpoints keep it."""
        return nn.Module()

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        """Check that the objective can train the model, and find out how its sites lie in plates.

        Args:
            model: the generative model.
            batch: a first batch.
            other: a batch of another size; None where every step sees all data.
        """
        return None

    def after_step(self, model: Any, state: nn.Module) -> None:
        """Update the state after a round, with tensor operations only."""


@dataclass(frozen=True)
class Annealing:
    """A weight that rises or falls linearly over the first steps and then stays.

    Args:
        start: weight of the first step.
        end: weight from step `steps` on.
        steps: number of steps in between, positive.

    Source: Bowman et al., Generating Sentences from a Continuous Space (2016).
    """

    start: float = 0.0
    end: float = 1.0
    steps: int = 1000

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ModelError(f"Annealing needs at least one step, but got {self.steps}.")

    def at(self, step: Tensor) -> Tensor:
        """The weight at this step, a tensor like it."""
        return self.start + (self.end - self.start) * (step / self.steps).clamp(max=1.0)


class _Step(nn.Module):
    """The number of rounds done."""

    step: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros(()))


def trainable(model: Any) -> Iterable[nn.Parameter]:
    """All parameters of model and guide that are not frozen."""
    return [p for p in model.parameters() if p.requires_grad]


@dataclass(frozen=True)
class ELBO(Objective):
    r"""Evidence lower bound, maximised over model and guide together.

    .. math:: L = w\, E_{q(z|x)}[\ln p(x|z)] - \beta\, KL(q(z|x) \,\|\, p(z))

    With w = beta = 1 and sampling it bounds ln p(x) from below; the gap is KL(q(z|x) || p(z|x)).
    Other weights are no bounds: they show what each of the three forces on the latents does.

    Discrete latents that are marked `infer={"enumerate": "parallel"}`, by hand or by
    `pyro.infer.config_enumerate`, are summed out exactly instead of drawn: those of the model that
    the guide lacks inside the logarithm, those of the guide by their probabilities.

    Args:
        beta: weight of the KL term, a number or an `Annealing`.
        reconstruction: weight w of the reconstruction.
        sampled: draw the latents; False decodes the guide's mean.
        optimizer: moves every parameter of model and guide.
        particles: independent draws of the bound a step, whose mean is taken. They run one after
            the other, so that a model need not be written for a further dimension.

    Raises:
        ModelError: unless there is at least one particle.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014).
    """

    beta: float | Annealing = 1.0
    reconstruction: float = 1.0
    sampled: bool = True
    optimizer: Optimizer = field(default=Adam())
    particles: int = 1

    def __post_init__(self) -> None:
        check_particles(self, self.particles)

    def players(self) -> tuple[Player, ...]:
        return (Player("negative ELBO", trainable, self._loss, self.optimizer),)

    def state(self) -> nn.Module:
        return _Step()

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout, seen = checked_layout(model, batch, other)
        beta = self.beta if isinstance(self.beta, float | int) else torch.tensor(self.beta.start)
        weights = (self.reconstruction, beta)
        check_enumeration(model, replace(batch, layout=layout), weights, seen)
        return layout

    def after_step(self, model: Any, state: nn.Module) -> None:
        if isinstance(state, _Step):
            state.step.add_(1)

    def _loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        beta: Tensor | float
        if isinstance(self.beta, Annealing):
            assert isinstance(state, _Step)
            beta = self.beta.at(state.step)
        else:
            beta = self.beta
        w = self.reconstruction
        bounds = [
            elbo(model, batch, reconstruction=w, beta=beta, sampled=self.sampled)
            for _ in range(self.particles)
        ]
        return -sum(bounds[1:], bounds[0]) / (self.particles * total_of(batch))


def check_particles(objective: Objective, particles: int) -> None:
    """Refuse an objective without a draw."""
    if particles < 1:
        raise ModelError(f"{type(objective).__name__} needs particles >= 1, but got {particles}.")


def checked_layout(model: Any, batch: Batch, other: Batch | None) -> tuple[Layout, Seen]:
    """The layout of a program whose minibatches can be scaled, and its sites."""
    with Seen() as seen:
        layout = find_layout(model, batch, other)
    if other is not None:
        check_outside(model, batch, layout, seen)
    return layout, seen


def total_of(batch: Batch) -> float:
    """By how much the bound of the (scaled) batch is divided to come in nats per datum."""
    assert batch.layout is not None
    return float(batch.total if batch.layout.scaled else batch.size)


@dataclass(frozen=True)
class MaximumLikelihood(Objective):
    """Maximum likelihood of a model that has nothing latent, in nats per datum.

    Args:
        optimizer: moves every parameter of the model.
    """

    optimizer: Optimizer = field(default=Adam())

    def players(self) -> tuple[Player, ...]:
        return (Player("negative log-likelihood", trainable, self._loss, self.optimizer),)

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout, _ = checked_layout(model, batch, other)
        if layout.latent:
            raise ModelError(
                "Maximum likelihood needs a model without latent variables: "
                "this one has some, so use the ELBO objective."
            )
        return layout

    def _loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        return -elbo(model, batch) / total_of(batch)
