"""Run training or evaluation without leaving a mark on the caller's global state."""

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import torch
from torch import Generator, nn

from plausible.inference.program import UserProgram
from plausible.models.stores import Content, empty, own_store

__all__ = [
    "default_float64",
    "evaluating",
    "garbage_set_aside",
    "generators",
    "isolated",
    "on_device",
    "own_modes",
    "random_state_kept",
    "training",
]

_DEFAULT = threading.RLock()  # the default type belongs to the process


def _renew() -> None:
    """In a process that was forked nobody may hold the lock any more."""
    global _DEFAULT
    _DEFAULT = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def generators(device: torch.device) -> list[Generator]:
    """PyTorch's generators that a run on this device draws from, the CPU's first."""
    if device.type == "cuda":
        torch.cuda.init()
        return [torch.default_generator, torch.cuda.default_generators[device.index or 0]]
    if device.type == "mps":
        return [torch.default_generator, torch.mps._get_default_mps_generator()]
    return [torch.default_generator]


@contextmanager
def isolated(seed: int, device: torch.device, store: Content | None = None) -> Iterator[Content]:
    """Seed PyTorch and give Pyro a private parameter store; afterwards the caller's are back.

    Args:
        seed: seed of PyTorch's generators inside.
        device: the device whose generator is seeded besides the CPU's.
        store: content of the private parameter store; empty by default.

    Yields:
        The content, which afterwards is that of the private parameter store.
    """
    with own_store(empty() if store is None else store) as content, random_state_kept(device):
        for generator in generators(device):
            generator.manual_seed(seed)
        yield content


@contextmanager
def default_float64() -> Iterator[None]:
    """Operations that make floats from nothing, or from whole numbers, make float64."""
    with _DEFAULT:
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


@contextmanager
def own_modes(device: torch.device) -> Iterator[None]:
    """Gradients are recorded and nothing is cast, whatever modes of PyTorch the caller is in.

    Inside the caller's autocast, weights that were cast once would be taken for those of later
    steps: the cache of casts is cleared only where the outermost autocast ends.
    """
    kinds = sorted({"cpu", device.type})
    enabled = [torch.is_autocast_enabled(kind) for kind in kinds]
    cached = torch.is_autocast_cache_enabled()
    try:
        for kind in kinds:
            torch.set_autocast_enabled(kind, False)
        torch.set_autocast_cache_enabled(not any(enabled))
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for kind, was in zip(kinds, enabled, strict=True):
            torch.set_autocast_enabled(kind, was)
        torch.set_autocast_cache_enabled(cached)


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """What is made inside without naming a device, as `Normal(0.0, 1.0)` does, lies on this one."""
    default = torch.get_default_device()
    if (default.type, default.index or 0) == (device.type, device.index or 0):
        yield
    else:
        with torch.device(device):
            yield


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Put PyTorch's random state back afterwards, as if nothing had been drawn inside."""
    states = [(generator, generator.get_state()) for generator in generators(device)]
    try:
        yield
    finally:
        for generator, state in states:
            generator.set_state(state)


@contextmanager
def garbage_set_aside() -> Iterator[None]:
    """Spare Python's collector the objects that are there already: they outlive the run.

    A step makes hundreds of small objects, and each time the collector would look through all that
    the imported libraries hold.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def training(program: nn.Module) -> Iterator[None]:
    """Training mode for a run; flags and gradients are as before afterwards.

    A model in training mode keeps the flags of its submodules: one that was put into evaluation
    mode stays there, which freezes its batch norm and turns its dropout off. A model that is in
    evaluation mode as a whole (as `load` returns it) trains as a whole.
    """
    flags = [(module, module.training) for module in program.modules()]
    gradients = [(parameter, parameter.grad) for parameter in program.parameters()]
    for part in program.children() if isinstance(program, UserProgram) else (program,):
        if not part.training:
            part.train()
    try:
        yield
    finally:
        for module, flag in flags:
            module.training = flag
        for parameter, gradient in gradients:
            parameter.grad = gradient


@contextmanager
def evaluating(model: nn.Module, seed: int = 0) -> Iterator[None]:
    """Evaluate a model: no gradients, evaluation mode, a seed of its own; nothing moves.

    Dropout is off and batch norm uses its running averages inside; the flags of every submodule
    and the random state are restored afterwards.
    """
    flags = [(module, module.training) for module in model.modules()]
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    model.eval()
    try:
        with isolated(seed, device, pyro.get_param_store().get_state()), torch.no_grad():
            yield
    finally:
        for module, flag in flags:
            module.training = flag
