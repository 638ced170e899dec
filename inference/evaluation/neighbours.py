"""Latents as features: how well the nearest neighbours of a datum tell its class."""

import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["knn_accuracy"]


def knn_accuracy(
    features: Tensor, labels: Tensor, held_out: Tensor, held_out_labels: Tensor, k: int = 5
) -> float:
    """Share of held-out data whose k nearest neighbours vote for the right class.

    A vote that ties goes to the class of the smallest number.

    Args:
        features, labels: where neighbours are sought, shapes (N, d) and (N,).
        held_out, held_out_labels: what is classified, shapes (M, d) and (M,).
        k: number of neighbours.
    """
    if not 1 <= k <= len(features):
        raise DataError(f"k must lie between 1 and {len(features)}, but is {k}.")
    right = 0
    for part, expected in zip(held_out.split(1000), held_out_labels.split(1000), strict=True):
        nearest = torch.cdist(part, features).topk(k, largest=False).indices
        votes = torch.nn.functional.one_hot(labels[nearest]).sum(1)
        right += int((votes.argmax(1) == expected).sum())
    return right / len(held_out)
