"""Chains of the no-U-turn sampler, one process each, that wait where they have enough draws."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np
import torch

from plausible.inference.posterior.density.gradient import Gradient, Vector
from plausible.inference.posterior.diagnostics import arviz
from plausible.models.errors import ModelError

__all__ = ["RADIUS", "TRIES", "Chains", "NoStart", "Settings", "running"]

TRIES = 100
RADIUS = 1.0
_REPORT = 25
# Names of nutpie's statistics, and ours, which are ArviZ's.
_STATISTICS = {
    "diverging": "diverging",
    "depth": "tree_depth",
    "n_steps": "n_steps",
    "energy": "energy",
    "logp": "lp",
    "step_size": "step_size",
}


class NoStart(Exception):
    """No starting point of finite density and gradient was found."""


@dataclass(frozen=True)
class Settings:
    """What every chain has to know.

    Attributes:
        tune: draws for adaptation, which are not kept.
        most: most draws that are kept.
        seed: of all chains.
        target_accept: average acceptance probability that the step size is adapted to.
        low_rank: whether the mass matrix is adapted to the strongest correlations.
    """

    tune: int
    most: int
    seed: int
    target_accept: float
    low_rank: bool


class Chains:
    """Chains that run to a number of draws, wait, and go on from there.

    Attributes:
        done: draws that every chain has made, those for adaptation included.
    """

    def __init__(self, ends: list[Connection], settings: Settings) -> None:
        self._ends, self._settings = ends, settings
        self._draws: list[list[Vector]] = [[] for _ in ends]
        self.done = [0] * len(ends)

    def draw(self, total: int, report: Callable[..., None]) -> Vector:
        """Go on to this many kept draws a chain; returns all of them, (chains, total, size).

        Args:
            total: kept draws of every chain, more than before.
            report: called with the number of draws of all chains done.

        Raises:
            NoStart: if a chain found no starting point.
            Exception: what the density raised.
        """
        for end in self._ends:
            end.send(total)
        left = set(self._ends)
        while left:
            ready: list[Any] = wait(left)
            for end in ready:
                i = self._ends.index(end)
                kind, content = _received(end)
                if kind == "done":
                    self.done[i] = content
                    report(sum(self.done))
                else:
                    self._draws[i].append(content)
                    left.remove(end)
        return np.stack([np.concatenate(parts) for parts in self._draws])

    def finish(self) -> dict[str, np.ndarray[Any, Any]]:
        """End all chains; returns their statistics, by ArviZ's names, each (chains, draws)."""
        for end in self._ends:
            end.send(None)
        statistics = [_received(end)[1] for end in self._ends]
        count = sum(len(part) for part in self._draws[0])
        return {name: np.stack([m[name][:count] for m in statistics]) for name in statistics[0]}


