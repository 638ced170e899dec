"""A user's own Pyro functions as a program that can be trained like any model of ours."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pyro
from pyro.nn import PyroModule
from pyro.poutine import block
from pyro.poutine.guide import GuideMessenger
from torch import Tensor, nn

from plausible.models.base import Model
from plausible.models.errors import ModelError

__all__ = [
    "Function",
    "Program",
    "UserProgram",
    "as_program",
    "functions_of",
    "in_order",
    "stored_parameters",
    "weights_of",
]

STORE = "pyro.param/"

Function = Callable[..., object]  # a function or module with `pyro.sample` statements


class UserProgram(nn.Module):
    """A Pyro model and its guide: functions, modules or methods of modules.

    Parameters come from the modules and from Pyro's parameter store, which holds those that
    `pyro.param` and `pyro.module` registered. `fit` keeps a private store for the whole run.

    Args:
        model: the generative program.
        guide: the variational program.
        names: by which both take the tensors of a batch; none where they take them by position.
    """

    def __init__(self, model: Function, guide: Function, names: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._names = names
        self._functions: tuple[Function, Function] = (
            model.model if isinstance(model, Model) else model,
            # Such a guide runs the model, observed sites and all; those are not the guide's.
            block(guide, hide_fn=_is_observed) if isinstance(guide, GuideMessenger) else guide,
        )
        self._given = (None if guide is _nothing else guide,)  # in a tuple: no submodule twice
        for name, part in (("model", model), ("guide", guide)):
            owner = part if isinstance(part, nn.Module) else getattr(part, "__self__", None)
            if isinstance(owner, nn.Module) and owner not in self._modules.values():
                self._modules[f"{name}_module"] = owner

    def model(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._functions[0], args, kwargs)

    def guide(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self._functions[1], args, kwargs)

    def _call(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._names and args:
            return function(**dict(zip(self._names, args, strict=True)), **kwargs)
        return function(*args, **kwargs)

    @property
    def guide_given(self) -> Function | None:
        """The guide as it was given."""
        return self._given[0]

    def check(self, *batch: Tensor) -> None:
        owner = self._modules.get("model_module")
        if isinstance(owner, Model):
            owner.check(*batch)

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        own = super().named_parameters(prefix, recurse, remove_duplicate)
        stored = ((STORE + name, p) for name, p in pyro.get_param_store().named_parameters())
        for name, parameter in (*own, *stored):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter


Program = Model | UserProgram


def weights_of(program: nn.Module) -> dict[str, Tensor]:
    """Everything that a checkpoint keeps of a program, by name; the tensors themselves."""
    return {**program.state_dict(), **stored_parameters(program)}


def stored_parameters(program: nn.Module) -> dict[str, Tensor]:
    """The parameters of a program that no module of it holds, but Pyro's store alone."""
    if not isinstance(program, UserProgram):
        return {}
    named = program.named_parameters()
    return {name: p.detach() for name, p in named if name.startswith(STORE)}


def functions_of(program: Program) -> tuple[Function, ...]:
    """What a program consists of, as it was given."""
    return program._functions if isinstance(program, UserProgram) else (program,)


def as_program(model: Function, guide: Function | None, names: tuple[str, ...] = ()) -> Program:
    """The model itself where it brings its own guide; a `UserProgram` otherwise.

    Args:
        model: a `Model`, or a function or module with `pyro.sample` statements.
        guide: the variational program.
        names: by which both take their data, in the order of the model's arguments.

    Raises:
        ModelError: if the model or guide cannot be called, their parameters share a name, or a
            `Model` has other names for its data.
    """
    if isinstance(model, Model) and guide is None:
        for role in ("model", "guide"):
            first = tuple(inspect.signature(getattr(model, role)).parameters)[: len(names)]
            if names and first != names:
                raise ModelError(
                    f"The data have the names {', '.join(names)}, but the `{role}` of "
                    f"{type(model).__name__} takes {', '.join(first)}."
                )
        return model
    for role, part in (("model", model), ("guide", guide)):
        if isinstance(part, type):
            raise ModelError(f"The {role} is the class {part.__name__}: pass an instance of it.")
        if part is not None and not callable(part):
            raise ModelError(
                f"The {role} is a {type(part).__name__}; it must be a Model or a "
                "function with pyro.sample statements."
            )
    if model is None:
        raise ModelError("There is no model: give a Model or a Pyro function.")
    program = UserProgram(model, guide if guide is not None else _nothing, names)
    _check_names(program)
    return program


def in_order(model: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of data in the order of a model's arguments; those that it does not name come last."""
    function = model.model if isinstance(model, Model) else model
    function = function.forward if isinstance(function, nn.Module) else function
    try:
        known = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # nothing that can be called; others say so
        return names
    return tuple(sorted(names, key=lambda name: known.index(name) if name in known else len(known)))


def _check_names(program: UserProgram) -> None:
    """Pyro takes constrained parameters of one full name for one parameter: refuse two."""
    seen: dict[str, nn.Parameter] = {}
    for module in program.modules():
        if not isinstance(module, PyroModule):
            continue
        for name in module._pyro_params:
            full_name = f"{module._pyro_name}.{name}".lstrip(".")
            parameter = getattr(module, f"{name}_unconstrained")
            if seen.setdefault(full_name, parameter) is not parameter:
                raise ModelError(
                    f"Model and guide both have a PyroParam called {full_name!r}, and Pyro would "
                    "take the two for one. Name a module: super().__init__('guide')."
                )


def _is_observed(site: Any) -> bool:
    return site["type"] == "sample" and bool(site["is_observed"])


def _nothing(*args: Any, **kwargs: Any) -> None:
    """The guide of a model in which nothing is latent."""
