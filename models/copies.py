"""Copies of modules, whatever they hold: computed tensors, too, which Python's copies refuse."""

import copy
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from plausible.models.errors import ModelError, PlausibleError, reason_of

__all__ = ["copied"]

Module = TypeVar("Module", bound=nn.Module)


def copied(module: Module) -> Module:
    """A deep copy, in which tensors that were computed have their values and no history.

    Modules keep such tensors where they remember an activation, or as the old `weight_norm` does.

    Raises:
        ModelError: if the module holds something that cannot be copied.
    """
    try:
        with _Detaching():
            return copy.deepcopy(module)
    except (PlausibleError, MemoryError):
        raise
    except Exception as error:
        reason = reason_of(error)
        raise ModelError(
            f"The module {type(module).__name__} cannot be copied ({reason or type(error)}), as is "
            "needed here to leave it as it is. Keep open files, locks and generators out of the "
            "module, or give it a __deepcopy__ method."
        ) from error


class _Detaching(TorchFunctionMode):
    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is Tensor.__deepcopy__ and not args[0].is_leaf:
            x, memo = args
            if id(x) not in memo:
                memo[id(x)] = x.detach().clone()
            return memo[id(x)]
        return function(*args, **(kwargs or {}))
