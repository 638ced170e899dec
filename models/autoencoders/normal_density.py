"""A normal density fitted to latents: the simplest second stage of an autoencoder."""

import math
from typing import Self

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from plausible.models.base import GenerativeModel
from plausible.models.errors import DataError, ModelError

__all__ = ["NormalDensity"]


class NormalDensity(GenerativeModel, name="normal-density"):
    r"""A multivariate normal with the mean and covariance of data.

    .. math:: z \sim N(\mu, \Sigma), \qquad \mu = \frac1N \sum_i z_i, \qquad
              \Sigma = \frac1N \sum_i (z_i - \mu)(z_i - \mu)^\top

    These are its maximum likelihood in closed form, so that it is set by `match` and not by `fit`.

    Args:
        shape: shape of one datum, such as the `latent_shape` of an autoencoder.

    Raises:
        ModelError: for a datum without numbers.
    """

    loc: Tensor
    scale_tril: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape, size = tuple(shape), math.prod(shape)
        if not shape or size < 1:
            raise ModelError(f"A NormalDensity needs data of a shape such as (2,), not {shape}.")
        self.register_buffer("loc", torch.zeros(size))
        self.register_buffer("scale_tril", torch.eye(size))

    @torch.no_grad()
    def match(self, z: Tensor) -> Self:
        """Take the mean and covariance of data of shape (N, *shape).

        Raises:
            DataError: for data of another shape, or too few to span every direction.
        """
        if tuple(z.shape[1:]) != self.shape:
            raise DataError(
                f"This NormalDensity takes data of shape (N, {', '.join(map(str, self.shape))}), "
                f"but got {tuple(z.shape)}."
            )
        flat = z.flatten(1).double()
        factor, wrong = torch.linalg.cholesky_ex(torch.atleast_2d(flat.T.cov(correction=0)))
        if len(z) <= flat.shape[1] or int(wrong):
            raise DataError(
                f"{len(z):,} data do not span all {flat.shape[1]} dimensions, so their covariance "
                "has no inverse. Give more data, or fewer dimensions."
            )
        self.loc.copy_(flat.mean(0))
        self.scale_tril.copy_(factor)
        return self

    def distribution(self) -> TorchDistribution:
        """The density of one datum: batch shape (), event shape `shape`."""
        normal = dist.MultivariateNormal(self.loc, scale_tril=self.scale_tril)
        if len(self.shape) == 1:
            return normal
        reshape = dist.transforms.ReshapeTransform(self.loc.shape, torch.Size(self.shape))
        return dist.TransformedDistribution(normal, [reshape])

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """x ~ N(μ, Σ), for each datum of `x` or for `size` new ones."""
        if x is None and size is None:
            raise ModelError("Give the data x, or the size of the sample to draw.")
        count = len(x) if x is not None else int(size or 0)
        with pyro.plate("data", count):
            return pyro.sample("x", self.distribution().expand((count,)), obs=x)
