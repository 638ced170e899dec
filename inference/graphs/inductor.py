"""Compile a function of flat tensors to machine code, and keep what was compiled for later runs."""

import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.passes import (
    compute_once,
    lift_constants,
    turn_narrow,
    write_out_vectors,
)
from plausible.inference.graphs.products import multiply_large

__all__ = [
    "Code",
    "Compilable",
    "artifact_path",
    "check_compiler",
    "compile_artifact",
    "key_of",
    "load_artifact",
]

Code = Callable[..., Tensor | Sequence[Tensor]]

_KEPT = 200
_VERSION = 4


class Compilable(Protocol):
    """A function of flat tensors that says what it depends on besides their shapes."""

    def __call__(self, *inputs: Tensor) -> Tensor | Sequence[Tensor]: ...

    def described(self) -> str: ...


def check_compiler() -> None:
    """Raise `Refused` where there is no C++ compiler for the CPU's code."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++", "cl"]
    if not any(shutil.which(name) for name in names):
        raise Refused(f"no C++ compiler was found ({' or '.join(names)})")


def _settings(small: bool, cuda: bool = False) -> dict[str, Any]:
    """How PyTorch's compiler is set: a C++ call without Python, with PyTorch's own generators.

    On a GPU the call is recorded, so that what is between kernels does not matter.
    """
    if cuda:
        return {
            "fallback_random": True,
            "size_asserts": False,
            "alignment_asserts": False,
            "compile_threads": 4,
            "triton.cudagraphs": False,
            "emulate_precision_casts": True,  # in mixed precision, round where Pyro does
        }
    settings: dict[str, Any] = {
        "cpp_wrapper": True,
        "fallback_random": True,  # what is drawn inside is drawn as outside
        # One allocation for all: dear only where there is more than a processor's own cache holds.
        "memory_planning": small,
        "size_asserts": False,
        "alignment_asserts": False,
        "compile_threads": 1,
        # tanh x = 2 sigmoid(2 x) - 1: three times as fast, and within 1e-7 of the other.
        "cpp.use_decompose_tanh": True,
    }
    if small:
        settings["cpp.threads"] = 1
    return settings


def key_of(function: Compilable, inputs: Sequence[Tensor], small: bool) -> str:
    """A name for what would be compiled: the same for the same graph, shapes and machine."""
    text = [
        str(_VERSION),
        torch.__version__,
        sys.version,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        str(torch.get_default_dtype()),
        str(1 if small else torch.get_num_threads()),
        repr(sorted(_settings(small, _on_gpu(inputs)).items())),
        torch.cuda.get_device_name(inputs[0].device) if _on_gpu(inputs) else "",
        function.described(),
        *(f"{x.dtype} {tuple(x.shape)} {x.stride()} {x.device}" for x in inputs),
    ]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:32]


def _on_gpu(inputs: Sequence[Tensor]) -> bool:
    return inputs[0].is_cuda


def artifact_path(key: str) -> Path:
    """Where compiled code of this name is kept; PLAUSIBLE_CACHE or the user's cache folder."""
    import pooch

    folder = Path(os.environ.get("PLAUSIBLE_CACHE") or pooch.os_cache("plausible"))
    return folder / "compiled" / f"{key}.bin"


def compile_artifact(function: Code, inputs: Sequence[Tensor], path: Path, small: bool) -> None:
    """Compile a function for inputs of these shapes, and write the code to a file.

    Args:
        function: of flat tensors; changes some of them in place.
        inputs: tensors of the shapes that it will get; they are changed.
        path: the file.
        small: whether it runs on one thread.
    """
    import torch._inductor
    import torch.compiler.config
    from torch._inductor import config

    # PyTorch keeps compiled graphs of its own, and cannot tell what our operations stand for.
    ours = torch.compiler.config.patch(  # type: ignore[attr-defined]
        cache_key_tag=f"plausible {_VERSION}"
    )
    cuda = _on_gpu(inputs)
    with torch.no_grad(), ours, config.patch(_settings(small, cuda)):
        graph: GraphModule = make_fx(function, tracing_mode="real")(*inputs)
        graph.graph._codegen = CodeGen()
        if lift_constants(graph):
            raise Refused("the function to compile holds tensors")
        write_out_vectors(graph)
        if not cuda:
            compute_once(graph)
            multiply_large(graph)
            turn_narrow(graph)
        compiled: Any = torch._inductor.standalone_compile(
            graph, list(inputs), dynamic_shapes="from_example_inputs"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        compiled.save(path=str(unfinished), format="binary")
    os.replace(unfinished, path)
    _forget_old(path.parent)


def load_artifact(path: Path) -> Code:
    """The compiled function of a file."""
    import torch._inductor

    return torch._inductor.CompiledArtifact.load(path=str(path), format="binary")


def _forget_old(folder: Path) -> None:
    files = sorted(folder.glob("*.bin"), key=lambda file: file.stat().st_mtime)
    for file in files[:-_KEPT]:
        file.unlink(missing_ok=True)
