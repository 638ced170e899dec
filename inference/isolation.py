"""Run training or evaluation without leaving a mark on the caller's global state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from torch import nn

__all__ = ["evaluating", "isolated"]


@contextmanager
def isolated(seed: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """Seed PyTorch, and give Pyro a private parameter store and module-local parameters.

    On leaving, the caller's random state, parameter store and Pyro settings are back.

    Args:
        seed: seed of PyTorch's generators inside.
        device: the device whose generator is restored besides the CPU's.

    Yields:
        A dictionary that holds the state of the private parameter store afterwards.
    """
    cuda = [device.index or 0] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=cuda),
        pyro.settings.context(module_local_params=True),
        pyro.get_param_store().scope() as store,
    ):
        torch.manual_seed(seed)
        yield store


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
        with isolated(seed, device), torch.no_grad():
            yield
    finally:
        for module, training in flags:
            module.training = training
