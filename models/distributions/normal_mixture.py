"""The mixture of normals: a density with several modes, its mean, its mode, its draws."""

import math
from typing import Any

import torch
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import constraints
from torch.nn.functional import one_hot

__all__ = ["NormalMixture"]


class NormalMixture(TorchDistribution):
    r"""Mixture of K normals of values with d numbers each.

    .. math:: p(x) = \sum_k \pi_k\, N(x \mid \mu_k, L_k L_k^\top)

    Args:
        logits: unnormalised ln π, shape (*batch, K).
        loc: μ, shape (*batch, K, d).
        scale: standard deviations, shape (*batch, K, d) or, shared by all components, (*batch, 1,
            d); or Cholesky factors L, shape (*batch, K, d, d) or (*batch, 1, d, d).
        event_shape: shape of one value, of d numbers; (d,) unless given.
    """

    arg_constraints: dict[str, Any] = {}
    has_rsample = False

    def __init__(
        self,
        logits: Tensor,
        loc: Tensor,
        scale: Tensor,
        event_shape: tuple[int, ...] | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.logits = logits.log_softmax(-1)
        self.loc, self.scale = loc, scale
        self.full = scale.dim() > loc.dim()
        event = Size(loc.shape[-1:] if event_shape is None else event_shape)
        super().__init__(loc.shape[:-2], event, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def weights(self) -> Tensor:
        """π, shape (*batch, K)."""
        return self.logits.exp()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        flat = self._flat(value).unsqueeze(-2)
        return torch.logsumexp(self.logits + self._each(flat), dim=-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            chosen = torch.distributions.Categorical(logits=self.logits).sample(Size(sample_shape))
            which = one_hot(chosen, self.logits.shape[-1]).to(self.loc.dtype)
            loc = (which.unsqueeze(-1) * self.loc).sum(-2)
            noise = torch.randn(shape + self.loc.shape[-1:], dtype=loc.dtype, device=loc.device)
            if self.full:
                scale = (which[..., None, None] * self.scale).sum(-3)
                noise = (scale @ noise.unsqueeze(-1)).squeeze(-1)
            else:
                noise = noise * (which.unsqueeze(-1) * self.scale).sum(-2)
            return (loc + noise).reshape(shape + self.event_shape)

    @property
    def mean(self) -> Tensor:
        mean = (self.weights.unsqueeze(-1) * self.loc).sum(-2)
        return mean.reshape(self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Tensor:
        """Of every number alone: within the components, and between them."""
        weights = self.weights.unsqueeze(-1)
        within = self.scale.square().sum(-1) if self.full else self.scale.square()
        centre = (weights * self.loc).sum(-2, keepdim=True)
        variance = (weights * (within + (self.loc - centre).square())).sum(-2)
        return variance.reshape(self.batch_shape + self.event_shape)

    @property
    def mode(self) -> Tensor:
        """The component's centre at which the density of the whole mixture is highest."""
        centres = self.loc.movedim(-2, 0)
        heights = self.log_prob(centres.reshape(centres.shape[:-1] + self.event_shape))
        best = one_hot(heights.argmax(0), self.loc.shape[-2]).to(self.loc.dtype)
        mode = (best.unsqueeze(-1) * self.loc).sum(-2)
        return mode.reshape(self.batch_shape + self.event_shape)

    def affine(self, loc: Tensor, scale: Tensor) -> "NormalMixture":
        """The distribution of loc + scale · x, elementwise; both broadcast to an event."""
        loc, scale = (x.expand(self.event_shape).reshape(-1) for x in (loc, scale))
        factor = scale.unsqueeze(-1) if self.full else scale
        return NormalMixture(
            self.logits, self.loc * scale + loc, self.scale * factor, self.event_shape
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> "NormalMixture":
        batch = Size(batch_shape)
        new = self._get_checked_instance(NormalMixture, _instance)
        new.full = self.full
        new.logits = self.logits.expand(batch + self.logits.shape[-1:])
        new.loc = self.loc.expand(batch + self.loc.shape[-2:])
        own = self.scale.shape[-3 if self.full else -2 :]
        new.scale = self.scale.expand(batch + own)
        super(NormalMixture, new).__init__(batch, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _flat(self, value: Tensor) -> Tensor:
        events = len(self.event_shape)
        leading = value.shape[: value.dim() - events]
        return value.reshape(leading + self.loc.shape[-1:])

    def _each(self, flat: Tensor) -> Tensor:
        """ln of each component's density: values (*batch, 1, d), result (*batch, K)."""
        apart = flat - self.loc
        if self.full:
            factor = self.scale.expand(apart.shape[:-1] + self.scale.shape[-2:])
            solved = torch.linalg.solve_triangular(factor, apart.unsqueeze(-1), upper=False)
            apart, spread = solved.squeeze(-1), self.scale.diagonal(dim1=-2, dim2=-1)
        else:
            apart, spread = apart / self.scale, self.scale
        constant = 0.5 * math.log(2 * math.pi) * self.loc.shape[-1]
        return -0.5 * apart.square().sum(-1) - spread.log().sum(-1) - constant
