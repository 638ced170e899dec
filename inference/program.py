"""A user's own Pyro functions as a program that can be trained like any model of this collection."""

from collections.abc import Callable, Iterator
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from plausible.models.base import GenerativeModel
from plausible.models.errors import ModelError

__all__ = ["UserProgram", "as_program"]

_STORE = "pyro.param/"


class UserProgram(nn.Module):
    """A Pyro model and its guide: functions, modules or methods of modules.

    Parameters come from the modules and from Pyro's parameter store, which holds those that
    `pyro.param` and `pyro.module` registered. `fit` keeps a private store for the whole run.
    """

    def __init__(self, model: Any, guide: Any) -> None:
        super().__init__()
        self._functions: tuple[Callable[..., Any], Callable[..., Any]] = (
            model.model if isinstance(model, GenerativeModel) else model,
            guide,
        )
        for name, part in (("model", model), ("guide", guide)):
            owner = part if isinstance(part, nn.Module) else getattr(part, "__self__", None)
            if isinstance(owner, nn.Module):
                self._modules[f"{name}_module"] = owner

    def model(self, *args: Any, **kwargs: Any) -> Any:
        return self._functions[0](*args, **kwargs)

    def guide(self, *args: Any, **kwargs: Any) -> Any:
        return self._functions[1](*args, **kwargs)

    def check(self, *batch: Tensor) -> None:
        owner = self._modules.get("model_module")
        if isinstance(owner, GenerativeModel):
            owner.check(*batch)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        seen: set[int] = set()
        own = super().named_parameters(prefix, recurse, remove_duplicate)
        stored = ((_STORE + name, p) for name, p in pyro.get_param_store().named_parameters())
        for name, parameter in (*own, *stored):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def weights(self) -> dict[str, Tensor]:
        """Everything to keep in a checkpoint, by name."""
        kept = dict(self.state_dict())
        kept.update((n, p.detach()) for n, p in self.named_parameters() if n.startswith(_STORE))
        return kept

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        stored = {n: p for n, p in self.named_parameters() if n.startswith(_STORE)}
        self.load_state_dict({n: w for n, w in weights.items() if not n.startswith(_STORE)})
        if stored.keys() != {n for n in weights if n.startswith(_STORE)}:
            raise KeyError("the parameters of pyro.param differ")
        with torch.no_grad():
            for name, parameter in stored.items():
                parameter.copy_(weights[name])


def as_program(model: Any, guide: Any) -> GenerativeModel | UserProgram:
    """The model itself where it brings its own guide; a `UserProgram` otherwise.

    Raises:
        ModelError: if the model or guide cannot be called.
    """
    if isinstance(model, GenerativeModel) and guide is None:
        return model
    for role, part in (("model", model), ("guide", guide)):
        if part is not None and not callable(part):
            raise ModelError(
                f"The {role} is a {type(part).__name__}; it must be a GenerativeModel or a "
                "function with pyro.sample statements."
            )
    return UserProgram(model, guide if guide is not None else _nothing)


def _nothing(*args: Any, **kwargs: Any) -> None:
    """The guide of a model in which nothing is latent."""
