"""Validation: the loss on data that are not trained on, and the weights that it was lowest with."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plausible.inference.engines.batches import Batches
from plausible.inference.engines.players import Players
from plausible.inference.engines.sources import Source, TensorSource, first_batch
from plausible.inference.isolation import generators, on_device, random_state_kept
from plausible.inference.program import weights_of
from plausible.inference.training.supports import check_supports
from plausible.models.errors import ModelError, PlausibleError
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.objective import StepCount

__all__ = ["Judge", "Validation", "as_validation", "validated_every"]

_FEWEST_STEPS = 100  # between two validations, where nobody says how many
_CHUNK = 4  # batches of training in one of validation, which keeps nothing for gradients
_LATE = 2**24  # a step at which every schedule has ended; float32 counts up to it


@dataclass(frozen=True)
class Validation:
    """Data that are not trained on, by which `fit` judges the weights.

    The loss is the objective's, in evaluation mode (no dropout, running averages in batch norm),
    without gradient, on all validation data, in nats per datum. Latents outside the plate over the
    data weigh as in training, by the number of training data. Every validation has the same draws,
    so that two differ by their weights alone, and schedules of the objective, such as `Annealing`,
    are at their end. The run draws what it would have drawn without validation.

    At the end the model has the weights of the lowest validation loss, `Fit.best_step`, whether or
    not the run was stopped early. What goes on by `resume=` goes on from the last step.

    Args:
        data: in the form of `fit`'s data.
        every: steps between validations. By default the fewest whole epochs that have 100 steps.
            The start and, unless Ctrl-C ended it, the end of a run are validated too.
        patience: validations without a new lowest loss after which the run ends; None trains to
            the last step.

    Raises:
        ModelError: unless `every` and `patience` are whole numbers of at least 1.
    """

    data: Any
    every: int | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("every", "patience"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and value >= 1):
                raise ModelError(
                    f"Validation's {name} must be a whole number of at least 1, or None; "
                    f"got {value!r}."
                )


def as_validation(given: Any) -> Validation | None:
    """What `fit` was given as `validation`: the whole description, or the data alone."""
    return given if given is None or isinstance(given, Validation) else Validation(given)


def validated_every(validation: Validation, per_epoch: int) -> int:
    """Steps between two validations."""
    return validation.every or per_epoch * math.ceil(_FEWEST_STEPS / per_epoch)


class Judge:
    """The validations of one run.

    Args:
        players: of the objective; one.
        source: the validation data, on the run's device.
        batches: the training data.
        every: steps between validations.
        patience: validations without a new lowest loss after which the run ends.

    Attributes:
        losses: by step, those before a resumption included.
        best_step: the step with the lowest; None while there is none.

    Raises:
        ModelError: if the objective has several players, or its loss cannot be computed on the
            validation data.
        DataError: if the validation data lie outside the support of a site.
    """

    def __init__(
        self,
        players: Players,
        source: Source,
        batches: Batches,
        every: int,
        patience: int | None,
    ) -> None:
        if len(players.names) > 1:
            raise ModelError(
                f"{type(players.objective).__name__} has the players {', '.join(players.names)}, "
                "and none of their losses says alone how good the model is. Judge it by a measure "
                "of your own in a callback, and end the run with progress.stop()."
            )
        self.players, self.batches = players, batches
        self.every, self.patience = every, patience
        self.losses: dict[int, float] = {}
        self.best_step: int | None = None
        self._best: dict[str, dict[str, Tensor]] | None = None
        self._final: int | None = None
        size = len(source) if batches.whole else _CHUNK * batches.size
        self._chunks = torch.arange(len(source), device=players.fabric.device).split(size)
        self._source, self._layout = source, batches.layout
        self._check()

    def until_next(self, step: int) -> int:
        """Steps from this one to the next validation, at least one."""
        return self.every - step % self.every

    def patient(self) -> bool:
        """Whether the run is to go on."""
        if self.patience is None or self.best_step is None:
            return self.patience is None or len(self.losses) < self.patience
        return sum(step > self.best_step for step in self.losses) < self.patience

    def look(self, step: int, last: bool = False) -> bool:
        """Validate the weights after this step, if it is time for that; whether it was."""
        regular = step % self.every == 0
        if step in self.losses or not (regular or last):
            return False
        loss = self.losses[step] = self._loss()
        if not regular:
            self._final = step
        self._tell_rates()
        best = math.inf if self.best_step is None else self.losses[self.best_step]
        if loss < best:
            self.best_step = step
            if regular:  # at the end the weights stay where they are
                self._best = _copied(self._weights())
        return True

    def give_back(self) -> None:
        """Put the best weights into the model, unless it has them."""
        if self._best is not None and self.best_step != self._final:
            _put(self._weights(), self._best)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: regular validations, by which a run goes on, and the last."""
        regular = {step: loss for step, loss in self.losses.items() if step != self._final}
        best = self._best
        return {
            "steps": list(regular),
            "losses": list(regular.values()),
            "best": best and {k: {n: x.cpu() for n, x in v.items()} for k, v in best.items()},
            "best_step": self.best_step,
            "last": self._final and [self._final, self.losses[self._final]],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.losses = dict(zip(state["steps"], state["losses"], strict=True))
        finite = [step for step, loss in self.losses.items() if loss < math.inf]
        self.best_step = min(finite, key=self.losses.__getitem__, default=None)
        self._best = state["best"] and {
            part: {name: x.to(own[name].device) for name, x in state["best"][part].items()}
            for part, own in self._weights().items()
        }
        self._tell_rates()

    def _tell_rates(self) -> None:
        """Learning rates that follow the validation loss do so."""
        for state in self.players.optimizer_states:
            if state.plateau is not None:
                state.plateau.follow([*self.losses.values()])

    def _weights(self) -> dict[str, dict[str, Tensor]]:
        """The tensors themselves, of the program and of the objective."""
        players = self.players
        return {"weights": weights_of(players.program), "state": players.state.state_dict()}

    def _check(self) -> None:
        """Try the first of the data, with a layout that holds for their number too."""
        players, batches = self.players, self.batches
        with random_state_kept(players.fabric.device):
            args = first_batch(self._source, self._chunks[0])
        shapes = ", ".join(str(tuple(x.shape)) for x in args)
        try:
            with on_device(players.fabric.device), random_state_kept(players.fabric.device):
                if batches.whole and len(args) and len(args[0]) != batches.total:
                    scale = batches.scale_plates
                    other, whole = (
                        Batch(x, batches.context, batches.total, scale_plates=scale)
                        for x in (args, batches.at(0).args)
                    )
                    layout = players.objective.prepare(players.program, whole, other)
                    self._layout = layout
                if isinstance(self._source, TensorSource) and self._layout is not None:
                    first = Batch(args, batches.context, batches.total, self._layout)
                    check_supports(players.program, first, self._source.tensors)
            with self._as_evaluated():
                self._loss_of(args)
        except PlausibleError as error:
            error.add_note(f"This concerns the validation data, {shapes} at a time.")
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or "alloc" in str(error):
                raise
            raise ModelError(
                f"The {players.names[0]} cannot be computed on validation data of shape {shapes}: "
                f"{type(error).__name__}: {' '.join(str(error).split())}"
            ) from error

    def _loss(self) -> float:
        with self._as_evaluated():
            losses = [len(i) * self._loss_of(self._source.batch(i)) for i in self._chunks]
        return math.fsum(torch.stack(losses).tolist()) / len(self._source)

    def _loss_of(self, args: Sequence[Tensor]) -> Tensor:
        players, batches = self.players, self.batches
        batch = Batch(tuple(args), batches.context, batches.total, self._layout)
        with on_device(players.fabric.device), players.fabric.autocast():
            return players.players[0].loss(players.program, batch, players.state)

    @contextmanager
    def _as_evaluated(self) -> Iterator[None]:
        """Evaluation mode, the same draws every time, schedules at their end; then as before."""
        players, device = self.players, self.players.fabric.device
        roots = (players.program, players.state)
        flags = [(m, m.training) for root in roots for m in root.modules()]
        buffers = [(b, b.clone()) for root in roots for b in root.buffers()]
        try:
            with random_state_kept(device), torch.no_grad():
                for module, _ in flags:
                    module.training = False
                    if isinstance(module, StepCount):
                        module.step.fill_(_LATE)
                for generator in generators(device):
                    generator.manual_seed(self.batches.seed)
                yield
        finally:
            for module, flag in flags:
                module.training = flag
            with torch.no_grad():
                for buffer, value in buffers:
                    buffer.copy_(value)


def _copied(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {k: {n: x.detach().clone() for n, x in part.items()} for k, part in tensors.items()}


@torch.no_grad()
def _put(
    own: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Mapping[str, Tensor]]
) -> None:
    for part, tensors in own.items():
        for name, tensor in tensors.items():
            tensor.copy_(values[part][name])
