"""The models that are timed, one a file: each with its data, its peers and its targets."""

from importlib import import_module

import torch
from svi_timing import Case

__all__ = ["case"]


def case(name: str, device: torch.device) -> Case:
    """The case of this name, with its data on the device; none of its peers is built yet."""
    made: Case = import_module(f"svi_cases.{name}").case(device)
    return made
