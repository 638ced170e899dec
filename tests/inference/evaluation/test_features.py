"""What is computed from features: nearest neighbours and the Fréchet distance."""

import math

import pytest
import torch

from plausible.inference.evaluation.frechet import frechet_distance
from plausible.inference.evaluation.neighbours import knn_accuracy
from plausible.models import DataError


def test_nearest_neighbours_vote() -> None:
    features = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    held_out = torch.tensor([[0.05], [5.05], [0.15]])
    # By hand: three nearest of .05 are {0, 0, 1}, of 5.05 {1, 1, 1}, of .15 {0, 0, 1}.
    assert knn_accuracy(features, labels, held_out, torch.tensor([0, 1, 1]), k=3) == 2 / 3
    with pytest.raises(DataError, match="between 1 and 5"):
        knn_accuracy(features, labels, held_out, torch.tensor([0, 1, 1]), k=6)


def test_random_latents_classify_at_chance() -> None:
    """10 equal classes and latents without information: 10 % within 4 standard errors."""
    labels = torch.arange(2000) % 10
    share = knn_accuracy(torch.randn(2000, 2), labels, torch.randn(2000, 2), labels)
    assert share == pytest.approx(0.1, abs=4 * math.sqrt(0.1 * 0.9 / 2000))


def test_frechet_distance_of_normals_is_the_closed_form() -> None:
    """Diagonal normals: sum of (m - m')^2 + (s - s')^2; exact for sets with these very moments."""

    def exactly(loc: list[float], scale: list[float]) -> torch.Tensor:
        x = torch.randn(400, 2, dtype=torch.double)
        x = x - x.mean(0)
        x = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T.cov()), x.T, upper=False).T
        return x * torch.tensor(scale) + torch.tensor(loc)

    x, y = exactly([0.0, 1.0], [1.0, 2.0]), exactly([3.0, 1.0], [1.5, 0.5])
    assert frechet_distance(x, y) == pytest.approx(9 + 0.25 + 2.25, rel=1e-6)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    with pytest.raises(DataError, match="two sets of features"):
        frechet_distance(x, y[:, :1])
