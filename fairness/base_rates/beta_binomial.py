"""The model of partial pooling: rates of units that come from one population (Pyro)."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

__all__ = ["BetaBinomial", "beta_binomial"]

_STIRLING = 20.0  # from here on the series below is exact to 2e-15


class BetaBinomial(dist.BetaBinomial):
    r"""Pyro's, with a log-probability that keeps its digits where the rates hardly vary.

    .. math:: \ln \binom{n}{k} + k \ln \frac{a}{c} + (n - k) \ln \frac{b}{c}
              + F(a, k) + F(b, n - k) - F(c, n), \quad c = a + b, \quad
              F(z, k) = \ln \frac{\Gamma(z + k)}{\Gamma(z)\, z^k}

    The logarithms of the Gammas themselves cancel: for concentrations of 1e15 nothing is left.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-probability of so many events, shape (batch_shape)."""
        a, b, n = self.concentration1, self.concentration0, self.total_count
        c, rest = a + b, n - value
        log = torch.lgamma(n + 1) - torch.lgamma(value + 1) - torch.lgamma(rest + 1)
        log = log + torch.xlogy(value, a / c) + torch.xlogy(rest, b / c)
        return log + _excess(a, value) + _excess(b, rest) - _excess(c, n)


def beta_binomial(events: Tensor, trials: Tensor) -> None:
    r"""Rates of units that come from one population, with the rates summed out.

    .. math:: m \sim U(0, 1), \quad s \sim U(0, 1), \quad
              \theta_u \mid m, s \sim \mathrm{Beta}(m c,\; (1 - m) c), \quad
              c = \frac{1}{s^2} - 1, \quad k_u \sim \mathrm{Binomial}(n_u, \theta_u)

    m is the average rate; s is the standard deviation of the rates as a share of the largest that
    it can be, the square root of m (1 - m). `population` integrates it exactly; this program is
    for further priors, covariates and `sample_posterior`.

    Args:
        events: k, shape (units, populations); each population has an m and an s of its own.
        trials: n, the same shape.
    """
    units, populations = events.shape
    with pyro.plate("population", populations, dim=-1):
        mean = pyro.sample("mean", dist.Uniform(0.0, 1.0))
        spread = pyro.sample("spread", dist.Uniform(0.0, 1.0))
        size = (1 - spread) * (1 + spread) / spread**2
        with pyro.plate("unit", units, dim=-2):
            rates = BetaBinomial(mean * size, (1 - mean) * size, trials)
            pyro.sample("events", rates, obs=events)


def _excess(z: Tensor, k: Tensor) -> Tensor:
    """F(z, k): by the Gammas for small z, by the difference of their Stirling series for large."""
    large = z > _STIRLING
    small, big = z.clamp(max=_STIRLING), z.clamp(min=_STIRLING)
    direct = torch.lgamma(small + k) - torch.lgamma(small) - k * torch.log(small)
    curved = (big + k - 0.5) * torch.log1p(k / big) - k
    return torch.where(large, curved + _stirling(big + k) - _stirling(big), direct)


def _stirling(z: Tensor) -> Tensor:
    """What the Stirling series adds to (z - 1/2) ln z - z + ln(2 pi) / 2."""
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * z**2)) / z**2) / z**2) / z
