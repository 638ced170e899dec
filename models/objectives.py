"""Objectives: what a model is fitted for, as one or more players with a loss each."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from plausible.models.elbo import elbo, log_weights
from plausible.models.errors import ModelError
from plausible.models.optimizers import Adam
from plausible.models.plates import Batch, Layout, find_layout, traces

__all__ = ["ELBO", "Annealing", "ImportanceWeighted", "MaximumLikelihood", "Objective", "Player"]


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
    optimizer: Adam = Adam()
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


def _trainable(model: Any) -> Iterable[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


@dataclass(frozen=True)
class ELBO(Objective):
    r"""Evidence lower bound, maximised over model and guide together.

    .. math:: L = w\, E_{q(z|x)}[\ln p(x|z)] - \beta\, KL(q(z|x) \,\|\, p(z))

    With w = beta = 1 and sampling it bounds ln p(x) from below; the gap is KL(q(z|x) || p(z|x)).
    Other weights are no bounds: they show what each of the three forces on the latents does.

    Args:
        beta: weight of the KL term, a number or an `Annealing`.
        reconstruction: weight w of the reconstruction.
        sampled: draw the latents; False decodes the guide's mean.
        optimizer: moves every parameter of model and guide.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014).
    """

    beta: float | Annealing = 1.0
    reconstruction: float = 1.0
    sampled: bool = True
    optimizer: Adam = field(default=Adam())

    def players(self) -> tuple[Player, ...]:
        return (Player("negative ELBO", _trainable, self._loss, self.optimizer),)

    def state(self) -> nn.Module:
        return _Step()

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        return find_layout(model, batch, other)

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
        bound = elbo(
            model, batch, reconstruction=self.reconstruction, beta=beta, sampled=self.sampled
        )
        return -bound / _total(batch)


def _total(batch: Batch) -> float:
    """By how much the bound of the (scaled) batch is divided to come in nats per datum."""
    assert batch.layout is not None
    return float(batch.total if batch.layout.scaled else batch.size)


@dataclass(frozen=True)
class MaximumLikelihood(Objective):
    """Maximum likelihood of a model that has nothing latent, in nats per datum.

    Args:
        optimizer: moves every parameter of the model.
    """

    optimizer: Adam = field(default=Adam())

    def players(self) -> tuple[Player, ...]:
        return (Player("negative log-likelihood", _trainable, self._loss, self.optimizer),)

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout = find_layout(model, batch, other)
        if layout.latent:
            raise ModelError(
                "Maximum likelihood needs a model without latent variables: "
                "this one has some, so use the ELBO objective."
            )
        return layout

    def _loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        return -elbo(model, batch) / _total(batch)


@dataclass(frozen=True)
class ImportanceWeighted(Objective):
    r"""Importance-weighted bound, the objective of the importance-weighted autoencoder.

    .. math:: L_K = E\left[\ln \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k|x)}\right]

    It is the ELBO for K = 1 and rises towards ln p(x) with K.

    Args:
        particles: number K of draws for each datum.
        optimizer: moves every parameter of model and guide.

    Source: Burda, Grosse and Salakhutdinov, Importance Weighted Autoencoders (2016).
    """

    particles: int = 50
    optimizer: Adam = field(default=Adam())

    def __post_init__(self) -> None:
        if self.particles < 1:
            raise ModelError(f"ImportanceWeighted needs particles >= 1, got {self.particles}.")

    def players(self) -> tuple[Player, ...]:
        name = f"negative importance-weighted bound, {self.particles} particles"
        return (Player(name, _trainable, self._loss, self.optimizer),)

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout = find_layout(model, batch, other)
        _, guide = traces(model, _with(batch, layout))
        for name, site in guide.nodes.items():
            drawn = site["type"] == "sample" and not site["is_observed"]
            if drawn and not getattr(site["fn"], "has_rsample", False):
                raise ModelError(
                    f"The guide's site {name!r} is not reparametrised, so the gradient of the "
                    "importance-weighted bound would be wrong. Use the ELBO objective."
                )
        with torch.no_grad():
            log_weights(model, _with(batch, layout), 1)
        return layout

    def _loss(self, model: Any, batch: Batch, state: nn.Module) -> Tensor:
        weights = log_weights(model, batch, self.particles)
        return math.log(self.particles) - weights.logsumexp(0).mean()


def _with(batch: Batch, layout: Layout) -> Batch:
    return Batch(batch.args, batch.context, batch.total, layout)
