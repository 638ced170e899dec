"""CPU seconds and imported modules of the commands and imports that everybody waits for.

    python benchmarks/start.py [--rounds 5] [--python PYTHON] [--path FOLDER]

`--python` and `--path` (put before the others on PYTHONPATH) measure another installation. Every
run is a fresh process with one thread in an empty folder; the seconds are user and system time of
the process and of those that it waited for, which other work on the machine changes less than the
time on the clock. A first run is not timed: it compiles what is not compiled, and counts modules.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COUNT = "import atexit, sys; atexit.register(lambda: open({!r}, 'w').write(str(len(sys.modules))))"
MAIN = "import sys; from plausible.inference.cli import main; sys.argv = {!r}; sys.exit(main())"
COMMANDS = ("--help", "report --list", "report wrogn-name", "train wrogn")
IMPORTS = ("pyro", "plausible.models", "plausible.inference", "plausible.fairness")
CASES = {
    "python": "pass",
    **{f"plausible {words}": MAIN.format(["plausible", *words.split()]) for words in COMMANDS},
    **{f"import {name}": f"import {name}" for name in IMPORTS},
}


def run(python: str, code: str, environment: dict[str, str], folder: str) -> float:
    """CPU seconds of one process."""
    quiet = subprocess.DEVNULL
    command = [python, "-c", code]
    child = subprocess.Popen(command, env=environment, cwd=folder, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    if child.returncode not in (0, 1, 2):
        raise RuntimeError(f"{command} ended with exit code {child.returncode}.")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--path", help="a folder that holds plausible/")
    given = parser.parse_args()
    python = str(Path(given.python).absolute())
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if given.path:
        paths = [str(Path(given.path).absolute()), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    print("| | CPU seconds (median, least to most) | imported modules |")
    print("|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        counted = Path(folder) / "modules"
        for name, code in CASES.items():
            run(python, f"{COUNT.format(str(counted))}\n{code}", environment, folder)
            modules = counted.read_text()
            times = [run(python, code, environment, folder) for _ in range(given.rounds)]
            spread = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
            print(f"| `{name}` | {spread} | {int(modules):,} |", flush=True)


if __name__ == "__main__":
    main()
