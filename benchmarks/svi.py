"""Times a training step of `fit` and of its peers, on six models, all alternating in one run.

    python benchmarks/svi.py [--only hierarchical,mdn,vae,vae_large,conv,players]
                             [--rounds 15] [--seconds 2] [--threads 2] [--device cpu] 2>/dev/null

Every round runs each peer for about the same time, in an order that rotates; peers are compared
within a round, and the tables give medians and quartiles over rounds. `fit` runs with its progress
bar on, and its time is that of its whole loop (`Fit.seconds`); what comes before the first step is
the set-up, in a column of its own. NumPyro and pythae are optional:

    pip install numpyro imageio pydantic cloudpickle tqdm
    pip install --no-deps pythae
"""

import argparse
import os
import platform
import sys
from importlib import metadata

from svi_timing import limit_cores, measure, table, targets

CASES = ("hierarchical", "mdn", "vae", "vae_large", "conv", "players")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each peer in each round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}: take {', '.join(CASES)}")
    if arguments.rounds < 2:
        parser.error("quartiles need at least 2 rounds")
    cores = limit_cores(arguments.threads)
    os.environ.setdefault("FORCE_COLOR", "1")  # draw the progress bar although nobody watches
    if arguments.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"

    import torch  # only now, when the threads are limited
    from svi_cases import case

    torch.set_num_threads(arguments.threads)
    where = torch.cuda.get_device_name() if arguments.device == "cuda" else _processor()
    print(f"\n{where}; {arguments.threads} threads on {cores} cores; {_versions()};")
    print(f"{arguments.rounds} rounds of {arguments.seconds:g} s a peer: median (quartiles)\n")
    results = []
    for name in chosen:
        torch.manual_seed(0)
        made = case(name, torch.device(arguments.device))
        result = measure(made, arguments.rounds, arguments.seconds, _say)
        results.append(result)
        print(table(result), end="\n\n", flush=True)
    print(targets(results))


def _versions() -> str:
    names = ("torch", "pyro-ppl", "numpyro", "jax", "pythae")
    installed = []
    for name in names:
        try:
            installed.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(installed)


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