@contextlib.contextmanager
def running(gradient: Gradient, size: int, chains: int, settings: Settings) -> Iterator[Chains]:
    """Start chains, each in a process where the system can fork, in a thread elsewhere."""
    arviz()  # nutpie imports it
    import nutpie.compiled_pyfunc  # noqa: F401  # once, not in every process

    pairs = [multiprocessing.Pipe() for _ in range(chains)]
    fork = _forks()
    workers: list[Any] = []
    for i, (_, end) in enumerate(pairs):
        arguments = (gradient, size, i, settings, end)
        if fork:
            context = multiprocessing.get_context("fork")
            # A child that held the parent's ends would not notice that the parent is gone.
            foreign = [e for pair in pairs for e in pair if e is not end]
            workers.append(context.Process(target=_child, args=(foreign, *arguments), daemon=True))
        else:
            workers.append(threading.Thread(target=_chain, args=arguments, daemon=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch has threads when it forks
            for worker in workers:
                worker.start()
        if fork:
            for _, end in pairs:
                end.close()
        yield Chains([end for end, _ in pairs], settings)
    finally:
        for end, _ in pairs:
            end.close()
        for worker in workers:
            if fork and worker.pid is not None:
                worker.terminate()
            worker.join(5.0)


def _forks() -> bool:
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def _received(end: Connection) -> tuple[str, Any]:
    try:
        kind, content = end.recv()
    except EOFError:
        raise RuntimeError("A chain's process ended before its draws were done.") from None
    if kind == "error":
        raise content
    return kind, content


def _child(foreign: list[Connection], *arguments: Any) -> None:
    for end in foreign:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its chains
    torch.set_num_threads(1)  # threads of the parent's do not survive a fork
    os.environ["RAYON_NUM_THREADS"] = "1"  # read by nutpie's linear algebra
    _chain(*arguments)


def _chain(gradient: Gradient, size: int, i: int, settings: Settings, end: Connection) -> None:
    try:
        _Chain(gradient, size, i, settings, end).run()
    except (EOFError, OSError):
        pass  # nobody listens any more
    except Exception as error:
        with contextlib.suppress(OSError):
            end.send(("error", _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error, or what it says where it is of a kind that cannot travel between processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        text = f"The model raised {type(error).__name__} at some latent values: {error}"
        return ModelError(text)
    return error


class _Chain:
    """One chain: nutpie runs it in a thread of its own and calls back with every draw."""

    def __init__(
        self, gradient: Gradient, size: int, i: int, settings: Settings, end: Connection
    ) -> None:
        self.gradient, self.size, self.settings, self.end = gradient, size, settings, end
        self.random = np.random.default_rng([settings.seed, i])
        self.target: int | None = end.recv()
        self.rows: list[Vector] = []
        self.count, self.kept = 0, 0
        self.stopped = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        import nutpie
        import pyarrow
        from nutpie.compiled_pyfunc import from_pyfunc

        start = self._start()
        model = from_pyfunc(
            self.size,
            lambda: self._density,
            lambda *_: self._drawn,
            [np.dtype("float64")],
            [()],
            ["nothing"],
            make_initial_point_fn=lambda _: start,
        )
        sampler = nutpie.sample(
            model,
            chains=1,
            cores=1,
            tune=self.settings.tune,
            draws=self.settings.most + 1,
            seed=int(self.random.integers(2**63)),
            target_accept=self.settings.target_accept,
            low_rank_modified_mass_matrix=self.settings.low_rank,
            progress_bar=False,
            return_raw_trace=True,
            blocking=False,
        )
        while not self.stopped.wait(0.2):
            with contextlib.suppress(TimeoutError):  # nutpie is busy
                if sampler.is_finished:
                    break
        if self.error is not None:
            sampler.cancel()
            raise self.error
        _, (statistics,) = sampler.abort().get_arrow_trace()
        kept = slice(self.settings.tune, None)
        self.end.send(
            (
                "statistics",
                {
                    ours: pyarrow.array(statistics.column(theirs)).to_numpy(False)[kept]
                    for theirs, ours in _STATISTICS.items()
                    if theirs in statistics.column_names
                },
            )
        )

    def _start(self) -> Vector:
        for i in range(TRIES):
            radius = RADIUS * 2 ** (4 * i // TRIES)
            point = self.random.uniform(-radius, radius, self.size)
            value, slope = self._density(point)
            if self.error is not None:
                raise self.error
            if np.isfinite(value) and np.isfinite(slope).all():
                return point
        raise NoStart

    def _density(self, vector: Vector) -> tuple[float, Vector]:
        try:
            return self.gradient(vector)
        except torch.linalg.LinAlgError:  # a matrix that has no Cholesky factor here
            return -np.inf, np.zeros(self.size)
        except Exception as error:  # kept for run(): raised here, it would end nutpie's thread
            self.error = error
            self.stopped.set()
            return -np.inf, np.zeros(self.size)

    def _drawn(self, vector: Vector) -> dict[str, Any]:
        if self.target is None:  # the draw before is on record now
            self.stopped.set()
            return {"nothing": np.zeros(())}
        self.count += 1
        if self.count > self.settings.tune:
            self.rows.append(np.array(vector))
        if self.count % _REPORT == 0:
            self.end.send(("done", self.count))
        if self.kept + len(self.rows) == self.target:
            self.end.send(("draws", np.stack(self.rows)))
            self.kept, self.rows = self.target, []
            self.target = self.end.recv()
        return {"nothing": np.zeros(())}
