"""Where parameters start: on copies of the caller's tensors, inside their constraints."""

from typing import Any

import torch
from pyro.nn import PyroModule
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn
from torch.distributions import constraints, transform_to
from torch.nn.parameter import is_lazy

from plausible.models.errors import ModelError
from plausible.models.ownership import Owners

__all__ = ["OwnParameters", "check_starts"]

_SHOWN = 5


class OwnParameters(Messenger):
    """Make `pyro.param` start from a copy, so that training moves no tensor of the caller's.

    An `nn.Parameter` is taken as it is: it belongs to a module that is to be trained. The owners
    of a run are told of every parameter.
    """

    def __init__(self, owners: Owners | None = None) -> None:
        super().__init__()
        self._owners = owners
        self._refused: ModelError | None = None

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if self._refused is not None and error[0] is not None:
            raise self._refused from None  # a trace has put its shapes behind the sentence

    def _pyro_param(self, msg: Any) -> None:
        if self._owners is not None:
            self._owners.note(msg["name"])
        if len(msg["args"]) < 2 or isinstance(msg["args"][1], nn.Parameter):
            return
        name, initial = msg["args"]
        constraint = msg["kwargs"].get("constraint", constraints.real)
        msg["args"] = (name, lambda: self._start(name, initial, constraint))

    def _start(self, name: str, initial: Any, constraint: Any) -> Any:
        try:
            return _start(name, initial, constraint)
        except ModelError as error:
            self._refused = error
            raise


def check_starts(module: nn.Module) -> None:
    """Raise `ModelError` if a parameter of a module is not finite, as outside of its constraint."""
    for prefix, part in module.named_modules():
        for name, parameter in part._parameters.items():
            if parameter is None or is_lazy(parameter) or not parameter.requires_grad:
                continue
            shown = name.removesuffix("_unconstrained")
            own = part._pyro_params if isinstance(part, PyroModule) else {}
            constraint = own[shown][0] if shown in own else constraints.real
            with torch.no_grad():
                value = transform_to(constraint)(parameter)
            _check(f"{prefix}.{shown}".lstrip("."), value, parameter, constraint)


def _start(name: str, initial: Any, constraint: Any) -> Any:
    value = initial() if callable(initial) else initial
    if not isinstance(value, Tensor):
        return value
    value = value.detach().clone()
    if not value.dtype.is_floating_point:
        raise ModelError(
            f"The parameter {name!r} starts as a tensor of {value.dtype}, but a parameter moves in "
            "small steps: write tensor(1.0), not tensor(1)."
        )
    with torch.no_grad():
        unconstrained = transform_to(constraint).inv(value)
        if isinstance(constraint, (constraints.interval, constraints.half_open_interval)):
            # The transform would move what lies outside to the edge, and nobody would know.
            unconstrained = unconstrained.where(constraint.check(value), torch.nan)
        _check(name, value, unconstrained, constraint)
    return value


def _check(name: str, value: Tensor, unconstrained: Tensor, constraint: Any) -> None:
    if bool(unconstrained.isfinite().all()):
        return
    bad = ~unconstrained.isfinite()
    shown = (value[bad] if bad.shape == value.shape else value).flatten()[:_SHOWN].tolist()
    given = f"{shown[0]}" if len(shown) == 1 else f"{shown}"
    rule = "which no step can change: start with finite numbers"
    if constraint is not constraints.real:
        rule = f"not inside its constraint, {constraint}: start inside, and not on the edge"
    raise ModelError(f"The parameter {name!r} starts at {given}, {rule}.")
