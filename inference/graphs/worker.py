"""The process that compiles: reads a job, writes the code, and runs it once to see it survive."""

import os
import pickle
import sys
import threading
import time
from pathlib import Path

import torch
import torch._inductor.compile_fx  # graphs are read with what it imports

from plausible.inference.graphs.background import Job
from plausible.inference.graphs.inductor import compile_artifact, load_artifact

__all__ = ["main"]

# PyTorch's compiler follows expressions by recursion, as deep as a chain of operations is long.
_DEPTH, _STACK = 100_000, 2**29


def main(folder: str) -> None:
    """Do the job in this folder."""
    if hasattr(os, "nice"):
        os.nice(5)  # the training comes first
    job: Job = pickle.loads((Path(folder) / "job").read_bytes())
    torch.set_num_threads(job.threads)
    torch.set_default_dtype(job.dtype)
    began = time.perf_counter()
    path = Path(folder) / "code.bin"
    compile_artifact(job.function, [x.clone() for x in job.inputs], path, job.small)
    with torch.no_grad():
        load_artifact(path)(*[x.clone() for x in job.inputs])
        if job.inputs[0].is_cuda:
            torch.cuda.synchronize(job.inputs[0].device)
    job.path.parent.mkdir(parents=True, exist_ok=True)
    (Path(folder) / "seconds").write_text(f"{time.perf_counter() - began:.2f}")
    unfinished = job.path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(path.read_bytes())
    os.replace(unfinished, job.path)


if __name__ == "__main__":
    sys.setrecursionlimit(_DEPTH)
    threading.stack_size(_STACK)
    thread = threading.Thread(target=main, args=sys.argv[1:])
    thread.start()
    thread.join()
