"""A hierarchical binomial logit of 100 groups, non-centred, with an `AutoNormal` guide."""

from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.autoguide import AutoNormal
from svi_peers import LEARNING_RATE, PlausibleFit, PyroSVI
from svi_timing import FIT, Case, Peer, Target
from torch import Tensor

from plausible.models import ELBO, Adam

__all__ = ["case"]

GROUPS = 100


def groups(trials: Tensor, successes: Tensor) -> None:
    """Group j has logit mu + tau e_j; successes are binomial."""
    zero, one = trials.new_zeros(()), trials.new_ones(())  # on the device of the data
    mu = pyro.sample("mu", dist.Normal(zero, 1.5))
    tau = pyro.sample("tau", dist.HalfNormal(one))
    with pyro.plate("groups", len(trials)):
        e = pyro.sample("e", dist.Normal(zero, one))
        rate = dist.Binomial(total_count=trials, logits=mu + tau * e)
        pyro.sample("successes", rate, obs=successes)


def case(device: torch.device) -> Case:
    trials = torch.randint(10, 100, (GROUPS,)).float()
    logits = -0.5 + 0.7 * torch.randn(GROUPS)
    successes = torch.binomial(trials, logits.sigmoid())
    data = (trials.to(device), successes.to(device))

    def pyro_svi(validation: bool) -> Peer:
        return PyroSVI(groups, AutoNormal(groups), data, GROUPS, validation)

    def plausible_fit() -> Peer:
        objective = ELBO(optimizer=Adam(LEARNING_RATE))
        return PlausibleFit(groups, data, GROUPS, guide=AutoNormal(groups), objective=objective)

    return Case(
        title="hierarchical: binomial logit of 100 groups, AutoNormal",
        unit=50,
        peers={
            "pyro.infer.SVI": lambda: pyro_svi(True),
            "pyro.infer.SVI, validation off": lambda: pyro_svi(False),
            "NumPyro, jit": lambda: _numpyro("NumPyroJit", data),
            "NumPyro, lax.scan": lambda: _numpyro("NumPyroScan", data),
            FIT: plausible_fit,
        },
        targets=(Target(150, ("pyro.infer.SVI",)), Target(1.0, ("NumPyro, lax.scan",))),
    )


def _numpyro(kind: str, data: tuple[Tensor, ...]) -> Peer:
    import numpyro
    import numpyro.distributions as numpyro_dist
    import svi_numpyro
    from numpyro.infer import init_to_median
    from numpyro.infer.autoguide import AutoNormal as NumPyroAutoNormal

    def model(trials: Any, successes: Any) -> None:
        mu = numpyro.sample("mu", numpyro_dist.Normal(0.0, 1.5))
        tau = numpyro.sample("tau", numpyro_dist.HalfNormal(1.0))
        with numpyro.plate("groups", len(trials)):
            e = numpyro.sample("e", numpyro_dist.Normal(0.0, 1.0))
            rate = numpyro_dist.Binomial(total_count=trials, logits=mu + tau * e)
            numpyro.sample("successes", rate, obs=successes)

    guide = NumPyroAutoNormal(model, init_loc_fn=init_to_median)  # where Pyro's guide starts
    peer: Peer = getattr(svi_numpyro, kind)(model, guide, data, GROUPS)
    return peer
