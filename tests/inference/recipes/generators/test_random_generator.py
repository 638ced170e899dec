"""The recipe `random-generator`: its measures have known values, and its networks are untrained."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from plausible.inference.recipes.generators.random_generator import (
    chequerboard,
    effective_dimensions,
    half_area,
    local_dimension,
    mlp_points,
    random_generator,
)
from plausible.inference.recipes.record import Record
from plausible.models import GeneratorNetwork, ModelError
from plausible.models.networks.upsampling import Network

CPU = torch.device("cpu")


def images(network: Network, size: int = 60) -> Tensor:
    return GeneratorNetwork((3, 32, 32), 64, network=network, hidden=(64,)).sample(size)


def test_half_area_of_known_densities() -> None:
    """Cells of 10 points each favour those that happen to be full: by 1 % of the frame, seen."""
    x = torch.randn(100_000, 2)
    exact = -2 * math.pi * math.log(1 - 0.99**2 / 2) / (2 * 2.5758) ** 2
    assert half_area(x) == pytest.approx(exact, abs=0.012)
    assert half_area(x * torch.tensor([1e-3, 40.0]) + 7) == half_area(x)
    assert half_area(torch.rand(1_000_000, 2)) == pytest.approx(0.5, abs=0.05)
    line = torch.randn(100_000, 1) * torch.ones(2) + 1e-4 * torch.randn(100_000, 2)
    assert half_area(line) < 0.005


def test_effective_dimensions_of_known_covariances() -> None:
    """Relative standard errors below 1 %, as d / n = 1e-4."""
    x = torch.randn(50_000, 5)
    assert effective_dimensions(x) == pytest.approx(5, rel=0.01)
    assert effective_dimensions(x[:, :1] * torch.ones(5)) == pytest.approx(1)
    two = x * torch.tensor([3.0, 1.0, 0.0, 0.0, 0.0])  # (9 + 1)² / (81 + 1)
    assert effective_dimensions(two) == pytest.approx(100 / 82, rel=0.01)
    wide = torch.randn(20, 2, 30, 4)
    values = torch.linalg.svdvals(wide.flatten(1) - wide.flatten(1).mean(0)).square()
    exact = float(values.sum() ** 2 / values.square().sum())
    assert effective_dimensions(wide) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_local_dimension_of_a_normal_in_a_subspace(d: int) -> None:
    """4 standard errors d / √5000, and 2 % for a density that is not flat between neighbours.

    Seen failing with the distances of the second and third neighbour.
    """
    x = torch.randn(5000, d) @ torch.randn(d, 6)
    assert local_dimension(x) == pytest.approx(d, abs=d * (4 / math.sqrt(5000) + 0.02))


def test_chequerboard_of_known_images() -> None:
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2.0
    stripes = (torch.arange(16) % 2.0).expand(16, 16)
    smooth = torch.sin(torch.arange(16) * math.pi / 8).expand(16, 16)
    for image, share in ((board, 1.0), (stripes, 1.0), (stripes.T, 1.0), (smooth, 0.0)):
        exact = pytest.approx(share, abs=1e-6)
        assert chequerboard(image.expand(2, 3, 16, 16) * 5 - 2) == exact
    noise = torch.randn(2000, 1, 16, 16)  # a mean of squares: 4 standard errors
    assert chequerboard(noise) == pytest.approx(3 / 256, abs=4 * 3 / 256 * math.sqrt(2 / 3 / 2000))


def test_only_transposed_convolutions_draw_a_chequerboard_before_training() -> None:
    """Over 5 networks: about 20 % of the variance against less than 1 %."""
    shares = {}
    for network in ("transposed", "upsample"):
        shares[network] = [chequerboard(images(network)) for _ in range(5)]
    assert min(shares["transposed"]) > 10 * max(shares["upsample"])
    assert max(shares["upsample"]) < 0.01


@pytest.mark.parametrize("network", ["transposed", "upsample"])
def test_untrained_images_visibly_differ(network: Network) -> None:
    """The nearest two of 60 are as far apart as a fifth of the pixels' standard deviation."""
    x = images(network).flatten(1)
    apart = torch.cdist(x, x).fill_diagonal_(math.inf) / math.sqrt(x.shape[1])
    assert float(apart.min()) > 0.2 * float(x.std())


def test_strands_hold_half_of_the_points_in_less_area_than_a_normal_does() -> None:
    """Each of 3 networks; a third of the area or so."""
    reference = half_area(torch.randn(20_000, 2))
    for seed in range(3):
        assert half_area(mlp_points(seed, 12, 100, 20_000, CPU)) < 0.7 * reference


def test_points_are_those_of_a_network_that_nobody_trained_and_come_again() -> None:
    x = mlp_points(3, 2, 10, 500, CPU)
    assert torch.equal(x, mlp_points(3, 2, 10, 500, CPU))
    assert not torch.equal(x, mlp_points(4, 2, 10, 500, CPU))
    assert x.shape == (500, 2)


def test_the_recipe_measures_and_draws_without_training(tmp_path: Path) -> None:
    outcome = random_generator(size=2000, layers=3, width=20, side=16, out=tmp_path)
    assert outcome.fit is None
    assert {p.name: len(p.figure.axes) for p in outcome.pictures} == {
        "points": 1,
        "networks": 6,
        "transposed": 1,
        "upsample": 1,
    }
    assert all(picture.alt and picture.caption for picture in outcome.pictures)
    titles = [axes.get_title(loc="left") for axes in outcome.pictures[1].figure.axes]
    assert titles[0] == "3 layers, seed 1" and titles[-1] == "3 layers, with biases"
    for label in ("Half of the points lie in", "Local dimension", "Images, upsample"):
        assert "±" in outcome.facts[label]
    record = Record.now("random-generator", "plausible train random-generator", {"seed": 0})
    assert outcome.write(record, "Untrained").exists()
    assert json.loads((tmp_path / "run.json").read_text())["recipe"] == "random-generator"


def test_numbers_that_make_no_picture_are_refused() -> None:
    with pytest.raises(ModelError, match="size >= 100 points and layers >= 1"):
        random_generator(size=10)
