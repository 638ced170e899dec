"""The peers that PyTorch runs: `fit`, `pyro.infer.SVI`, eager PyTorch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch
from svi_timing import Peer, stopwatch
from torch import Tensor, nn

from plausible.inference import fit

__all__ = ["COMPILE", "LEARNING_RATE", "EagerPlayers", "PlainTorch", "PlausibleFit", "PyroSVI"]

# With True, `fit` waits for the compiled engine, so that `Fit.seconds` holds training alone.
COMPILE = True
LEARNING_RATE = 1e-3

Data = tuple[Tensor, ...]


def batches(data: Data, batch_size: int, steps: int) -> Iterator[Data]:
    """So many batches, in an order that is drawn anew for every epoch; all data where it is one."""
    total, done = len(data[0]), 0
    while done < steps:
        if batch_size == total:
            yield data
            done += 1
            continue
        order = torch.randperm(total, device=data[0].device)
        for index in order.split(batch_size)[: steps - done]:
            yield tuple(x[index] for x in data)
            done += 1


class PlausibleFit(Peer):
    """`fit` with its progress bar on; each run goes on with the weights of the last."""

    def __init__(self, model: Any, data: Data, batch_size: int, **arguments: Any) -> None:
        self.model, self.data, self.batch_size, self.arguments = model, data, batch_size, arguments

    def run(self, steps: int) -> float:
        clock = stopwatch()
        result = fit(
            self.model,
            self.data,
            batch_size=self.batch_size,
            steps=steps,
            device=str(self.data[0].device),
            compile=COMPILE,
            **self.arguments,
        )
        self.setup_seconds = clock() - result.seconds
        self.note = f"the {result.backend.engine} engine. {result.backend.reason}"
        compiled = getattr(result.backend, "compile_seconds", None)
        if self.compile_seconds is None:  # the first is the cold one
            self.compile_seconds = compiled
        return result.seconds


class PyroSVI(Peer):
    """`pyro.infer.SVI` as its documentation runs it; KL in closed form where it is, as in `fit`.

    Each peer has a parameter store of its own, because names recur.

    Args:
        validation: whether Pyro checks distributions and shapes, as it does by default.
    """

    def __init__(
        self, model: Any, guide: Any, data: Data, batch_size: int, validation: bool = True
    ) -> None:
        self.data, self.batch_size, self.validation = data, batch_size, validation
        self.store: Any = None
        optimizer = pyro.optim.Adam({"lr": LEARNING_RATE})
        self.svi = pyro.infer.SVI(model, guide, optimizer, pyro.infer.TraceMeanField_ELBO())

    def run(self, steps: int) -> float:
        with contextlib.ExitStack() as stack:
            stack.enter_context(pyro.validation_enabled(self.validation))
            self.store = stack.enter_context(pyro.get_param_store().scope(self.store))
            clock = stopwatch()
            for batch in batches(self.data, self.batch_size, steps):
                self.svi.step(*batch)
            return clock()


class PlainTorch(Peer):
    """The loss written by hand, eager, with PyTorch's fused Adam."""

    def __init__(
        self, module: nn.Module, loss: Callable[..., Tensor], data: Data, batch_size: int
    ) -> None:
        self.loss, self.data, self.batch_size = loss, data, batch_size
        self.optimizer = torch.optim.Adam(module.parameters(), LEARNING_RATE, fused=True)

    def run(self, steps: int) -> float:
        clock = stopwatch()
        for batch in batches(self.data, self.batch_size, steps):
            self.optimizer.zero_grad()
            self.loss(*batch).backward()
            self.optimizer.step()
        wait_for(self.data[0].device)
        return clock()


class EagerPlayers(Peer):
    """A generator and a discriminator in turn, as scripts write it.

    The generator's step uses the fakes that the discriminator has just seen, which saves one pass
    of the generator.

    Args:
        losses: the discriminator's loss from (real logits, fake logits), and the generator's from
            fake logits.
        fused: Adam's `fused`; None is what PyTorch does unless it is told otherwise.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        losses: tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]],
        latent_size: int,
        data: Data,
        batch_size: int,
        fused: bool | None,
    ) -> None:
        self.generator, self.discriminator, self.losses = generator, discriminator, losses
        self.latent_size, self.data, self.batch_size = latent_size, data, batch_size
        self.optimizers = [
            torch.optim.Adam(player.parameters(), LEARNING_RATE, fused=fused)
            for player in (discriminator, generator)
        ]

    def run(self, steps: int) -> float:
        clock = stopwatch()
        for (real,) in batches(self.data, self.batch_size, steps):
            self._round(real)
        wait_for(self.data[0].device)
        return clock()

    def _round(self, real: Tensor) -> None:
        fake = self.generator(torch.randn(len(real), self.latent_size, device=real.device))
        self.optimizers[0].zero_grad()
        self.losses[0](self.discriminator(real), self.discriminator(fake.detach())).backward()
        self.optimizers[0].step()
        self.optimizers[1].zero_grad()
        self.losses[1](self.discriminator(fake)).backward()
        self.optimizers[1].step()


def wait_for(device: torch.device) -> None:
    """Return when a GPU has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize()
