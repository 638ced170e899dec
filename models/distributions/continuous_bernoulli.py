"""Distributions of values from 0 to 1: the continuous Bernoulli, and binary cross-entropy."""

import math
from collections.abc import Sequence

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints
from torch.distributions.utils import broadcast_all, clamp_probs
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = ["BinaryCrossEntropy", "ContinuousBernoulli", "continuous_bernoulli_log_normalizer"]

# The closed forms subtract numbers of size 1/η from each other. Nearer to zero than this, series in
# η take over: six terms are within 3e-11 here, and the closed forms lose two digits at the edge.
_SERIES_BELOW = 0.5
# cdf and icdf lose less and their series (cumulants of a coin) grow long, so these start later.
_SHORT_SERIES_BELOW = 0.05

_BERNOULLI_NUMBERS = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730)
_TERMS = [
    (n, b / math.factorial(n)) for n, b in zip(range(2, 14, 2), _BERNOULLI_NUMBERS, strict=True)
]
# coefficients of 1, η², η⁴, … in (log C - log 2) / η², in (mean - 1/2) / η, and in the variance
_LOG_NORMALIZER_SERIES = [(2**n - 2) * b / n for n, b in _TERMS]
_MEAN_SERIES = [b for _, b in _TERMS]
_VARIANCE_SERIES = [(n - 1) * b for n, b in _TERMS]


def continuous_bernoulli_log_normalizer(logits: Tensor) -> Tensor:
    r"""Logarithm of the constant that makes a continuous Bernoulli integrate to one.

    .. math:: \ln C(\eta) = \ln \frac{\eta}{\tanh(\eta / 2)}, \qquad \ln C(0) = \ln 2

    Values and gradients are within 1e-6 of the exact ones for every η, in float32 too, and second
    derivatives are finite.

    Args:
        logits: η = ln λ - ln(1 - λ), any shape.

    Returns:
        ln C in nats, never below ln 2, in the shape of `logits`.

    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli: fixing a pervasive error in
    variational autoencoders (2019).
    """
    small, near, far = _split(logits, _SERIES_BELOW)
    series = _even_series(near, [math.log(2), *_LOG_NORMALIZER_SERIES])
    exact = (far / (far / 2).tanh()).log()
    return torch.where(small, series, exact)


class ContinuousBernoulli(TorchDistribution):
    r"""Density on the unit interval in proportion to λ^x (1 - λ)^(1 - x).

    .. math:: \ln p(x) = x \ln\lambda + (1 - x) \ln(1 - \lambda) + \ln C(\eta)
              = \eta x - \ln\frac{e^\eta - 1}{\eta}

    It is what the binary cross-entropy of greys becomes once it is normalised. λ, the sigmoid of
    the logits η, is *not* the mean: the mean lies between λ and 1/2.

    Args:
        logits: η, any shape, which becomes the batch shape.
        validate_args: as in every torch distribution.

    Source: Loaiza-Ganem and Cunningham (2019).
    """

    arg_constraints = {"logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(
        self, batch_shape: Sequence[int], _instance: "ContinuousBernoulli | None" = None
    ) -> "ContinuousBernoulli":
        new = self._get_checked_instance(ContinuousBernoulli, _instance)
        new.logits = self.logits.expand(tuple(batch_shape))
        super(ContinuousBernoulli, new).__init__(new.logits.shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        cross_entropy = binary_cross_entropy_with_logits(logits, value, reduction="none")
        return continuous_bernoulli_log_normalizer(logits) - cross_entropy

    @property
    def mean(self) -> Tensor:
        """1 / (1 - exp(-η)) - 1 / η."""
        small, near, far = _split(self.logits, _SERIES_BELOW)
        series = 0.5 + near * _even_series(near, _MEAN_SERIES)
        lower = far.reciprocal() - (-far).exp() / -torch.expm1(-far)
        return torch.where(small, series, torch.where(self.logits < 0, lower, 1 - lower))

    @property
    def variance(self) -> Tensor:
        """1 / η² - 1 / (4 sinh²(η / 2))."""
        small, near, far = _split(self.logits, _SERIES_BELOW)
        exact = far.square().reciprocal() - (-far).exp() / torch.expm1(-far).square()
        return torch.where(small, _even_series(near, _VARIANCE_SERIES), exact)

    def cdf(self, value: Tensor) -> Tensor:
        """P(X <= x) = (exp(η x) - 1) / (exp(η) - 1)."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        small, near, far = _split(logits, _SHORT_SERIES_BELOW)
        spread = value * (1 - value)
        series = value - near * spread / 2 * (
            1 + near * (2 * value - 1) / 6 - near.square() * spread / 12
        )
        toward = torch.where(logits < 0, value, 1 - value)
        lower = torch.expm1(-far * toward) / torch.expm1(-far)
        return torch.where(small, series, torch.where(logits < 0, lower, 1 - lower))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile ln(1 + u (exp(η) - 1)) / η of a probability u."""
        logits, value = broadcast_all(self.logits, value)
        small, near, far = _split(logits, _SHORT_SERIES_BELOW)
        rest = 1 - value
        spread = value * rest
        series = value + near * spread * (
            1 / 2 + near * (rest - value) / 6 + near.square() * (1 - 6 * spread) / 24
        )
        toward = torch.where(logits < 0, value, rest)
        lower = -torch.log1p(toward * torch.expm1(-far)) / far
        quantile = torch.where(small, series, torch.where(logits < 0, lower, 1 - lower))
        return quantile.clamp(0, 1)

    def rsample(self, sample_shape: Sequence[int] = torch.Size()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        uniform = torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device)
        # rand returns an exact 0 now and then, where the gradient of a steep quantile is infinite
        return self.icdf(clamp_probs(uniform))


class BinaryCrossEntropy(dist.Bernoulli):
    r"""Bernoulli that also scores greys, by their negative binary cross-entropy.

    .. math:: \texttt{log\_prob}(x) = x \ln\lambda + (1 - x) \ln(1 - \lambda),
              \qquad 0 \le x \le 1

    This usual loss of greyscale images is **not a density** on [0, 1]: the normaliser ln C of
    `ContinuousBernoulli` is missing, so that its exponential integrates to 1 / C <= 1/2, not to 1.
    It trains a mean; never rank its numbers with those of densities. On data that are
    all 0 or 1 it equals a Bernoulli. Draws are 0 or 1.

    Args:
        probs: λ, any shape; or
        logits: ln λ - ln(1 - λ).
        validate_args: as in every torch distribution.

    Source: Loaiza-Ganem and Cunningham (2019).
    """

    support = constraints.unit_interval
    has_enumerate_support = False


def _split(logits: Tensor, edge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Which values are nearer to zero than the edge; those values, or 0; sizes beyond it, or edge.

    Each branch of a later `torch.where` then meets only values at which it is smooth, and the
    branch not taken cannot put a NaN into the gradient. `clamp` would do for the values, but the
    gradient at its bounds differs between versions of PyTorch.
    """
    size = logits.abs()
    small = size < edge
    return small, torch.where(small, logits, 0), torch.where(small, edge, size)


def _even_series(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """The sum of coefficients[k] x^(2k), by Horner's rule."""
    square = x.square()
    total = square * coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        total = (total + coefficient) * square
    return total + coefficients[0]
