"""What `fit` gives back, and what it tells callbacks on the way."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plausible.inference.engines.engine import Backend
from plausible.models.ownership import scope

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure

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
    _norms: Callable[[], dict[str, Tensor]] = field(default=dict, repr=False)

    def gradient_norms(self) -> dict[str, Tensor]:
        """Euclidean norm of each parameter's gradient, by name, before any clipping.

        The gradients are those of the players' losses at the weights as they are now, on the batch
        of this step, with draws of their own. Only who asks pays for the pass that this takes.
        """
        return self._norms()

    def stop(self) -> None:
        """End the run after this step, as if it had been asked for no more."""
        self.stopped = True


@dataclass(frozen=True, repr=False)
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
        guide: the guide that was given.
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
    guide: Any = None
    checkpoint: Path | None = None
    validation: dict[int, float] = field(default_factory=dict)
    best_step: int | None = None
    _store: Any = field(default=None, repr=False)

    @property
    def loss(self) -> Tensor:
        """The loss of every step, shape (steps,); (steps, players) where there are several."""
        losses = list(self.losses.values())
        return losses[0] if len(losses) == 1 else torch.stack(losses, dim=1)

    def plot(self) -> "Figure":
        """The loss of every step with its running median, and the validation losses.

        Several players stand one above the other.
        """
        from plausible.inference.pictures.curves import loss_curve, player_curves

        if len(self.losses) > 1:
            return player_curves(self.losses)
        return loss_curve(self.loss, validation=self.validation)

    def __repr__(self) -> str:
        """One line: the loss is the median over the last hundredth of the steps."""
        return f"<Fit of {self._name()}: " + ", ".join(f"{k} {v}" for k, v in self._facts()) + ">"

    def _repr_html_(self) -> str:
        """What a notebook shows: the same as a table, and the picture."""
        from plausible.inference.pictures.style import png

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(k)}</th>"
            f"<td style='text-align:left'>{escape(v)}</td></tr>"
            for k, v in self._facts()
        )
        table = f"<table><caption>Fit of {escape(self._name())}</caption>{rows}</table>"
        if not all(bool(loss.isfinite().all()) for loss in self.losses.values()) or not self.steps:
            return table
        picture = b64encode(png(self.plot())).decode()
        return f"{table}<img alt='loss by step' width='672' src='data:image/png;base64,{picture}'>"

    def _name(self) -> str:
        """The model's class, or the name of the function."""
        own = getattr(self.model, "__name__", None)
        return own if isinstance(own, str) else type(self.model).__name__

    def _facts(self) -> list[tuple[str, str]]:
        """What there is to say of the run, each with what it is called."""
        ended = " (interrupted)" if self.interrupted else ""
        facts = [("steps", f"{self.steps:,}{ended}"), ("seconds", f"{self.seconds:,.1f}")]
        for name, losses in self.losses.items():
            if len(losses):
                last = losses[-(1 + len(losses) // 100) :].median()
                facts.append((name, f"{float(last):,.5g}"))
        if self.best_step is not None:
            best = self.validation[self.best_step]
            facts.append(("lowest validation loss", f"{best:,.5g} at step {self.best_step:,}"))
        facts.append(("engine", self.backend.engine))
        if self.checkpoint is not None:
            facts.append(("checkpoint", str(self.checkpoint)))
        return facts

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Inside, the user's own Pyro functions run with their trained `pyro.param` values.

        The caller's parameter store is back afterwards, and parameters made inside are forgotten.
        A `fit` of the same functions inside goes on from these values; outside, functions start
        anew. Modules and autoguides keep their own values, and need no scope.
        """
        content: Any = {kind: dict(entries) for kind, entries in self._store.items()}
        with scope(content):
            yield
