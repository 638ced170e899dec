"""A likelihood with several modes: a mixture of normals that a network parametrises."""

import math
from typing import Literal

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from plausible.models.distributions.normal_mixture import NormalMixture
from plausible.models.errors import ModelError, UnknownName
from plausible.models.likelihoods.likelihood import Likelihood, positive_scale

__all__ = ["Covariance", "MixtureOfNormals"]

Covariance = Literal["diagonal", "full"]


class MixtureOfNormals(Likelihood):
    r"""Several normals whose weights, centres and scales a network predicts.

    .. math:: p(x) = \sum_k \pi_k\, N(x \mid \mu_k, \Sigma_k), \quad \pi = \mathrm{softmax}(o),
              \quad \sigma = \texttt{min\_scale} + f(r)

    A full covariance is :math:`\Sigma = L L^\top, L = \mathrm{diag}(\sigma) (I + R)`, R strictly
    lower triangular: when a component gets narrow, its tilt need not be learned anew. A value of
    any shape counts as one vector of d numbers. One value needs K weights, K d centres, and K (or,
    when shared, one) times d scales and, for a full covariance, d (d - 1) / 2 elements of R.

    Args:
        components: number K of normals.
        covariance: "diagonal" or "full".
        shared: whether all components of one input have the same covariance.
        activation: f of scales: "exp" or "softplus".
        min_scale: floor of all scales; see `positive_scale`.

    Raises:
        UnknownName: for another covariance or activation.
        ModelError: for fewer than one component, or a negative floor.

    Source: Bishop, Mixture Density Networks (1994).
    """

    name = "mixture-of-normals"
    is_real_valued = True

    def __init__(
        self,
        components: int,
        covariance: Covariance = "diagonal",
        shared: bool = False,
        activation: str = "exp",
        min_scale: float = 1e-3,
    ) -> None:
        super().__init__()
        if isinstance(components, bool) or not isinstance(components, int) or components < 1:
            raise ModelError(
                f"components must be a whole number from 1 up, but got {components!r}."
            )
        if covariance not in ("diagonal", "full"):
            raise UnknownName("covariance", str(covariance), ("diagonal", "full"))
        if activation not in ("exp", "softplus"):
            raise UnknownName("activation", str(activation), ("exp", "softplus"))
        if not min_scale >= 0:
            raise ModelError(f"min_scale must be a number from 0 up, but got {min_scale!r}.")
        self.components, self.covariance = components, covariance
        self.shared, self.activation, self.min_scale = bool(shared), activation, float(min_scale)

    def sizes(self, event_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """How many outputs are weights, centres and scales, in this order."""
        d = math.prod(event_shape)
        each = d if self.covariance == "diagonal" else d * (d + 1) // 2
        return self.components, self.components * d, (1 if self.shared else self.components) * each

    def param_shape(self, event_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (sum(self.sizes(event_shape)),)

    def forward(self, params: Tensor, event_shape: tuple[int, ...]) -> NormalMixture:
        event = tuple(event_shape)
        if not params.dim() or params.shape[-1:] != self.param_shape(event):
            raise ModelError(
                f"Likelihood {self.name!r} needs parameters of shape (*batch, "
                f"{self.param_shape(event)[0]}) for data of shape {event}, but got "
                f"{tuple(params.shape)}."
            )
        if params.dtype in (torch.float16, torch.bfloat16):
            params = params.float()
        d, sets = math.prod(event), 1 if self.shared else self.components
        logits, loc, raw = params.split(self.sizes(event), dim=-1)
        loc = loc.unflatten(-1, (self.components, d))
        raw = raw.unflatten(-1, (sets, -1))
        scale = positive_scale(raw[..., :d], self.activation, self.min_scale)
        if self.covariance == "full":
            scale = torch.diag_embed(scale) + scale.unsqueeze(-1) * self._below(raw[..., d:], d)
        return NormalMixture(logits, loc, scale, event)

    def affine(
        self, distribution: TorchDistribution, loc: Tensor, scale: Tensor
    ) -> TorchDistribution:
        assert isinstance(distribution, NormalMixture)
        return distribution.affine(loc, scale)

    @staticmethod
    def _below(raw: Tensor, d: int) -> Tensor:
        """Strictly lower triangular matrices, row by row from their elements."""
        rows, start = [], 0
        for row in range(d):
            zeros = raw.new_zeros((*raw.shape[:-1], d - row))
            rows.append(torch.cat([raw[..., start : start + row], zeros], dim=-1))
            start += row
        return torch.stack(rows, dim=-2)
