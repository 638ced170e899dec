"""The self-check: a captured graph is trusted when it gives what Pyro gives."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.passes import is_standard_normal

__all__ = ["Supplied", "check_equal"]


class Supplied(TorchDispatchMode):
    """Inside, standard normal draws of one type are taken from a list, in order."""

    def __init__(self, noise: Sequence[Tensor], dtype: torch.dtype) -> None:
        super().__init__()
        self.noise, self.dtype = list(noise), dtype

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (
            not is_standard_normal(func, args, kwargs)
            or self._dtype(func, args, kwargs) != self.dtype
        ):
            return func(*args, **kwargs)
        if not self.noise:
            raise Refused("it draws another number of times than when it was captured")
        value = self.noise.pop(0)
        return args[0].copy_(value) if func is torch.ops.aten.normal_.default else value.clone()

    @staticmethod
    def _dtype(func: Any, args: Any, kwargs: Any) -> torch.dtype:
        asked = kwargs.get("dtype")
        if asked is not None:
            return asked
        return torch.get_default_dtype() if func is torch.ops.aten.randn.default else args[0].dtype


def check_equal(
    what: str, given: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float
) -> None:
    """Raise `Refused` unless two lists of tensors agree.

    Every tensor's Euclidean error must be below the tolerance times its norm, where a millionth of
    the norm of all together is allowed besides: gradients that are zero but for rounding differ.
    """
    if [x.shape for x in given] != [x.shape for x in expected]:
        raise Refused(f"{what} has another shape in the graph than outside")
    norms = [float(_wide(x).norm()) for x in expected]
    slack = 1e-6 * math.sqrt(sum(norm**2 for norm in norms if math.isfinite(norm))) + 1e-12
    for x, y, norm in zip(given, expected, norms, strict=True):
        same = (x == y) | (x.isnan() & y.isnan())
        apart = float(torch.where(same, 0.0, _wide(x) - _wide(y)).norm())
        if not apart <= tolerance * norm + slack:
            raise Refused(f"{what} differs by {apart:.1g} from what it should be ({norm:.1g})")


def _wide(x: Tensor) -> Tensor:
    """Numbers to compare, whatever the type; truth values count as 0 and 1."""
    return x.to(torch.complex128 if x.is_complex() else torch.float64)
