"""The model of partial pooling: rates of units that come from one population (Pyro)."""

import pyro
import pyro.distributions as dist
from torch import Tensor

__all__ = ["beta_binomial"]


def beta_binomial(events: Tensor, trials: Tensor) -> None:
    r"""Rates of units that come from one population, with the rates summed out.

    .. math:: m \sim U(0, 1), \quad s \sim U(0, 1), \quad
              \theta_u \mid m, s \sim \mathrm{Beta}(m c,\; (1 - m) c), \quad
              c = \frac{1}{s^2} - 1, \quad k_u \sim \mathrm{Binomial}(n_u, \theta_u)

    m is the average rate; s is the standard deviation of the rates as a share of the largest that
    it can be, the square root of m (1 - m).

    Args:
        events: k, shape (units, populations); each population has an m and an s of its own.
        trials: n, the same shape.
    """
    units, populations = events.shape
    with pyro.plate("population", populations, dim=-1):
        mean = pyro.sample("mean", dist.Uniform(0.0, 1.0))
        spread = pyro.sample("spread", dist.Uniform(0.0, 1.0))
        size = spread**-2 - 1
        with pyro.plate("unit", units, dim=-2):
            rates = dist.BetaBinomial(mean * size, (1 - mean) * size, trials)
            pyro.sample("events", rates, obs=events)
