"""The recipe `random-generator`: what networks that nobody trained make of normal noise."""

from pathlib import Path

import torch
from torch import Tensor

from plausible.inference.isolation import evaluating
from plausible.inference.pictures.images import image_grid
from plausible.inference.pictures.numbers import plus_minus
from plausible.inference.pictures.points import density_panels
from plausible.inference.recipes.common import Device, device_of
from plausible.inference.recipes.outcome import Outcome, Picture
from plausible.inference.training.progress import stage
from plausible.models.errors import ModelError
from plausible.models.generators.generator import GeneratorNetwork
from plausible.models.networks.upsampling import Init, Network

__all__ = [
    "chequerboard",
    "effective_dimensions",
    "half_area",
    "local_dimension",
    "random_generator",
]

_NETWORKS = 5  # behind each figure
_NEIGHBOURS = 5_000  # points whose nearest neighbours are sought
_CELLS = 100
_IMAGES = 400
_SHOWN = 10
_IMAGE_LATENT = 64


def random_generator(
    *,
    size: int = 100_000,
    layers: int = 12,
    width: int = 100,
    side: int = 32,
    device: Device = "cpu",
    seed: int = 0,
    out: Path = Path("runs/random-generator"),
) -> Outcome:
    """Untrained generator networks: normal noise becomes strands, sheets and textures.

    An MLP from two numbers to two, with Glorot's initial weights and no training, is fed with
    N(0, I), and so are untrained convolutional networks that make colour images.

    Args:
        size: points drawn from each MLP.
        layers: hidden layers of the MLP, of ReLUs.
        width: units in each of them.
        side: pixels along an edge of the images, from 8 to 128.
        device: where to draw; its generator gives other draws than the CPU's.
        seed: seed of the first network; the others have the numbers after it.
        out: folder for the pictures and the page.
    """
    if size < 100 or layers < 1:
        raise ModelError(
            f"The pictures need size >= 100 points and layers >= 1, but got {size} and {layers}."
        )
    seeds = range(seed, seed + _NETWORKS)
    where = device_of(device)
    points = {s: mlp_points(s, layers, width, size, where) for s in seeds}
    facts = {
        "Points": f"{size:,} from each of {_NETWORKS} networks 2 → {layers} × {width} ReLU → 2 "
        "with Glorot weights, none of them trained",
        "Half of the points lie in": f"{_mean([100 * half_area(x) for x in points.values()])} % "
        "of the frame that holds the middle 99 % of each coordinate "
        f"(points of N(0, I): {100 * half_area(_normal(size, seed)):.1f} %)",
        "Effective dimensions": f"{_mean([effective_dimensions(x) for x in points.values()])} of 2",
        "Local dimension": f"{_mean([local_dimension(x) for x in points.values()])} "
        f"(points of N(0, I): {local_dimension(_normal(size, seed)):.2f})",
    }
    images: dict[str, dict[int, Tensor]] = {}
    for network in ("transposed", "upsample"):
        images[network] = {s: _images(s, network, side, where) for s in seeds}
        sets = images[network].values()
        facts |= {
            f"Images, {network}": f"{_mean([100 * _between(x) for x in sets])} % of the variance "
            f"lies between images of one network, {_mean([effective_dimensions(x) for x in sets])} "
            f"effective dimensions, {_mean([100 * chequerboard(x) for x in sets])} % chequerboard",
        }
    facts["±"] = f"standard error over {_NETWORKS} networks, seeds {seed} to {seeds[-1]}"
    shown = {f"{layers} layers, seed {s}": points[s] for s in seeds[1:4]}
    shown |= {
        "1 layer": mlp_points(seed, 1, width, size, where),
        "4 layers": mlp_points(seed, 4, width, size, where),
        f"{layers} layers, with biases": mlp_points(seed, layers, width, size, where, "he"),
    }
    stage("drawing")
    return Outcome(
        "random-generator", out, None, facts, _pictures(points[seed], shown, images, layers, seed)
    )


def mlp_points(
    seed: int, layers: int, width: int, size: int, device: torch.device, init: Init = "glorot"
) -> Tensor:
    """Points (size, 2) from an untrained MLP with a two-dimensional latent."""
    torch.manual_seed(seed)
    generator = GeneratorNetwork((2,), 2, hidden=(width,) * layers, init=init)
    with evaluating(generator.to(device), seed):
        return generator.sample(size).cpu()


def _images(seed: int, network: Network, side: int, device: torch.device) -> Tensor:
    torch.manual_seed(seed)
    generator = GeneratorNetwork((3, side, side), _IMAGE_LATENT, network=network, hidden=(256,))
    with evaluating(generator.to(device), seed):
        return generator.sample(_IMAGES).cpu()


def _normal(size: int, seed: int) -> Tensor:
    return torch.randn(size, 2, generator=torch.Generator().manual_seed(seed))


def half_area(points: Tensor) -> float:
    r"""The smallest share of a frame's area that holds half of the points in it.

    The frame runs from the 0.5 % to the 99.5 % quantile of each coordinate, in 100 × 100 cells; the
    fullest ones are counted. For N(0, I) and many points it is
    :math:`-2\pi \ln(1 - .99^2 / 2) / (2 \cdot 2.576)^2`, about .16; a uniform density gives ½.

    Args:
        points: shape (N, 2), with many more points than cells.
    """
    points = points.double().cpu()
    places = (points.argsort(0).argsort(0).double() + 0.5) / len(points)
    inside = points[((places > 0.005) & (places < 0.995)).all(1)]
    low, high = inside.amin(0), inside.amax(0)
    cell = ((inside - low) / (high - low) * _CELLS).long().clamp(max=_CELLS - 1)
    counts = torch.bincount(cell[:, 0] * _CELLS + cell[:, 1], minlength=_CELLS**2)
    held = counts.sort(descending=True).values.cumsum(0)
    return (int((held < len(inside) / 2).sum()) + 1) / _CELLS**2


