"""The training loop: rounds, checkpoints, progress, and a clean stop whatever happens."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from plausible.inference.checkpoints import description, load_weights, write_checkpoint
from plausible.inference.diagnosis import (
    failed,
    not_finite,
    out_of_memory,
    parameter_not_finite,
    weights_not_finite,
)
from plausible.inference.engine import Engine
from plausible.inference.isolation import generators, random_state_kept
from plausible.inference.program import weights_of
from plausible.inference.progress import Bar, progress_bar
from plausible.inference.result import Progress
from plausible.inference.sources import Source, TensorSource, permutation
from plausible.models.errors import CheckpointError, ModelError, PlausibleError
from plausible.models.plates import Batch, Layout

__all__ = ["Run"]

_CHECK_EVERY_ON_GPU = 50


@dataclass
class Run:
    """One run of `fit`: what it trains, how far it is, and how to go on.

    A checkpoint is written between two rounds only, so that going on from it is the same as never
    having stopped. A failure inside a round leaves the last one as it was.
    """

    model: Any
    program: Any
    engine: Engine
    state: nn.Module
    source: Source
    batch_size: int
    layout: Layout | None
    context: Mapping[str, Any]
    steps: int
    seed: int
    device: torch.device
    callbacks: tuple[Callable[[Progress], None], ...]
    folder: Path | None
    checkpoint_seconds: float
    settings: Mapping[str, Any]
    step: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    written: Path | None = None
    losses: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.losses = torch.zeros(self.steps, len(self.engine.names), device=self.device)
        self.rounds_per_epoch = math.ceil(len(self.source) / self.batch_size)
        self._saved_at, self._saved_step = time.perf_counter(), -1
        self._epoch, self._order = -1, torch.arange(len(self.source), device=self.device)
        self._random_states: list[Tensor] = []
        self._parameters, self._stored = [*self.program.parameters()], len(pyro.get_param_store())

    def curves(self) -> dict[str, Tensor]:
        """Losses of the steps done, by player, on the CPU."""
        done = self.losses[: self.step].cpu()
        return {name: done[:, i].clone() for i, name in enumerate(self.engine.names)}

    def restore(self, content: Mapping[str, Any], path: str | Path) -> None:
        """Go on from a checkpoint.

        Raises:
            CheckpointError: if it is further than this run goes, or of other players, optimisers
                or weights; then nothing has changed.
        """
        if content["step"] > self.steps:
            raise CheckpointError(
                f"The run in {path} has done {content['step']} steps, more than the {self.steps} "
                "asked for: ask for as many at least."
            )
        if content["players"] != list(self.engine.names):
            raise CheckpointError(
                f"The run in {path} trained {content['players']}, but the objective has "
                f"{list(self.engine.names)}: resume with the objective that it was started with."
            )
        try:
            self.engine.load_state_dict(content["engine_state"])
            self.state.load_state_dict(content["objective_state"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"The optimiser or the objective's state in {path} does not fit this run: {reason}"
            ) from error
        load_weights(self.program, content["weights"], path)
        self.step, self.seconds = content["step"], content["seconds"]
        self.losses[: self.step] = content["losses"].to(self.device)
        for generator, state in zip(generators(self.device), content["rng"], strict=False):
            generator.set_state(state)

    def content(self) -> dict[str, Any]:
        """Everything that a checkpoint keeps."""
        return {
            "model": description(self.model),
            "weights": {name: w.cpu() for name, w in weights_of(self.program).items()},
            "engine_state": self.engine.state_dict(),
            "objective_state": self.state.state_dict(),
            "rng": [generator.get_state() for generator in generators(self.device)],
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses[: self.step].cpu().clone(),
            "players": list(self.engine.names),
            "engine": self.engine.backend.engine,
            "settings": dict(self.settings),
            "torch": torch.__version__,
        }

    def train(self) -> None:
        """Run to the last step; on Ctrl-C stop after the current one. Saves at the end."""
        first, began, before = self.step, time.perf_counter(), self.seconds
        with (
            pyro.validation_enabled(False),
            _stop_on_interrupt(self),
            progress_bar(self.steps, self.step, "training") as bar,
        ):
            for number in range(first, self.steps):
                self._round(number)
                self.seconds = before + time.perf_counter() - began
                if self._after_round(bar):
                    break
            self._check_finite(max(first, self.step - _CHECK_EVERY_ON_GPU))
            self._save()

    def _round(self, number: int) -> None:
        if self.device.type == "cpu":
            self._random_states = [g.get_state() for g in generators(self.device)]
        batch = None
        try:
            batch = self._batch(number)
            self.losses[number] = self.engine.round(batch, number)
        except PlausibleError:
            raise
        except Exception as error:
            raise (
                out_of_memory(error, number, self.batch_size, self.written)
                or failed(error, batch, number, self.written)
            ) from error
        if len(pyro.get_param_store()) != self._stored:
            self._check_no_new_parameter(number)
        self.step = number + 1
        if self.device.type == "cpu":
            self._check_finite(number)
        elif self.step % _CHECK_EVERY_ON_GPU == 0:
            self._check_finite(self.step - _CHECK_EVERY_ON_GPU)

    def _check_no_new_parameter(self, number: int) -> None:
        known = {id(p) for p in self._parameters}
        for name, parameter in self.program.named_parameters():
            if id(parameter) not in known:
                raise ModelError(
                    f"The parameter {name!r} was made in step {number + 1}, when training had "
                    "begun, so nothing trains it. Make every parameter in every call."
                )
        self._stored = len(pyro.get_param_store())

    def _batch(self, number: int) -> Batch:
        return Batch(self._args(number), self.context, len(self.source), self.layout)

    def _args(self, number: int) -> tuple[Tensor, ...]:
        if self.batch_size == len(self.source):
            if isinstance(self.source, TensorSource):
                return self.source.tensors
            return self.source.batch(self._order)
        epoch, position = divmod(number, self.rounds_per_epoch)
        if self._epoch != epoch:
            self._epoch = epoch
            self._order = permutation(len(self.source), self.seed, epoch).to(self.device)
        start = position * self.batch_size
        return self.source.batch(self._order[start : start + self.batch_size])

    def _check_finite(self, since: int) -> None:
        """Raise `TrainingError` unless all losses since a step are finite."""
        window = self.losses[since : self.step]
        if math.isfinite(float(window.sum())) or bool(window.isfinite().all()):
            return
        bad = since + int((~window.isfinite()).any(1).nonzero()[0])
        for generator, state in zip(generators(self.device), self._random_states, strict=False):
            generator.set_state(state)  # the culprit is looked for with the draws of the step
        raise not_finite(self.program, self._batch(bad), bad, self.written)

    def _after_round(self, bar: Bar) -> bool:
        """Show, save and call back; returns whether to stop."""
        epoch = self.step // self.rounds_per_epoch
        if bar.due() or self.step == self.steps:
            epochs = math.ceil(self.steps / self.rounds_per_epoch)
            shown = min(epoch + 1, epochs)
            label = f"epoch {shown}/{epochs}" if self.rounds_per_epoch > 1 else "training"
            bar.draw(self.step, float(self.losses[self.step - 1, 0]), label)
        stop = self._call_back(epoch) if self.callbacks else False
        if self.folder and time.perf_counter() - self._saved_at >= self.checkpoint_seconds:
            self._check_finite(max(0, self.step - _CHECK_EVERY_ON_GPU))
            self._save()
        return stop or self.interrupted

    def _call_back(self, epoch: int) -> bool:
        """Show the run to the callbacks; what they draw at random does not change it."""
        losses = dict(zip(self.engine.names, self.losses[self.step - 1], strict=True))
        progress = Progress(self.model, self.step, self.steps, epoch, losses)
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

    def _save(self) -> None:
        """Write a checkpoint, but never one whose weights are not finite."""
        culprit = parameter_not_finite(self.program)
        if culprit is not None:
            raise weights_not_finite(culprit, self.step, self.written)
        self._saved_at = time.perf_counter()
        if self.folder is not None and self.step != self._saved_step:
            self.written = write_checkpoint(self.folder, self.content())
            self._saved_step = self.step


@contextlib.contextmanager
def _stop_on_interrupt(run: Run) -> Iterator[None]:
    """The first Ctrl-C ends the run after the current step; a second one at once.

    Left alone where Python cannot take the signal, or the caller ignores it (as under nohup).
    """
    before = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or before in (None, signal.SIG_IGN):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        run.interrupted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
