"""What `fit` gives back, and what it tells callbacks on the way."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from plausible.inference.engines.engine import Backend

__all__ = ["Fit", "Progress"]


@dataclass
class Progress:
    """The state of a run after a step, for callbacks: `callback(progress)`.

    Attributes:
        model: what is being trained.
        step: steps done.
        steps: steps to do.
        epoch: passes over the data completed.
        losses: loss of every player at this step, by name; tensors, so that none has to be read.
        validation: the validation losses so far, by step.
    """

    model: Any
    step: int
    steps: int
    epoch: int
    losses: Mapping[str, Tensor]
    validation: Mapping[int, float]
    stopped: bool = False

    def stop(self) -> None:
        """End the run after this step, as if it had been asked for no more."""
        self.stopped = True


@dataclass(frozen=True)
class Fit:
    """A finished, or cleanly interrupted, run of `fit`.

    Attributes:
        model: the model that was given, trained.
        losses: every player's loss at every step, by name, in nats per datum; CPU tensors (steps,).
        steps: steps done, those before a resumption included.
        seconds: time in the training loop, those before a resumption included.
        interrupted: whether Ctrl-C ended it.
        backend: which engine trained, and why.
        state: what the objective holds besides the model, such as a discriminator or averages.
        params: values of the parameters that the user's own `pyro.param` and `pyro.module`
            statements and Pyro modules made, by Pyro's names, in the user's (constrained) space.
        checkpoint: the file that holds the run; None without `out`.
        validation: loss on the validation data, by step, in nats per datum; step 0 is the start.
        best_step: the step with the lowest of those, whose weights the model has; None without
            validation.
    """

    model: Any
    losses: dict[str, Tensor]
    steps: int
    seconds: float
    interrupted: bool
    backend: Backend
    state: nn.Module
    params: dict[str, Tensor] = field(default_factory=dict)
    checkpoint: Path | None = None
    validation: dict[int, float] = field(default_factory=dict)
    best_step: int | None = None
    _store: Any = field(default=None, repr=False)

    @property
    def loss(self) -> Tensor:
        """The loss of every step, shape (steps,); (steps, players) where there are several."""
        losses = list(self.losses.values())
        return losses[0] if len(losses) == 1 else torch.stack(losses, dim=1)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Inside, the user's own Pyro functions run with their trained `pyro.param` values.

        The caller's parameter store is back afterwards, and parameters made inside are forgotten.
        """
        content: Any = {kind: dict(entries) for kind, entries in self._store.items()}
        with pyro.get_param_store().scope(content):
            yield
