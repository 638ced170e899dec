"""Run a user's Pyro program in float64, on copies, without a mark on what is the user's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from plausible.inference import isolation
from plausible.models.copies import copied
from plausible.models.stores import taking_turns

__all__ = ["frozen", "in_double", "in_float64", "promoting"]

_CPU = torch.device("cpu")
# What gives another view of the same memory, which a program may write to.
_VIEWS = frozenset(
    "__getitem__ view view_as reshape expand expand_as unsqueeze squeeze transpose permute select "
    "narrow t mT detach flatten unflatten unbind split chunk tensor_split diagonal movedim "
    "swapaxes swapdims ravel contiguous".split()
)
# What computes nothing. PyTorch asks it while it records, to print a graph that it cannot record.
_FACTS = frozenset(
    "size stride dim ndimension numel nelement storage_offset is_contiguous element_size data_ptr "
    "untyped_storage get_device is_floating_point is_complex item tolist numpy __array__ __len__ "
    "__repr__ __format__ __hash__".split()
)


@contextmanager
def in_double(seed: int = 0) -> Iterator[None]:
    """Run Pyro programs in float64, without its checks and without a mark on global state."""
    with taking_turns():  # from here on no other thread has another store in place
        store: Any = pyro.get_param_store().get_state()
        with isolation.isolated(seed, _CPU, store), pyro.validation_enabled(False):
            with isolation.default_float64(), promoting():
                yield


def promoting() -> TorchFunctionMode:
    """Inside, in this thread, operations read tensors of lower precision as float64.

    That reaches the tensors in closures, in global names, and in what `poutine.reparam` was
    configured with. What is written in place keeps its type, and so do views of it.
    """
    return _Promoting()


class _Promoting(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if "out" in kwargs or _keeps_type(getattr(function, "__name__", "")):
            return function(*args, **kwargs)
        return function(*_wide(args), **{key: _wide(value) for key, value in kwargs.items()})


def _keeps_type(name: str) -> bool:
    """Whether an operation writes in place, gives a view, or asks for no other tensor."""
    if name in _VIEWS or name in _FACTS:
        return True
    if name.startswith("__"):
        return name.startswith(("__i", "__get__", "__set", "__del"))
    return name.endswith("_")


def _wide(value: Any) -> Any:
    if isinstance(value, Tensor):
        narrow = value.dtype.is_floating_point and value.dtype != torch.float64
        return value.to(torch.float64) if narrow else value
    if type(value) in (tuple, list):
        return type(value)(_wide(x) for x in value)
    return value


def in_float64(x: Any) -> Any:
    """A tensor on the CPU, in float64 where it is a float; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    return x.to(_CPU, torch.float64) if x.dtype.is_floating_point else x.to(_CPU)


def frozen(model: Any, dtype: torch.dtype | None = None) -> Any:
    """A model whose module, if it has one, is a copy in evaluation mode that nothing trains.

    Raises:
        ModelError: if the module holds something that cannot be copied.
    """
    owner = getattr(model, "__self__", model)
    if not isinstance(owner, nn.Module):
        return model
    twin = copied(owner).to(_CPU, dtype).eval().requires_grad_(False)
    return twin if owner is model else model.__func__.__get__(twin)
