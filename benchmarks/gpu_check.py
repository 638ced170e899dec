"""What a GPU is asked, one stage a process; `gpu_check.sh` runs them all.

    python -m gpu_check {smoke,correct,waits,profile,peers} [--device cuda] [--folder .]

Each stage writes what it measured to `<stage>.json` in the folder, again after every part, so that
a stage that is stopped leaves what it has. On a CPU the stages run too, with fewer steps, to see
that they do.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu_correct import CHECKS, images, vae

from plausible.inference import Fit, fit

__all__ = ["main"]

PEERS = ("vae", "mdn", "hierarchical", "vae_large", "players", "conv")
ROUNDS, SECONDS = 3, 0.4  # of the comparison with peers


class Report:
    """The results of a stage by name, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.parts, self.failed = path, dict[str, Any](), False

    def add(self, name: str, part: Callable[[], dict[str, Any]]) -> None:
        """Carry out a part; an error is a result as well."""
        began = time.perf_counter()
        try:
            result = part()
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            result = {"passes": False, "error": f"{type(error).__name__}: {error}"[:1500]}
        result["wall, s"] = round(time.perf_counter() - began, 2)
        self.failed |= result.get("passes") is False
        self.parts[name] = result
        self.path.write_text(json.dumps(self.parts, indent=1, default=str) + "\n")
        print(name, json.dumps(result, default=str), flush=True)


def speed(run: Fit) -> dict[str, Any]:
    """How a run went: engine, reason, milliseconds a step."""
    return {
        "engine": run.backend.engine,
        "reason": run.backend.reason,
        "fallback": run.backend.fallback,
        "ms a step": 1000 * run.seconds / run.steps,
    }


def smoke(report: Report, device: str) -> None:
    """Whether every engine trains a VAE, what it says of itself, and how long it takes to begin."""
    if device == "cuda":
        report.add("device", _described)

    def trained(compile: Any, precision: Any) -> dict[str, Any]:
        model, x = vae(), images(12_800)
        began = time.perf_counter()
        run = fit(
            model,
            x,
            steps=600 if device == "cuda" else 30,
            batch_size=128,
            device=device,
            compile=compile,
            precision=precision,
        )
        before = time.perf_counter() - began - run.seconds
        first, last = float(run.loss[:20].mean()), float(run.loss[-20:].mean())
        fast = compile is False or device == "cpu" or run.backend.engine == "compiled"
        return speed(run) | {
            "passes": last < first and fast,
            "before the first step, s": before,
            "first and last loss": (first, last),
        }

    for compile in (False, True, "auto") if device == "cuda" else (False, "auto"):
        for precision in ("float32", "bf16"):
            report.add(
                f"compile={compile}, {precision}", lambda c=compile, p=precision: trained(c, p)
            )


def _described() -> dict[str, Any]:
    return {
        "name": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "TF32 in cuDNN": torch.backends.cudnn.allow_tf32,
    }


def correct(report: Report, device: str) -> None:
    """Whether training on the device is right."""
    for name, check in CHECKS.items():
        report.add(name, lambda check=check: check(device))


def waits(report: Report, device: str) -> None:
    """Where a run waits for the device, by line: how often in 1000 steps, set-up not counted."""

    def counted(steps: int, compile: Any) -> Counter[str]:
        places = Counter[str]()

        def note(message: Any, *others: Any, **more: Any) -> None:
            if "synchroniz" in str(message):
                own = [f for f in traceback.extract_stack() if "/plausible/" in f.filename]
                places[" < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in own[:-4:-1])] += 1

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = note
            if device == "cuda":
                torch.cuda.set_sync_debug_mode("warn")
            try:
                fit(
                    vae(), images(12_800), steps=steps, batch_size=128, device=device,
                    compile=compile,
                )  # fmt: skip
            finally:
                if device == "cuda":
                    torch.cuda.set_sync_debug_mode("default")
        return places

    short, long = (600, 1600) if device == "cuda" else (10, 20)
    for compile in (True, False) if device == "cuda" else (False,):

        def grown(compile: Any = compile) -> dict[str, Any]:
            before = counted(short, compile)
            after = counted(long, compile)
            return {
                "steps": long - short,
                "waits": {place: n - before[place] for place, n in after.items()},
            }

        report.add(f"compile={compile}", grown)


def profile(report: Report, device: str) -> None:
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

    for batch, compile in ((128, True), (1024, True), (128, False)):
        compile = compile and (device == "cuda" or "auto")

        def train(steps: int, batch: int = batch, compile: Any = compile) -> Fit:
            x = images(20 * batch)
            return fit(
                vae(400), x, steps=steps, batch_size=batch, device=device, compile=compile
            )  # fmt: skip

        steps = 100 if device == "cuda" else 4
        report.add(
            f"VAE, batch {batch}, compile={compile}", lambda t=train, s=steps: measured(t, s)
        )


def peers(report: Report, device: str) -> None:
    """The cases of svi.py, few rounds of each."""
    os.environ["FORCE_COLOR"] = "1"  # `fit` draws its progress bar, though nobody watches
    import svi_peers
    import svi_timing
    from svi_cases import case

    svi_peers.COMPILE = device == "cuda"

    def measured(name: str) -> dict[str, Any]:
        torch.manual_seed(0)
        chosen = case(name, torch.device(device))
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

        builders = {peer: attempted(peer, build) for peer, build in chosen.peers.items()}
        chosen.peers.clear()
        chosen.peers.update(builders)
        seconds = SECONDS if device == "cuda" else 0.02
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            result = svi_timing.measure(chosen, ROUNDS, seconds, print)
        print(svi_timing.table(result), flush=True)
        return {
            "passes": not failures,
            "title": chosen.title,
            "ms a step": _medians(result.milliseconds),
            "fit against it": _medians({p: result.ratios(p) for p in result.milliseconds}),
            "set-up, s": _medians({p: v for p, v in result.setup.items() if v}),
            "compile, s": result.compile_seconds,
            "notes": result.notes,
            "left out": result.skipped,
            "failed": failures,
        }

    for name in PEERS:
        report.add(name, lambda name=name: measured(name))


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(numbers) for name, numbers in values.items()}


STAGES = {stage.__name__: stage for stage in (smoke, correct, waits, profile, peers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--folder", type=Path, default=Path("."))
    arguments = parser.parse_args()
    report = Report(arguments.folder / f"{arguments.stage}.json")
    STAGES[arguments.stage](report, arguments.device)
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
