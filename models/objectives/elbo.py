"""The evidence lower bound as an objective."""

from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.bounds import check_particles, elbo
from plausible.models.objectives.enumeration import check_enumeration
from plausible.models.objectives.objective import Objective, Player, StepCount, trainable
from plausible.models.objectives.optimizers import Adam, Optimizer
from plausible.models.objectives.particles import check_vectorized
from plausible.models.objectives.plates import checked_layout
from plausible.models.objectives.schedules import Schedule, value_at

__all__ = ["ELBO"]


@dataclass(frozen=True)
class ELBO(Objective):
    r"""Evidence lower bound, maximised over model and guide together.

    .. math:: L = w\, E_{q(z|x)}[\ln p(x|z)] - \beta\, KL(q(z|x) \,\|\, p(z))

    With w = beta = 1 and sampling it bounds ln p(x) from below; the gap is KL(q(z|x) || p(z|x)).
    Other weights give no bound: they show what each of the three forces on the latents does.

    Discrete latents that are marked `infer={"enumerate": "parallel"}`, by hand or by
    `pyro.infer.config_enumerate`, are summed out exactly instead of drawn: those of the model that
    the guide lacks inside the logarithm, those of the guide by their probabilities.

    Args:
        beta: weight of the KL term, a number or a schedule of the steps, such as `Annealing`.
        reconstruction: weight w of the reconstruction.
        sampled: draw the latents; False decodes the guide's mean.
        optimizer: moves every parameter of model and guide.
        particles: independent draws of the bound a step, whose mean is taken.
        vectorized: make the draws side by side, in one run of model and guide with a dimension of
            particles to the left of all plates. False runs one after the other, so that a model
            need not be written for that dimension.

    Raises:
        ModelError: unless there is at least one particle, and for a weight that is not a number;
            from `fit`, if the program does not give the same with a dimension of particles.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014).
    """

    beta: float | Schedule = 1.0
    reconstruction: float = 1.0
    sampled: bool = True
    optimizer: Optimizer = field(default=Adam())
    particles: int = 1
    vectorized: bool = False

    def __post_init__(self) -> None:
        check_particles(self, self.particles)
        if not isinstance(self.beta, Real | Schedule):
            raise ModelError(f"beta is a number or a schedule (Annealing()); got {self.beta!r}.")
        if not isinstance(self.reconstruction, Real):
            raise ModelError(f"reconstruction is a number, but got {self.reconstruction!r}.")

    def players(self) -> tuple[Player, ...]:
        return (Player("negative ELBO", trainable, self._loss, self.optimizer),)

    def state(self, model: Any) -> nn.Module:
        return StepCount()

    def prepare(self, model: Any, batch: Batch, other: Batch | None) -> Layout | None:
        layout, seen = checked_layout(model, batch, other)
        weights = (self.reconstruction, value_at(self.beta, torch.zeros(())))
        check_enumeration(model, replace(batch, layout=layout), weights, seen)
        if self.vectorized:
            check_vectorized(model, replace(batch, layout=layout), sampled=self.sampled)
        return layout

    def after_step(self, model: Any, state: StepCount) -> None:
        state.step.add_(1)

    def _loss(self, model: Any, batch: Batch, state: StepCount) -> Tensor:
        beta = value_at(self.beta, state.step)
        terms: Any = {
            "reconstruction": self.reconstruction,
            "beta": beta,
            "sampled": self.sampled,
        }
        if self.vectorized:
            return -elbo(model, batch, **terms, particles=self.particles) / batch.represented
        bounds = [elbo(model, batch, **terms) for _ in range(self.particles)]
        return -sum(bounds[1:], bounds[0]) / (self.particles * batch.represented)
