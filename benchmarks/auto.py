"""Times whole runs of `fit`, set-up included: compile="auto" against compile=False, by length.

    python benchmarks/auto.py [--rounds 5] [--threads 2] [--cases hierarchical,vae,conv]
        [--seconds 2,5,15,40]

Every run is a fresh process with an empty cache of compiled code, so the first capture's imports
count, and compiling has to happen during the training or not at all. The lengths are given in
seconds of the eager engine. The two take turns, and change places every round; the table gives
quartiles of the ratio of their times in one round: below one, "auto" was faster.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def run(case: str, steps: int, compile: str, threads: int) -> tuple[float, str]:
    """Seconds of one call of `fit` in a process of its own, and the engine that it ended with."""
    with tempfile.TemporaryDirectory() as cache:
        caches = {"PLAUSIBLE_CACHE": cache, "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torch"}
        process = subprocess.run(
            [sys.executable, __file__, "--one", case, str(steps), compile],
            env={**os.environ, **caches, "OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        )
    seconds, engine = process.stdout.split()[-2:]
    return float(seconds), engine


def one(case: str, steps: int, compile: str) -> None:
    """In the process: time the call."""
    import importlib
    import time

    import torch

    sys.path.insert(0, str(HERE))
    import svi_peers
    from svi_timing import FIT

    svi_peers.COMPILE = {"auto": "auto", "eager": False}[compile]
    peer = importlib.import_module(f"svi_cases.{case}").case(torch.device("cpu")).peers[FIT]()
    began = time.perf_counter()
    peer.run(steps)
    print(time.perf_counter() - began, peer.note.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", default="hierarchical,vae,conv")
    parser.add_argument("--seconds", default="2,5,15,40")
    parser.add_argument("--one", nargs=3, metavar=("CASE", "STEPS", "ENGINE"))
    given = parser.parse_args()
    if given.one:
        case, steps, compile = given.one
        one(case, int(steps), compile)
        return
    print("| case | steps | eager, s | auto, s | auto / eager | auto ended |")
    print("|---|---|---|---|---|---|")
    for case in given.cases.split(","):
        few, _ = run(case, 20, "eager", given.threads)
        many, _ = run(case, 120, "eager", given.threads)
        for seconds in map(float, given.seconds.split(",")):
            steps = max(20, int(100 * seconds / max(many - few, 1e-3)))
            times: dict[str, list[float]] = {"eager": [], "auto": []}
            ended = ""
            for number in range(given.rounds):
                for name in ("eager", "auto") if number % 2 else ("auto", "eager"):
                    taken, engine = run(case, steps, name, given.threads)
                    times[name].append(taken)
                    ended = engine if name == "auto" else ended
            ratios = [a / e for a, e in zip(times["auto"], times["eager"], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            cells = [f"{statistics.median(times[name]):.2f}" for name in ("eager", "auto")]
            shown = f"{middle:.2f} ({low:.2f}-{high:.2f})"
            print(f"| {case} | {steps:,} | {' | '.join(cells)} | {shown} | {ended} |", flush=True)


if __name__ == "__main__":
    main()
