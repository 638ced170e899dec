"""How fast a GPU trains: kernels a step, how busy the GPU is, and the peers of svi.py."""

import contextlib
import os
import statistics
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import torch

from plausible.inference import Fit, fit

__all__ = ["Add", "kernels_compiled", "peers", "profile", "speed"]

CASES = ("vae", "mdn", "hierarchical", "vae, TF32", "bf16", "vae_large", "players", "conv")
ROUNDS, SECONDS = 3, 0.3  # of the comparison with peers

Add = Callable[[str, Callable[[], dict[str, Any]]], None]


def speed(run: Fit) -> dict[str, Any]:
    """How a run went: engine, reason, milliseconds a step."""
    return {
        "engine": run.backend.engine,
        "reason": run.backend.reason,
        "fallback": run.backend.fallback,
        "ms a step": 1000 * run.seconds / run.steps,
    }


@contextlib.contextmanager
def kernels_compiled(wanted: bool) -> Iterator[None]:
    """Whether recordings are of kernels that PyTorch's compiler makes, or of PyTorch's own."""
    from plausible.inference.engines import recorded

    before, recorded._FUSED = recorded._FUSED, wanted
    try:
        yield
    finally:
        recorded._FUSED = before


def profile(add: Add, device: str) -> None:
    """Kernels a step and how busy the GPU is: differences between a long run and a short one."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]

    def kernels(train: Callable[[int], Fit], steps: int) -> dict[str, tuple[int, float]]:
        train(steps)
        with profiler(activities=activities) as record:
            train(steps)
        return {
            event.key: (event.count, event.self_device_time_total)
            for event in record.key_averages()
            if str(event.device_type).endswith("CUDA")
        }

    def measured(train: Callable[[int], Fit], steps: int) -> dict[str, Any]:
        short, long = kernels(train, steps), kernels(train, 3 * steps)
        each = {
            name: (
                (n - short.get(name, (0, 0.0))[0]) / (2 * steps),
                (t - short.get(name, (0, 0.0))[1]) / (2 * steps),
            )
            for name, (n, t) in long.items()
        }
        run = train(20 * steps)
        busy = sum(t for _, t in each.values()) / 1000
        largest = sorted(each.items(), key=lambda item: -item[1][1])[:30]
        return speed(run) | {
            "kernels a step": sum(n for n, _ in each.values()),
            "GPU busy, ms a step": busy,
            "GPU busy, share": busy / (1000 * run.seconds / run.steps),
            "largest: number and µs a step": {name[:110]: numbers for name, numbers in largest},
        }

    from svi_cases import vae as case
    from svi_timing import FIT

    def trainer(batch: int) -> Callable[[int], Fit]:
        torch.manual_seed(0)
        peer: Any = case.case(torch.device(device), batch).peers[FIT]()

        def train(steps: int) -> Fit:
            return fit(
                peer.model, peer.data, batch_size=batch, steps=steps, device=device,
                compile=device == "cuda" or "auto", **peer.arguments,
            )  # fmt: skip

        return train

    def agree() -> dict[str, Any]:
        losses = []
        for wanted in (False, True):
            with kernels_compiled(wanted):
                losses.append(trainer(128)(200).loss)
        apart = float(((losses[0] - losses[1]) / losses[0]).abs().max())
        return {"passes": apart < 1e-3, "relative difference of losses": apart}

    steps = 40 if device == "cuda" else 4
    for batch, wanted in ((128, False), (128, True), (1024, True), (1024, False)):
        with kernels_compiled(wanted):
            kind = "compiled" if wanted else "PyTorch's"
            name = f"VAE, batch {batch}, {kind} kernels"
            add(name, lambda b=batch: measured(trainer(b), steps))
        if (batch, wanted) == (128, True):
            add("both kinds of kernels give the same losses", agree)


def peers(add: Add, device: str) -> None:
    """The cases of svi.py, few rounds of each, all in float32 unless TF32 is asked for."""
    os.environ["FORCE_COLOR"] = "1"  # `fit` draws its progress bar, though nobody watches
    import svi_peers

    svi_peers.COMPILE = device == "cuda"
    for name in CASES:
        if name == "bf16":
            add("vae, bf16", lambda: _mixed_precision(device))
        else:
            add(name, lambda name=name: _compared(*name.partition(", TF32")[:2], device))


def _mixed_precision(device: str) -> dict[str, Any]:
    """What `fit` makes of bf16; its peers here have no such mode."""
    from svi_cases import vae
    from svi_timing import FIT

    peer: Any = vae.case(torch.device(device)).peers[FIT]()
    peer.arguments["precision"] = "bf16"
    peer.run(50)
    milliseconds = [1000 * peer.run(1000) / 1000 for _ in range(ROUNDS)] if device == "cuda" else []
    return {"ms a step": milliseconds, "notes": peer.note}


def _compared(name: str, tf32: str, device: str) -> dict[str, Any]:
    import svi_timing
    from svi_cases import case

    _choose_precision("high" if tf32 else "highest")
    torch.manual_seed(0)
    chosen = case(name, torch.device(device))
    fitted = chosen.peers[svi_timing.FIT]
    failures: dict[str, str] = {}

    def attempted(peer: str, build: Callable[[], Any]) -> Callable[[], Any]:
        def attempt() -> Any:
            try:
                result = build()
                result.run(chosen.unit)
            except ModuleNotFoundError:
                raise
            except Exception as error:
                traceback.print_exc(file=sys.stdout)
                failures[peer] = f"{type(error).__name__}: {error}"[:800]
                raise ModuleNotFoundError(name=peer) from error
            return result

        return attempt

    if device == "cuda":
        chosen.peers["plausible fit, PyTorch's kernels"] = lambda: _WithoutCompiler(fitted())
    builders = {peer: attempted(peer, build) for peer, build in chosen.peers.items()}
    chosen.peers.clear()
    chosen.peers.update(builders)
    seconds = SECONDS if device == "cuda" else 0.02
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        result = svi_timing.measure(chosen, ROUNDS, seconds, print)
    print(svi_timing.table(result), flush=True)
    return {
        "passes": not failures,
        "title": chosen.title + tf32,
        "ms a step": _medians(result.milliseconds),
        "fit against it": _medians({p: result.ratios(p) for p in result.milliseconds}),
        "set-up, s": _medians({p: v for p, v in result.setup.items() if v}),
        "compile, s": result.compile_seconds,
        "notes": result.notes,
        "left out": result.skipped,
        "failed": failures,
    }


def _choose_precision(kind: str) -> None:
    """Of products of float32 matrices: in PyTorch, and in JAX where it is installed."""
    torch.set_float32_matmul_precision(kind)
    with contextlib.suppress(ModuleNotFoundError):
        import jax

        jax.config.update("jax_default_matmul_precision", {"high": "tensorfloat32"}.get(kind, kind))


class _WithoutCompiler:
    """`fit` whose recordings are of PyTorch's own kernels."""

    compile_seconds = None

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def run(self, steps: int) -> float:
        with kernels_compiled(False):
            return float(self.peer.run(steps))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.peer, name)


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(numbers) for name, numbers in values.items()}
