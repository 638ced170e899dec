"""The variational autoencoder: a decoder as model, an encoder as guide, trained together."""

import math
from typing import Any, Literal

import pyro
import torch
from pyro.distributions import TorchDistribution
from torch import Tensor, nn

from plausible.models.base import GenerativeModel, LatentModel, check_precision
from plausible.models.errors import DataError, ModelError, UnknownName
from plausible.models.likelihoods.families import DiagonalNormal, Likelihood, likelihood
from plausible.models.networks.convolutional import ConvolutionalDecoder, ConvolutionalEncoder
from plausible.models.networks.mlp import MLP
from plausible.models.objectives.batch import Batch, Layout, draws_at_once
from plausible.models.objectives.bounds import log_weights

__all__ = ["VAE"]


class VAE(LatentModel, GenerativeModel, name="vae"):
    r"""Variational autoencoder with a standard normal prior and a diagonal normal posterior.

    .. math:: z \sim N(0, I),\quad x \sim p(x \mid \mathrm{decoder}(z)),\quad
              q(z|x) = N(\mu(x), \mathrm{diag}\,\sigma^2(x))

    The encoder is the guide, shared by all data (amortised inference); its draws are
    reparametrised. `hidden=()` gives linear maps, and with a `Normal` likelihood the
    linear-Gaussian model whose evidence is known exactly (see `linear_gaussian` in this room).

    Args:
        x_shape: shape of one datum: (channels, height, width), or (features,).
        latent_size: dimensions of z.
        likelihood: output distribution, by name or as an object.
        network: "mlp" for any shape, "convolutional" for images from 8 to 128 pixels a side.
        hidden: widths of the MLP's hidden layers in the encoder; the decoder has them reversed.
            Convolutional networks take the last as the width of their dense layer.
        activation: nonlinearity of the MLP.

    Raises:
        UnknownName: for an unknown likelihood or network.
        ModelError: for a latent size below 1, or an image size that the network cannot take.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014).
    """

    batch_size = 128

    def __init__(
        self,
        x_shape: tuple[int, ...],
        latent_size: int = 20,
        likelihood: str | Likelihood = "bernoulli",
        network: Literal["mlp", "convolutional"] = "mlp",
        hidden: tuple[int, ...] = (400,),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if latent_size < 1:
            raise ModelError(f"A VAE needs a latent size of at least 1, but got {latent_size}.")
        self.x_shape = tuple(x_shape)
        self.latent_size, self.latent_shape = latent_size, (latent_size,)
        self.likelihood = _resolve(likelihood)
        self.posterior = DiagonalNormal(activation="exp", min_scale=0.0)
        self.encoder, self.decoder = _networks(
            network,
            self.x_shape,
            self.posterior.param_shape((latent_size,)),
            (latent_size,),
            self.likelihood.param_shape(self.x_shape),
            tuple(hidden),
            activation,
        )

    def model(self, x: Tensor | None = None, *, size: int | None = None) -> Tensor:
        """z ~ p(z), x ~ p(x given z), for each datum of `x` or for `size` new ones."""
        count = _count(x, size)
        with pyro.plate("data", count):
            z = pyro.sample("z", self.prior(count))
            return pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor | None = None, *, size: int | None = None) -> None:
        """z ~ q(z given x), the encoder's distribution."""
        if x is None:
            raise ModelError("The VAE's guide needs data: q(z given x) is a function of x.")
        with pyro.plate("data", x.shape[0]):
            pyro.sample("z", self.encode(x))

    def check(self, *batch: Tensor) -> None:
        """Raise `DataError` unless `batch` is one tensor of data of this shape and support."""
        if len(batch) != 1:
            raise DataError(f"A VAE is trained on one tensor of data, but got {len(batch)}.")
        x = batch[0]
        if tuple(x.shape[1:]) != self.x_shape:
            raise DataError(
                f"This VAE takes data of shape (N, {', '.join(map(str, self.x_shape))}), "
                f"but got {tuple(x.shape)}."
            )
        self.likelihood.check(x)

    def encode(self, x: Tensor) -> TorchDistribution:
        """q(z given x): batch shape of `x`, event shape (latent_size,)."""
        return self.posterior(self.encoder(x), (self.latent_size,))

    def decode(self, z: Tensor) -> TorchDistribution:
        """p(x given z) for latents of shape (..., latent_size): event shape `x_shape`."""
        return self.likelihood(self.decoder(z), self.x_shape)

    @torch.no_grad()
    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean of p(x given z) at the posterior mean of z, shaped like `x`."""
        return self.decode(self.encode(x).mean).mean

    @torch.no_grad()
    def log_prob(self, x: Tensor, particles: int = 100, *, chunk: int | None = None) -> Tensor:
        r"""Importance-weighted estimate of ln p(x) for each datum, in nats.

        .. math:: \ln p(x) \ge E\left[\ln \frac1K \sum_k p(x, z_k) / q(z_k|x)\right]

        Args:
            x: data, shape (N, *x_shape).
            particles: number K of draws; one gives the ELBO.
            chunk: draws that are decoded at a time, which bounds the memory; by default 10,000, or
                fewer, which hold 8 million numbers.

        Returns:
            Shape (N,): a lower bound in expectation, which rises towards ln p(x) with K.
        """
        if particles < 1:
            raise ModelError(f"log_prob needs particles >= 1, but got {particles}.")
        check_precision(self, x)
        self.check(x)
        layout = Layout(frozenset({"data"}), dim=-1, nesting=1, latent=True)
        most = draws_at_once(chunk, x)
        at_once = min(particles, most)
        rows = max(1, most // at_once)
        bounds = []
        for part in x.split(rows):
            batch = Batch((part,), {}, len(part), layout)
            total = torch.full((len(part),), -math.inf, device=x.device)
            for start in range(0, particles, at_once):
                draws = min(at_once, particles - start)
                total = torch.logaddexp(total, log_weights(self, batch, draws).logsumexp(0))
            bounds.append(total - math.log(particles))
        return torch.cat(bounds) if bounds else x.new_zeros(0)


_resolve = likelihood


def _count(x: Tensor | None, size: int | None) -> int:
    if x is not None:
        return x.shape[0]
    if size is None:
        raise ModelError("Give the data x, or the size of the sample to draw.")
    return size


def _networks(
    network: str,
    x_shape: tuple[int, ...],
    posterior_shape: tuple[int, ...],
    z_shape: tuple[int, ...],
    param_shape: tuple[int, ...],
    hidden: tuple[int, ...],
    activation: str,
) -> tuple[nn.Module, nn.Module]:
    if network == "mlp":
        return (
            MLP(x_shape, posterior_shape, hidden, activation),
            MLP(z_shape, param_shape, hidden[::-1], activation),
        )
    if network == "convolutional":
        width: dict[str, Any] = {"width": hidden[-1]} if hidden else {}
        return (
            ConvolutionalEncoder(x_shape, posterior_shape, **width),
            ConvolutionalDecoder(z_shape, param_shape, **width),
        )
    raise UnknownName("network", network, ("mlp", "convolutional"))
