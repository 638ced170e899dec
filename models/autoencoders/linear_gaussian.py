"""What is known exactly of a linear-Gaussian VAE: evidence, posterior, and the best it can do."""

import math

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from plausible.models.autoencoders.vae import VAE
from plausible.models.errors import DataError, ModelError
from plausible.models.likelihoods.families import Normal
from plausible.models.networks.mlp import MLP

__all__ = ["evidence", "posterior", "ppca_log_likelihood"]


def evidence(vae: VAE) -> dist.MultivariateNormal:
    r"""The exact distribution of the data under a linear-Gaussian VAE.

    .. math:: p(x|z) = N(Wz + b,\; \sigma^2 I) \quad\Rightarrow\quad
              p(x) = N(b,\; W W^\top + \sigma^2 I)

    Args:
        vae: with `hidden=()`, data of shape (features,) and a `Normal` likelihood.

    Raises:
        ModelError: for any other VAE.

    Source: Tipping and Bishop, Probabilistic Principal Component Analysis (1999), equation 4.
    """
    weight, bias, variance = _parameters(vae)
    covariance = weight @ weight.T + variance * torch.eye(len(bias), device=bias.device)
    return dist.MultivariateNormal(bias, covariance)


def posterior(vae: VAE, x: Tensor) -> dist.MultivariateNormal:
    r"""The exact distribution of the latents given data under a linear-Gaussian VAE.

    .. math:: p(z|x) = N(M^{-1} W^\top (x - b),\; \sigma^2 M^{-1}), \qquad M = W^\top W + \sigma^2 I

    Args:
        vae: as in `evidence`.
        x: data, shape (N, features).

    Returns:
        Batch shape (N,), event shape (latent_size,).

    Raises:
        ModelError: for any other VAE.

    Source: Tipping and Bishop (1999), equation 6.
    """
    weight, bias, variance = _parameters(vae)
    m = weight.T @ weight + variance * torch.eye(weight.shape[1], device=bias.device)
    loc = torch.linalg.solve(m, weight.T @ (x - bias).T).T
    return dist.MultivariateNormal(loc, variance * torch.linalg.inv(m))


def ppca_log_likelihood(x: Tensor, latent_size: int) -> float:
    r"""The highest mean log-likelihood that any linear-Gaussian model reaches on data.

    .. math:: -\tfrac12 \left[ d \ln 2\pi + \sum_{i \le q} \ln \lambda_i
              + (d - q) \ln \hat\sigma^2 + d \right], \qquad
              \hat\sigma^2 = \frac{1}{d - q} \sum_{i > q} \lambda_i

    with the eigenvalues of the data's covariance in falling order: probabilistic principal
    component analysis, fitted by maximum likelihood.

    Args:
        x: data, shape (N, d).
        latent_size: number q of latent dimensions, below d.

    Returns:
        Nats per datum.

    Raises:
        DataError: unless 0 < q < d.

    Source: Tipping and Bishop (1999), equations 8 and 9.
    """
    d = x.shape[1]
    if not 0 < latent_size < d:
        raise DataError(f"latent_size must lie between 0 and {d}, but is {latent_size}.")
    centred = x.double() - x.double().mean(0)
    eigenvalues = torch.linalg.eigvalsh(centred.T @ centred / len(x)).flip(0)
    kept, rest = eigenvalues[:latent_size], eigenvalues[latent_size:]
    log_determinant = kept.log().sum() + len(rest) * rest.mean().log()
    return float(-0.5 * (d * math.log(2 * math.pi) + log_determinant + d))


def _parameters(vae: VAE) -> tuple[Tensor, Tensor, Tensor]:
    """Weight (d, q), bias (d,) and noise variance of the decoder."""
    decoder = vae.decoder
    if not isinstance(decoder, MLP) or decoder.hidden or len(vae.x_shape) != 1:
        raise ModelError("Exact answers need a linear VAE: VAE((features,), ..., hidden=()).")
    if not isinstance(vae.likelihood, Normal):
        raise ModelError(
            f"Exact answers need the likelihood Normal(...), not {vae.likelihood.name!r}."
        )
    linear = decoder.layers[0]
    assert isinstance(linear, nn.Linear)
    return linear.weight, linear.bias, vae.likelihood.current_scale(linear.weight) ** 2
