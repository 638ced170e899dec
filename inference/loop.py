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

from plausible.inference.diagnosis import not_finite, out_of_memory
from plausible.inference.engine import Engine
from plausible.inference.progress import Bar, progress_bar
from plausible.inference.result import Progress
from plausible.inference.sources import Source, permutation
from plausible.models.errors import ModelError, PlausibleError
from plausible.models.plates import Batch, Layout

__all__ = ["Run"]

_CHECK_EVERY_ON_GPU = 50


@dataclass
class Run:
    """One run of `fit`: what it trains, how far it is, and how to go on."""

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

    def curves(self) -> dict[str, Tensor]:
        """Losses of the steps done, by player, on the CPU."""
        done = self.losses[: self.step].cpu()
        return {name: done[:, i].clone() for i, name in enumerate(self.engine.names)}

    def restore(self, content: Mapping[str, Any]) -> None:
        """Go on from a checkpoint whose weights are loaded already."""
        self.step, self.seconds = content["step"], content["seconds"]
        kept = min(self.step, self.steps)
        self.losses[:kept] = content["losses"][:kept].to(self.device)
        self.engine.load_state_dict(content["optimizers"])
        self.state.load_state_dict(content["objective_state"])
        torch.set_rng_state(content["rng"]["cpu"])
        if self.device.type == "cuda" and content["rng"]["cuda"] is not None:
            torch.cuda.set_rng_state(content["rng"]["cuda"], self.device)

    def content(self) -> dict[str, Any]:
        """Everything that a checkpoint keeps."""
        weights = getattr(self.program, "weights", self.program.state_dict)()
        cuda = self.device.type == "cuda"
        return {
            "model": _description(self.model),
            "weights": {name: tensor.cpu() for name, tensor in weights.items()},
            "optimizers": self.engine.state_dict(),
            "objective_state": self.state.state_dict(),
            "rng": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state(self.device) if cuda else None,
            },
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses[: self.step].cpu(),
            "players": list(self.engine.names),
            "engine": self.engine.backend.engine,
            "settings": dict(self.settings),
            "torch": torch.__version__,
        }

    def train(self, write: Callable[[Path, Mapping[str, Any]], Path]) -> None:
        """Run to the last step; on Ctrl-C stop after the current one. Saves on every way out."""
        self._write = write
        flags = [(module, module.training) for module in self._modules()]
        for module, _ in flags:
            module.training = True
        first, began = self.step, time.perf_counter()
        before = self.seconds
        try:
            with (
                pyro.validation_enabled(False),
                _stop_on_interrupt(self),
                progress_bar(self.steps, self.step, "epoch 1") as bar,
            ):
                for number in range(first, self.steps):
                    self._round(number)
                    self.seconds = before + time.perf_counter() - began
                    if self._after_round(bar):
                        break
                if self.step:
                    self._check_finite(max(first, self.step - _CHECK_EVERY_ON_GPU))
                self._save()
        except PlausibleError:
            raise
        except BaseException as error:
            explained = out_of_memory(error, self.step, self.batch_size)
            if self.step > first:
                with contextlib.suppress(PlausibleError):
                    self._save()
            if explained is None:
                raise
            raise explained from error
        finally:
            for module, training in flags:
                module.training = training

    def _modules(self) -> list[nn.Module]:
        return list(self.program.modules())

    def _round(self, number: int) -> None:
        batch = Batch(self._args(number), self.context, len(self.source), self.layout)
        self.losses[number] = self.engine.round(batch, number)
        self.step = number + 1
        if self.device.type == "cpu" or self.step % _CHECK_EVERY_ON_GPU == 0:
            since = number if self.device.type == "cpu" else self.step - _CHECK_EVERY_ON_GPU
            self._check_finite(since)

    def _args(self, number: int) -> tuple[Tensor, ...]:
        epoch, position = divmod(number, self.rounds_per_epoch)
        if self.batch_size == len(self.source):
            if number == 0 or not hasattr(self, "_index"):
                self._index = torch.arange(len(self.source), device=self.device)
            return self._whole()
        if getattr(self, "_epoch", None) != epoch:
            self._epoch = epoch
            self._order = permutation(len(self.source), self.seed, epoch).to(self.device)
        start = position * self.batch_size
        return self.source.batch(self._order[start : start + self.batch_size])

    def _whole(self) -> tuple[Tensor, ...]:
        tensors = getattr(self.source, "tensors", None)
        return tensors if tensors is not None else self.source.batch(self._index)

    def _check_finite(self, since: int) -> None:
        window = self.losses[since : self.step]
        if math.isfinite(float(window.sum())):
            return
        bad = since + int((~window.isfinite()).any(1).nonzero()[0])
        batch = Batch(self._args(bad), self.context, len(self.source), self.layout)
        raise not_finite(self.program, batch, bad, self.written)

    def _after_round(self, bar: Bar) -> bool:
        """Show, save and call back; returns whether to stop."""
        epoch = self.step // self.rounds_per_epoch
        if bar.due() or self.step == self.steps:
            epochs = math.ceil(self.steps / self.rounds_per_epoch)
            shown = min(epoch + 1, epochs)
            label = f"epoch {shown}/{epochs}" if self.rounds_per_epoch > 1 else "training"
            bar.draw(self.step, float(self.losses[self.step - 1, 0]), label)
        stop = self.interrupted
        if self.callbacks:
            losses = dict(zip(self.engine.names, self.losses[self.step - 1], strict=True))
            progress = Progress(self.model, self.step, self.steps, epoch, losses)
            for callback in self.callbacks:
                callback(progress)
            stop = stop or progress.stopped
        if self.folder is not None and time.perf_counter() - self._saved >= self.checkpoint_seconds:
            self._check_finite(max(0, self.step - _CHECK_EVERY_ON_GPU))
            self._save()
        return stop

    def _save(self) -> None:
        """Write a checkpoint, but never one whose weights are not finite."""
        self._saved = time.perf_counter()
        if self.folder is None:
            return
        content = self.content()
        weights = [w for w in content["weights"].values() if w.dtype.is_floating_point]
        if all(bool(w.isfinite().all()) for w in weights):
            self.written = self._write(self.folder, content)

    _saved: float = field(default_factory=time.perf_counter)


def _description(model: Any) -> dict[str, Any]:
    """How to build the model again, or why that cannot be described."""
    try:
        return dict(model.config())
    except ModelError as error:
        return {"why": str(error)}
    except AttributeError:
        return {"why": "it was trained as a plain Pyro function; resume it with fit(resume=...)."}


@contextlib.contextmanager
def _stop_on_interrupt(run: Run) -> Iterator[None]:
    """The first Ctrl-C ends the run after the current step; a second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: Any) -> None:
        run.interrupted = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
