"""The log density of a model and its gradient as one compiled function of NumPy vectors."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plausible.inference.engines.engine import Backend
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.equality import check_equal
from plausible.inference.graphs.graph import Graph, captured
from plausible.inference.graphs.inductor import Code
from plausible.inference.graphs.machine_code import MachineCode
from plausible.inference.graphs.python_state import unchanged
from plausible.inference.isolation import default_float64
from plausible.inference.posterior.density.double import in_double, promoting
from plausible.inference.posterior.density.joint import Joint
from plausible.models.errors import ModelError, PlausibleError, reason_of

__all__ = ["Gradient", "Vector"]

Vector = np.ndarray[Any, np.dtype[np.float64]]

_TOLERANCE = 1e-8
_RADII = (1.0, 1.0, 1.0, 3.0, 3.0)  # of the points at which a graph is checked


class Gradient:
    """From an unconstrained vector to the log density and its gradient; threads may share it.

    Inside `in_double` when it is made, and when it is called where `backend.engine` is "eager".

    Args:
        joint: the density.
        compile: whether the captured graph is compiled, or carried out operation by operation.

    Attributes:
        backend: which engine computes it, and why.
        seconds: what capturing and compiling took.
    """

    def __init__(self, joint: Joint, compile: bool) -> None:
        self._joint, self._lock = joint, threading.Lock()
        began = time.perf_counter()
        self._function: Code | None = None
        self._prepare(compile)
        self.seconds = time.perf_counter() - began

    def __call__(self, vector: Vector) -> tuple[float, Vector]:
        if self._function is None:
            with self._lock, torch.enable_grad(), promoting():  # a mode is a thread's own
                both = self._both(torch.from_numpy(vector))[0].numpy()
        else:
            try:
                both = self._function(torch.from_numpy(vector), *self._fixed)[0].numpy()
            except RuntimeError:  # as of a Cholesky factor that there is not; a model may go on
                with in_double(), self._lock, torch.enable_grad():
                    both = self._both(torch.from_numpy(vector))[0].numpy()
        return both[0], both[1:]

    def _both(self, vector: Tensor) -> Sequence[Tensor]:
        point = vector.detach().requires_grad_(True)
        value = self._joint(point)
        gradient = torch.zeros_like(point)
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value, point)
        return [torch.cat([value.detach().reshape(1), gradient])]

    def _prepare(self, compile: bool) -> None:
        points = [torch.empty(self._joint.size).uniform_(-r, r) for r in _RADII]
        self._check_proper(points)
        try:
            with unchanged(self._joint):
                graph = captured(lambda vector: self._both(vector), points[:1])
                self._check(graph.operations, graph.fixed, points, "the captured graph")
        except Refused as refused:
            reason = f"Every gradient runs the model in Pyro, because {refused}."
            self.backend = Backend("eager", reason)
            return
        self._function, self._fixed = _in_double(graph.operations), graph.fixed
        if not compile:
            self.backend = Backend("captured", "compile=False asked for no compiled code.")
            return
        try:
            code = _compiled(graph, points[0])
            self._check(code, graph.fixed, points, "the compiled code")
        except Refused as refused:
            reason = f"The captured graph runs operation by operation, because {refused}."
            self.backend = Backend("captured", reason)
            return
        self._function = code
        self.backend = Backend("compiled", "The density was captured and compiled.")

    def _check_proper(self, points: list[Tensor]) -> None:
        """Refuse a density that does not change with some latent value: it is improper."""
        moved = torch.zeros(self._joint.size, dtype=torch.bool)
        for point in points:
            try:
                moved |= self._both(point)[0][1:] != 0  # NaN is not zero
            except Exception as error:
                if "Can't call numpy()" in str(error):
                    reason = reason_of(error)
                    raise ModelError(f"The density has no gradient: {reason}.") from error
                return
            if moved.all():
                return
        name, count = self._joint.site_at(int((~moved).nonzero()[0])), int((~moved).sum())
        raise ModelError(
            f"The density does not depend on {count:,} of {moved.numel():,} latent values, the "
            f"first of them of site {name!r}, so it has no posterior there. Give the site a prior "
            "that is not masked."
        )

    def _check(self, function: Code, fixed: list[Tensor], points: list[Tensor], what: str) -> None:
        for point in points:
            try:
                expected = self._both(point)[0]
            except PlausibleError as error:
                raise Refused(f"it has other latent sites at other values ({error})") from error
            except Exception:  # no density so far out; such points run in Pyro
                continue
            try:
                (given,) = function(point, *fixed)
            except RuntimeError:
                continue
            check_equal(f"{what}'s gradient", [given], [expected], _TOLERANCE)


def _in_double(function: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    """The function where floats that it makes from nothing are float64, whoever calls it."""

    def inside(*inputs: Tensor) -> list[Tensor]:
        with default_float64():
            return function(*inputs)

    return inside


def _compiled(graph: Graph, vector: Tensor) -> Code:
    code = MachineCode(graph.operations, [vector, *graph.fixed], small=True)
    try:
        return code.obtain()
    finally:
        code.stop()
