"""Compilation in another process: training goes on, and survives a crash of the compiler."""

import contextlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.inductor import Compilable

__all__ = ["Compilation", "Job"]


@dataclass
class Job:
    """What the other process needs to know.

    Attributes:
        function: what is compiled; it can be pickled.
        inputs: example inputs.
        path: where the code is written.
        small: whether it runs on one thread.
        threads: number of threads that the code is made for.
        dtype: PyTorch's default type, of floats that the function makes from nothing.
    """

    function: Compilable
    inputs: list[Tensor]
    path: Path
    small: bool
    threads: int
    dtype: torch.dtype


class Compilation:
    """One function being compiled while training goes on.

    Raises:
        Refused: if the process cannot be started.
    """

    def __init__(self, function: Compilable, inputs: list[Tensor], path: Path, small: bool) -> None:
        self.path, self.began = path, time.perf_counter()
        self.seconds = 0.0
        self.folder = Path(tempfile.mkdtemp(prefix="plausible-"))
        copies = [x.detach().clone() for x in inputs]
        threads = 1 if small else torch.get_num_threads()
        job = Job(function, copies, path, small, threads, torch.get_default_dtype())
        try:
            (self.folder / "job").write_bytes(pickle.dumps(job))
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "plausible.inference.graphs.worker", self.folder],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except Exception as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            text = " ".join(str(error).split())[:160]
            raise Refused(f"compiling could not begin ({type(error).__name__}: {text})") from error

    def done(self) -> bool:
        """Whether the code is there.

        Raises:
            Refused: if it will not be; says why.
        """
        status = self.process.poll()
        if status is None:
            return False
        self.seconds = time.perf_counter() - self.began
        try:
            if status == 0 and self.path.exists():
                return True
            if status < 0:
                name = signal.Signals(-status).name
                raise Refused(f"compiling it, or a first run of the code, crashed ({name})")
            lines = (self.folder / "log").read_text(errors="replace").strip().splitlines()
            raise Refused(f"compiling it failed ({lines[-1][:200] if lines else status})")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self) -> None:
        """Return when the code is there; raises as `done` does."""
        while not self.done():
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process and those that it started."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
