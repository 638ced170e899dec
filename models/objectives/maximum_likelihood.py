"""Maximum likelihood as an objective, for models in which nothing is latent."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from plausible.models.errors import ModelError
from plausible.models.objectives.batch import Batch, Layout
from plausible.models.objectives.bounds import elbo
from plausible.models.objectives.objective import Objective, Player, trainable
from plausible.models.objectives.optimizers import Adam, Optimizer
from plausible.models.objectives.plates import checked_layout

__all__ = ["MaximumLikelihood"]


@dataclass(frozen=True)
class MaximumLikelihood(Objective):
    r"""Maximum likelihood, :math:`L = \ln p(x)`, in nats per datum.

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
        return -elbo(model, batch) / batch.represented
