"""The training loop: rounds, checkpoints, progress, and a clean stop whatever happens."""

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor

from plausible.inference.engines.engine import Engine
from plausible.inference.isolation import (
    garbage_set_aside,
    generators,
    on_device,
    random_state_kept,
)
from plausible.inference.program import UserProgram, weights_of
from plausible.inference.training.checkpoints import description, write_checkpoint
from plausible.inference.training.failures import (
    failed,
    not_finite,
    out_of_memory,
    parameter_not_finite,
    warn_of_missing_gradients,
    weights_not_finite,
)
from plausible.inference.training.interrupts import on_interrupt
from plausible.inference.training.prepare import Prepared
from plausible.inference.training.progress import Bar, progress_bar
from plausible.inference.training.result import Fit, Progress
from plausible.inference.training.trend import fall_at_the_end
from plausible.models.errors import ModelError, PlausibleError
from plausible.models.objectives.schedules import Schedule

__all__ = ["Run"]

_CHECK_EVERY_ON_GPU = 50
_CHUNK_SECONDS = 0.05


@dataclass
class Run:
    """One run of `fit`: what it trains, how far it is, and how to go on.

    A checkpoint is written between two rounds only, so that going on from it is the same as never
    having stopped. A failure inside a round leaves the last one as it was.
    """

    prepared: Prepared
    engine: Engine
    callbacks: tuple[Callable[[Progress], None], ...]
    checkpoint_seconds: float
    interrupted: bool = False
    written: Path | None = None

    def __post_init__(self) -> None:
        prepared = self.prepared
        self.model, self.program, self.batches = prepared.model, prepared.program, prepared.batches
        self.names, self.device = prepared.players.names, prepared.device
        self.steps, self.step, self.seconds = prepared.steps, prepared.step, prepared.seconds
        self.losses = torch.zeros(self.steps, len(self.names), device=self.device)
        self.losses[: self.step] = prepared.losses.to(self.device)
        self._saved_at, self._saved_step = time.perf_counter(), -1
        self._chunk, self._checked = 1, self.step
        self._fallback, self._warned = "", False
        self._random_states: list[Tensor] = []
        self._stored = -1
        self.judge = prepared.judge

    def curves(self) -> dict[str, Tensor]:
        """Losses of the steps done, by player, on the CPU."""
        done = self.losses[: self.step].cpu()
        return {name: done[:, i].clone() for i, name in enumerate(self.names)}

    def result(self, store: Mapping[str, Any]) -> Fit:
        """What `fit` returns.

        Args:
            store: the run's own parameter store, of Pyro's form; filled when the run is left.
        """
        stored = pyro.get_param_store().items()
        return Fit(
            model=self.model,
            losses=self.curves(),
            steps=self.step,
            seconds=self.seconds,
            interrupted=self.interrupted,
            backend=self.engine.backend,
            state=self.prepared.state,
            params={name: value.detach().clone() for name, value in stored},
            guide=self.program.guide_given if isinstance(self.program, UserProgram) else None,
            checkpoint=self.written,
            validation=dict(self.judge.losses) if self.judge else {},
            best_step=self.judge.best_step if self.judge else None,
            _store=store,
        )

    def content(self) -> dict[str, Any]:
        """Everything that a checkpoint keeps."""
        return {
            "model": description(self.model),
            "weights": {name: w.cpu() for name, w in weights_of(self.program).items()},
            "engine_state": self.prepared.players.state_dict(),
            "objective_state": {n: x.cpu() for n, x in self.prepared.state.state_dict().items()},
            "rng": [generator.get_state() for generator in generators(self.device)],
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses[: self.step].cpu().clone(),
            "players": list(self.names),
            "engine": self.engine.backend.engine,
            "engine_since": self.engine.backend.since,
            "settings": dict(self.prepared.settings),
            "inputs": dict(self.prepared.inputs),
            "validation": self.judge.state_dict() if self.judge else None,
            "torch": torch.__version__,
        }

    def train(self) -> None:
        """Run to the last step; on Ctrl-C stop after the current one. Saves at the end."""
        first, began, before = self.step, time.perf_counter(), self.seconds
        with (
            pyro.validation_enabled(False),
            garbage_set_aside(),
            on_interrupt(self._interrupt),
            progress_bar(self.steps, self.step, self._label()) as bar,
        ):
            self._validate()
            while self.step < self.steps and (self.judge is None or self.judge.patient()):
                self._tell(bar)
                self._advance()
                if not self._warned:
                    self._warned = True
                    warn_of_missing_gradients(self.prepared.players)
                self._validate()
                self.seconds = before + time.perf_counter() - began
                if self._after(bar):
                    break
            self._check_finite(max(first, self._checked))
            self._validate(last=not self.interrupted)
            self.seconds = before + time.perf_counter() - began  # with what a GPU had yet to do
            self._save()
            if self.judge is not None:
                self.judge.give_back()

    def _interrupt(self) -> None:
        self.interrupted = True

    def fall_at_the_end(self) -> float | None:
        """How far the loss was still falling when the last step was done, if it plainly was.

        Several players' losses, and those whose weights follow a schedule, tell nothing; nor does
        the loss of a run that was stopped, or whose validation loss was lower before.
        """
        judge, weights = self.judge, vars(self.prepared.players.objective).values()
        if self.step < self.steps or self.interrupted or len(self.names) > 1:
            return None
        if any(isinstance(weight, Schedule) for weight in weights):
            return None
        if judge is not None and judge.best_step != self.step:
            return None
        return fall_at_the_end(self.losses[:, 0])

    def _validate(self, last: bool = False) -> None:
        if self.judge is not None and self.judge.look(self.step, last):
            self._saved_step = -1

    def _tell(self, bar: Bar) -> None:
        """Say why the run is carried out more slowly than it could be."""
        backend = self.engine.backend
        if backend.fallback and backend.reason != self._fallback:
            self._fallback = backend.reason
            bar.say(f"From step {backend.since + 1} on: {backend.reason}")

    def _advance(self) -> None:
        """As many rounds as take about a twentieth of a second; one where callbacks look on."""
        number, began = self.step, time.perf_counter()
        if self.device.type == "cpu":
            self._random_states = [g.get_state() for g in generators(self.device)]
        limit = 1 if self.callbacks else min(self._chunk, self.steps - number)
        if self.judge is not None:
            limit = min(limit, self.judge.until_next(number))
        try:
            losses = self.engine.advance(self.batches, number, limit)
        except PlausibleError:
            raise
        except Exception as error:
            raise (
                out_of_memory(error, number, self.batches.size, self.written)
                or failed(error, self.batches.latest, number, self.written)
            ) from error
        self.losses[number : number + len(losses)] = losses
        self.step = number + len(losses)
        taken = time.perf_counter() - began
        expected = taken / len(losses) * self._chunk
        if 2 * expected < _CHUNK_SECONDS:
            self._chunk *= 2
        elif expected > 2 * _CHUNK_SECONDS:
            self._chunk = max(1, self._chunk // 2)
        if len(pyro.get_param_store()) != self._stored:
            self._check_no_new_parameter(number)
        if self.device.type == "cpu" or self.step - self._checked >= _CHECK_EVERY_ON_GPU:
            self._check_finite(self._checked)

    def _check_no_new_parameter(self, number: int) -> None:
        known = {id(p) for p in self.prepared.parameters}
        for name, parameter in self.program.named_parameters():
            if id(parameter) not in known:
                raise ModelError(
                    f"The parameter {name!r} was made in step {number + 1}, when training had "
                    "begun, so nothing trains it. Make every parameter in every call."
                )
        self._stored = len(pyro.get_param_store())

    def _check_finite(self, since: int) -> None:
        """Raise `TrainingError` unless all losses since a step are finite."""
        window = self.losses[since : self.step]
        if math.isfinite(float(window.sum())) or bool(window.isfinite().all()):
            self._checked = self.step
            return
        bad = since + int((~window.isfinite()).any(1).nonzero()[0])
        for generator, state in zip(generators(self.device), self._random_states, strict=False):
            generator.set_state(state)  # the culprit is looked for with the draws of the step
        player = int((~self.losses[bad].isfinite()).nonzero()[0])
        with on_device(self.device):
            batch = self.batches.at(bad)
            raise not_finite(self.prepared.players, player, batch, bad, self.written)

    def _after(self, bar: Bar) -> bool:
        """Show, save and call back; returns whether to stop."""
        epoch = self.step // self.batches.per_epoch
        if bar.due() or self.step == self.steps:
            bar.draw(self.step, self._latest(), self._label())
        stop = self._call_back(epoch) if self.callbacks else False
        if self.prepared.folder and time.perf_counter() - self._saved_at >= self.checkpoint_seconds:
            self._check_finite(self._checked)
            self._save()
        return stop or self.interrupted

    def _latest(self) -> dict[str, float]:
        """Every player's loss in the last step, and the last validation's."""
        latest = dict(zip(self.names, self.losses[self.step - 1].tolist(), strict=True))
        if self.judge is not None and self.judge.losses:
            latest["validation"] = self.judge.losses[max(self.judge.losses)]
        return latest

    def _label(self) -> str:
        """The epoch, where it has several steps, and the engine."""
        engine = f"{self.engine.backend.engine} engine"
        if self.batches.per_epoch == 1:
            return engine
        epochs = math.ceil(self.steps / self.batches.per_epoch)
        shown = min(self.step // self.batches.per_epoch + 1, epochs)
        return f"epoch {shown:,} of {epochs:,}, {engine}"

    def _call_back(self, epoch: int) -> bool:
        """Show the run to the callbacks; what they draw at random does not change it."""
        losses = dict(zip(self.names, self.losses[self.step - 1], strict=True))
        validation = dict(self.judge.losses) if self.judge else {}
        progress = Progress(
            self.model, self.step, self.steps, epoch, losses, validation, _norms=self._norms
        )
        try:
            with random_state_kept(self.device):
                for callback in self.callbacks:
                    callback(progress)
        except BaseException as error:
            with contextlib.suppress(PlausibleError):
                self._save()
                if self.written is not None:
                    error.add_note(f"The run up to step {self.step} was saved in {self.written}.")
            raise
        return progress.stopped

    def _norms(self) -> dict[str, Tensor]:
        with random_state_kept(self.device):
            return self.prepared.players.gradient_norms(self.step - 1, self.batches)

    def _save(self) -> None:
        """Write a checkpoint, but never one whose weights are not finite."""
        culprit = parameter_not_finite(self.prepared.players)
        if culprit is not None:
            raise weights_not_finite(culprit, self.step, self.written)
        self._saved_at = time.perf_counter()
        if self.prepared.folder is not None and self.step != self._saved_step:
            self.written = write_checkpoint(self.prepared.folder, self.content())
            self._saved_step = self.step
