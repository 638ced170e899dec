"""Small tables of real measurements that are installed with this package."""

from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

__all__ = ["mcycle", "old_faithful"]


def mcycle() -> tuple[Tensor, Tensor]:
    """Head acceleration after the impact in a simulated motorcycle accident, 133 readings.

    Returns:
        Milliseconds after the impact, shape (133, 1), and acceleration in g, shape (133,). The
        readings lie still at first and scatter widely afterwards.

    Source: Silverman, Some aspects of the spline smoothing approach to non-parametric regression
    curve fitting (1985).
    """
    table = _read("mcycle")
    return table[:, :1], table[:, 1]


def old_faithful() -> Tensor:
    """Eruptions of the Old Faithful geyser: duration and the wait for the next, in minutes.

    Returns:
        Shape (272, 2).

    Source: Härdle, Smoothing Techniques with Implementation in S (1991), after Azzalini and Bowman,
    A look at some data on the Old Faithful geyser (1990).
    """
    return _read("faithful")


def _read(name: str) -> Tensor:
    text = (files("plausible.inference.data") / "csv" / f"{name}.csv").read_text(encoding="utf-8")
    rows = np.loadtxt(text.splitlines()[2:], delimiter=",", dtype=np.float32)
    return torch.from_numpy(rows)