def effective_dimensions(x: Tensor) -> float:
    r"""Participation ratio of the covariance's eigenvalues.

    .. math:: \left(\sum_i \lambda_i\right)^2 \Big/ \sum_i \lambda_i^2

    It is d where all d directions vary equally, and 1 where only one does.

    Args:
        x: data, shape (N, ...) with at least two rows.
    """
    flat = x.flatten(1).double()
    flat = flat - flat.mean(0)
    product = flat @ flat.T if len(flat) < flat.shape[1] else flat.T @ flat
    return float(product.trace() ** 2 / product.square().sum())


def local_dimension(points: Tensor) -> float:
    r"""Intrinsic dimension around a point, from its two nearest neighbours.

    .. math:: \hat d = \left( \frac1N \sum_i \ln \frac{r_{i2}}{r_{i1}} \right)^{-1}

    the maximum likelihood estimate for a density that is constant on that scale, with a relative
    standard error of about :math:`1 / \sqrt N`; at most the first 5,000 points are used.

    Args:
        points: shape (N, d), drawn independently, no two alike.

    Source: Facco et al., Estimating the intrinsic dimension of datasets by a minimal neighborhood
    information (2017).
    """
    points = points[:_NEIGHBOURS].flatten(1).double()
    logs = [torch.cdist(part, points).topk(3, largest=False).values for part in points.split(1000)]
    nearest = torch.cat(logs)[:, 1:].log()
    return float(1 / (nearest[:, 1] - nearest[:, 0]).mean())


def chequerboard(images: Tensor) -> float:
    r"""Share of the pixels' variance that alternates from row to row and column to column.

    With s = (-1)^row, (-1)^column and their product, it is the mean over images and channels of
    :math:`\sum_s \langle s, x \rangle^2 / \mathrm{Var}\, x`, with averages over pixels: 1 for a
    chequerboard, 3 / pixels for white noise.

    Args:
        images: shape (N, C, H, W) with even sides.
    """
    height, width = images.shape[-2:]
    rows = 1.0 - 2.0 * (torch.arange(height) % 2)[:, None].expand(height, width)
    columns = 1.0 - 2.0 * (torch.arange(width) % 2).expand(height, width)
    shares = sum((images * sign).mean((-2, -1)) ** 2 for sign in (rows, columns, rows * columns))
    return float((shares / images.var((-2, -1), correction=0)).mean())


def _between(images: Tensor) -> float:
    """Share of the variance around each channel's mean that lies between images."""
    total = images - images.mean((0, 2, 3), keepdim=True)
    return float(images.var(0, correction=0).mean() / total.square().mean())


def _mean(values: list[float]) -> str:
    """Mean and standard error over networks."""
    x = torch.tensor(values, dtype=torch.float64)
    return plus_minus(float(x.mean()), float(x.std()) / len(x) ** 0.5)


def _stretched(images: Tensor) -> Tensor:
    """Each colour of a set of images between its 1 % and 99 % quantiles, for the eye."""
    colours = images.transpose(0, 1).flatten(1).sort(1).values
    last = colours.shape[1] - 1
    low, high = colours[:, round(0.01 * last)], colours[:, round(0.99 * last)]
    return ((images - low[:, None, None]) / (high - low)[:, None, None]).clamp(0, 1)


def _pictures(
    points: Tensor,
    panels: dict[str, Tensor],
    images: dict[str, dict[int, Tensor]],
    layers: int,
    seed: int,
) -> list[Picture]:
    title = f"{layers} layers, seed {seed}"
    pictures = [
        Picture(
            "points",
            density_panels({title: points}, side=6.5, cells=450),
            f"{len(points):,} points of normal noise behind an untrained network with {layers} "
            "hidden layers of ReLUs: strands of high density, and sheets of lower density. "
            "Glorot's start has no biases, so twice the latent gives twice the output, and every "
            "strand is a ray.",
            "Density of points in a plane: bright rays from one point, with fainter areas between.",
        ),
        Picture(
            "networks",
            density_panels(panels),
            "Other networks: above, the same one with other weights; below, fewer layers, and the "
            "same depth with random biases (He's start), which bend the strands.",
            "Six densities of points, each with strands and sheets of its own.",
        ),
    ]
    for network, words in (
        ("transposed", "transposed convolutions, whose four kernels draw a chequerboard"),
        ("upsample", "repeated pixels and plain convolutions, which draw none"),
    ):
        sets = list(images[network].values())[:3]
        rows = torch.cat([_stretched(x[:_SHOWN]) for x in sets])
        pictures.append(
            Picture(
                network,
                image_grid(rows, columns=_SHOWN),
                f"Images from untrained networks: {words}. Each row is one network, each image "
                "another latent. Brightness is stretched to the range of each row.",
                f"Three rows of {_SHOWN} coloured textures that differ within each row.",
            )
        )
    return pictures
