"""The Fréchet distance between generated and real data, in a named space of features."""

import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["frechet_distance"]


def frechet_distance(x: Tensor, y: Tensor) -> float:
    r"""Fréchet distance between normals fitted to two sets of features.

    .. math:: \|\mu_x - \mu_y\|^2 + \mathrm{tr}\left(\Sigma_x + \Sigma_y
              - 2 (\Sigma_x^{1/2} \Sigma_y \Sigma_x^{1/2})^{1/2}\right)

    It means nothing without the name of the feature space, which belongs to every figure. It is
    biased upwards in small samples: compare only sets of equal sizes.

    Args:
        x, y: features, shapes (N, d) and (M, d) with at least two rows each.

    Source: Dowson and Landau, The Fréchet distance between multivariate normal distributions
        (1982); as a score of generators, Heusel et al. (2017).
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise DataError(
            "The Fréchet distance compares two sets of features (N, d) with at least two rows, but "
            f"got {tuple(x.shape)} and {tuple(y.shape)}."
        )
    x, y = x.double(), y.double()
    cov_x, cov_y = torch.atleast_2d(x.T.cov()), torch.atleast_2d(y.T.cov())
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_y @ root).clamp(min=0).sqrt().sum()
    distance = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * cross
    return float(distance.clamp(min=0))
