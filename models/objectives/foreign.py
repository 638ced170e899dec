"""What Pyro and PyTorch call optimisers, schedulers and losses, and what takes their place here."""

from numbers import Real
from typing import Any

import torch
from pyro import infer
from pyro.optim import PyroLRScheduler, PyroOptim

from plausible.models.errors import ModelError
from plausible.models.objectives.optimizers import SGD, Adam, AdamW, ClippedAdam, Optimizer
from plausible.models.objectives.schedules import Schedule

__all__ = ["not_an_objective", "not_an_optimizer"]

_OWN = {cls.__name__: cls for cls in (Adam, AdamW, ClippedAdam, SGD)}
_LIST = "optimisers are Adam, AdamW, ClippedAdam and SGD of plausible.models"


def not_an_optimizer(given: Any) -> ModelError:
    """The error for something in the place of an optimiser; says what to write instead."""
    torchs = torch.optim.Optimizer
    if _is_subclass(given, Optimizer):
        return ModelError(f"optimizer= is the class {given.__name__}: write {given.__name__}().")
    if isinstance(given, Real) and not isinstance(given, bool):
        return ModelError(
            f"optimizer={given} is a number. A learning rate belongs to an optimiser: "
            f"optimizer=Adam(lr={given}); {_LIST}."
        )
    if isinstance(given, Schedule):
        return ModelError(
            f"optimizer={given} is a schedule, which belongs to an optimiser as its learning rate: "
            f"optimizer=Adam(lr={given})."
        )
    if isinstance(given, PyroLRScheduler | torch.optim.lr_scheduler.LRScheduler):
        name = _name(getattr(given, "pt_scheduler_constructor", type(given)))
        return ModelError(
            f"optimizer= is the scheduler {name}. Here a schedule stands in the "
            "place of the learning rate: optimizer=Adam(lr=GeometricDecay(start, end, steps)), or "
            "StepDecay, CosineDecay, Annealing or Plateau, all of plausible.models."
        )
    if isinstance(given, PyroOptim):
        rates = given.pt_optim_args if isinstance(given.pt_optim_args, dict) else {}
        return _optimizer(f"pyro.optim's {_name(given.pt_optim_constructor)}", rates)
    if isinstance(given, torchs):
        return _optimizer(f"torch.optim's {type(given).__name__}", given.defaults)
    if _is_subclass(given, torchs):
        return _optimizer(f"torch.optim's {given.__name__}", {})
    return ModelError(f"optimizer= must be an optimiser, but got {given!r}; {_LIST}.")


def _name(constructor: Any) -> str:
    return str(getattr(constructor, "__name__", type(constructor).__name__))


def _optimizer(name: str, arguments: dict[str, Any]) -> ModelError:
    own = name.rpartition(" ")[-1]
    own = own if own in _OWN else "Adam"
    rate = arguments.get("lr", _OWN[own]().lr)
    return ModelError(
        f"optimizer= is {name}. Engines carry out optimisers of their own, which hold no "
        f"parameters: optimizer={own}(lr={rate}); {_LIST}."
    )


def not_an_objective(given: Any) -> ModelError:
    """The error for something in the place of an objective; says what to write instead."""
    name = given.__name__ if isinstance(given, type) else type(given).__name__
    if isinstance(given, infer.SVI):
        return ModelError(
            "objective= is pyro.infer.SVI, which fit takes the place of: fit(model, data, "
            "guide=guide, objective=ELBO(optimizer=Adam(lr=1e-3)))."
        )
    own = "Renyi(alpha, particles)" if given is infer.RenyiELBO else "ELBO()"
    if isinstance(given, infer.RenyiELBO):
        own = f"Renyi({given.alpha}, {given.num_particles})"
    elif isinstance(given, infer.elbo.ELBO) and given.num_particles > 1:
        own = f"ELBO(particles={given.num_particles})"
    if isinstance(given, infer.elbo.ELBO) or _is_subclass(given, infer.elbo.ELBO):
        return ModelError(
            f"objective= is pyro.infer's {name}: here that is {own} of plausible.models. What its "
            "variants do (closed-form KL terms, score-function gradients, sums over what is marked "
            "infer={'enumerate': 'parallel'}), ELBO() does where it applies."
        )
    hint = " Pass an instance of the class." if isinstance(given, type) else ""
    return ModelError(
        f"objective= must be an Objective, for example ELBO(); got {given!r}.{hint} A loss of your "
        "own is an Objective with a Player."
    )


def _is_subclass(given: Any, of: type) -> bool:
    return isinstance(given, type) and issubclass(given, of)
