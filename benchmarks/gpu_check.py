"""What a GPU is asked, in stages; `gpu_check.sh` runs them all.

    python -m gpu_check smoke correct waits profile peers [--device cuda] [--folder .]

Each stage has its own limit, and writes what it measured to `<stage>.json` in the folder, again
after every part, so that one that is stopped leaves what it has. On a CPU the stages run too, with
fewer steps, to see that they do.
"""

import argparse
import json
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu_cases.correct import CHECKS, images, vae
from gpu_cases.speed import Add, kernels_compiled, peers, profile, speed

from plausible.inference import fit

__all__ = ["main"]

LIMITS = {"smoke": 50, "correct": 90, "waits": 30, "profile": 150, "peers": 600}  # seconds


class OutOfTime(BaseException):
    """A stage has reached its limit. Nobody takes it for the failure of a model."""


class Report:
    """The results of a stage by name, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path, self.parts, self.failed = path, dict[str, Any](), False

    def add(self, name: str, part: Callable[[], dict[str, Any]]) -> None:
        """Carry out a part; an error is a result as well."""
        began = time.perf_counter()
        try:
            result = part()
        except OutOfTime:
            self.parts[name] = {"stopped after, s": round(time.perf_counter() - began, 2)}
            self.path.write_text(json.dumps(self.parts, indent=1, default=str) + "\n")
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stdout)
            result = {"passes": False, "error": f"{type(error).__name__}: {error}"[:1500]}
        result["wall, s"] = round(time.perf_counter() - began, 2)
        self.failed |= result.get("passes") is False
        self.parts[name] = result
        self.path.write_text(json.dumps(self.parts, indent=1, default=str) + "\n")
        print(name, json.dumps(result, default=str), flush=True)


def smoke(add: Add, device: str) -> None:
    """Whether every engine trains a VAE, what it says of itself, and how long it takes to begin."""
    if device == "cuda":
        add("device", _described)

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

    with kernels_compiled(False):
        for compile in (False, True, "auto") if device == "cuda" else (False, "auto"):
            for precision in ("float32", "bf16"):
                name = f"compile={compile}, {precision}"
                add(name, lambda c=compile, p=precision: trained(c, p))


def _described() -> dict[str, Any]:
    return {
        "name": torch.cuda.get_device_name(),
        "capability": torch.cuda.get_device_capability(),
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "TF32 in cuDNN": torch.backends.cudnn.allow_tf32,
    }


def correct(add: Add, device: str) -> None:
    """Whether training on the device is right."""
    with kernels_compiled(False):  # the tests compare those that are compiled
        for name, check in CHECKS.items():
            add(name, lambda check=check: check(device))


def waits(add: Add, device: str) -> None:
    """Where a run waits for the device, by line, set-up not counted."""

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

    def grown(compile: Any, steps: int) -> dict[str, Any]:
        before, after = counted(steps, compile), counted(3 * steps, compile)
        more = {place: n - before[place] for place, n in after.items() if n > before[place]}
        return {"steps": 2 * steps, "waits": more}

    with kernels_compiled(False):
        if device == "cuda":
            add("compile=True", lambda: grown(True, 1000))
        add("compile=False", lambda: grown(False, 50 if device == "cuda" else 5))


STAGES = {stage.__name__: stage for stage in (smoke, correct, waits, profile, peers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stages", choices=STAGES, nargs="+")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--folder", type=Path, default=Path("."))
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, _out_of_time)
    failed = False
    for stage in arguments.stages:
        report = Report(arguments.folder / f"{stage}.json")
        began = time.perf_counter()
        signal.alarm(LIMITS[stage] * (1 if arguments.device == "cuda" else 2))
        try:
            STAGES[stage](report.add, arguments.device)
        except OutOfTime:
            failed = True
            print(f"{stage}: out of time", flush=True)
        finally:
            signal.alarm(0)
        failed |= report.failed
        print(f"{stage}: {time.perf_counter() - began:.0f} s", flush=True)
    sys.exit(failed)


def _out_of_time(*signal: Any) -> None:
    raise OutOfTime


if __name__ == "__main__":
    main()
