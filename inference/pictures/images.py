"""Pictures made of images: grids of samples, reconstructions, and what a 2-D latent decodes to."""

from collections.abc import Callable, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from plausible.inference.pictures.numbers import number
from plausible.inference.pictures.style import styled
from plausible.models.errors import DataError

__all__ = ["image_grid", "latent_grid", "reconstructions"]

_WIDTH = 7.0  # inches
_LARGEST_CELL = 0.7  # inches
_TICKS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)


@styled
def image_grid(images: Tensor, columns: int, *, ink: bool = False) -> Figure:
    """Images side by side, in reading order.

    Args:
        images: values in [0, 1], (N, C, H, W) with C = 1 (grey) or 3 (red, green, blue).
        columns: images in a row.
        ink: draw grey images as ink on white paper: 0 is white and 1 black.

    Returns:
        The figure; its one axes holds one array with every image.

    Raises:
        DataError: if the images do not have that shape or range, or columns is not positive.
    """
    if columns < 1:
        raise DataError(f"columns={columns}, but a grid needs at least one.")
    _check_images(images, "images", ink)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell = min(_LARGEST_CELL, _WIDTH / columns)
    figure = Figure(figsize=(columns * cell, rows * cell * images.shape[2] / images.shape[3]))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    _show(axes, _montage(images, columns, _gap(images), ink), ink)
    return figure


@styled
def reconstructions(
    originals: Tensor,
    reconstructions: Tensor,
    labels: Sequence[str] = ("original", "reconstruction"),
    *,
    ink: bool = False,
) -> Figure:
    """Each image above its reconstruction.

    Args:
        originals: values in [0, 1], (N, C, H, W).
        reconstructions: one for each image, of the same shape.
        labels: names of the two rows.
        ink: draw grey images as ink on white paper.

    Returns:
        The figure; its one axes holds one array with both rows.

    Raises:
        DataError: if the shapes differ or are no images, or there are not two labels.
    """
    _check_images(originals, "originals", ink)
    _check_images(reconstructions, "reconstructions", ink)
    if originals.shape != reconstructions.shape:
        raise DataError(
            f"originals have shape {tuple(originals.shape)} and reconstructions "
            f"{tuple(reconstructions.shape)}; give one reconstruction for each original."
        )
    if len(labels) != 2:
        raise DataError(f"{len(labels)} labels for two rows: {list(labels)}.")
    count, _, height, width = originals.shape
    gap = _gap(originals)
    margin = 0.15 + 0.075 * max(len(label) for label in labels)
    cell = min(_LARGEST_CELL, (_WIDTH - margin) / count)
    size = (margin + count * cell, 2 * cell * height / width)
    figure = Figure(figsize=size)
    axes = figure.add_axes((margin / size[0], 0, 1 - margin / size[0], 1))
    _show(axes, _montage(torch.cat([originals, reconstructions]), count, gap, ink), ink)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([(height - 1) / 2, height + gap + (height - 1) / 2], labels)
    axes.tick_params(length=0)
    return figure


@styled
def latent_grid(
    decode: Callable[[Tensor], Tensor], steps: int = 20, *, ink: bool = False
) -> Figure:
    """What a two-dimensional latent space decodes to, each cell with the same prior probability.

    The latents are at z = Φ⁻¹((i + ½) / steps) on either axis, where Φ is the cumulative
    distribution function of N(0, 1). The axes name values of z where they lie between the cells.

    Args:
        decode: from latents (n, 2) to images (n, C, H, W) with values in [0, 1]; called once,
            with float32 latents on the CPU, without gradients.
        steps: cells along an axis.
        ink: draw grey images as ink on white paper.

    Returns:
        The figure; its one axes holds one array with every image, z₁ to the right and z₂ upwards.

    Raises:
        DataError: if decode does not return one image a code, or steps is below 2.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014), appendix A.
    """
    if steps < 2:
        raise DataError(f"steps={steps}, but a latent grid needs at least 2 cells along an axis.")
    quantiles = torch.special.ndtri((torch.arange(steps) + 0.5) / steps)
    second, first = torch.meshgrid(quantiles.flip(0), quantiles, indexing="ij")
    with torch.no_grad():
        images = decode(torch.stack([first.flatten(), second.flatten()], dim=-1))
    _check_images(images, "decoded images", ink)
    if len(images) != steps**2:
        raise DataError(f"decode gave {len(images)} images for {steps**2} latents.")
    aspect = images.shape[2] / images.shape[3]
    width = _WIDTH / max(1, aspect)
    figure = Figure(figsize=(width, width * aspect), layout="constrained")
    axes = figure.add_subplot()
    _show(axes, _montage(images, steps, 0, ink), ink, extent=(0, steps, 0, steps))
    axes.set_aspect(aspect)
    ticks = [value for value in _TICKS if abs(value) <= quantiles[-1]]
    places = (torch.special.ndtr(torch.tensor(ticks)) * steps).tolist()
    names = [number(value, "g") for value in ticks]
    axes.set_xticks(places, names)
    axes.set_yticks(places, names)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("z₁", loc="right")
    axes.set_ylabel("z₂", loc="top", rotation=0)
    return figure


def _check_images(images: Tensor, name: str, ink: bool) -> None:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise DataError(
            f"{name} have shape {tuple(images.shape)}, but a picture needs (N, C, H, W) "
            "with C = 1 (grey) or 3 (red, green, blue)."
        )
    if ink and images.shape[1] == 3:
        raise DataError(f"{name} have three colours; ink=True is for grey images (C = 1).")
    if not images.is_floating_point():
        raise DataError(f"{name} are {images.dtype}; give floats in [0, 1], such as pixels / 255.")
    low, high = images.min().item(), images.max().item()
    if not (low >= 0 and high <= 1):  # also true for nan
        raise DataError(
            f"{name} have values from {low:g} to {high:g}, but a picture needs [0, 1]; "
            "rescale or clamp them."
        )


def _gap(images: Tensor) -> int:
    """Pixels of white between neighbours."""
    return max(1, images.shape[3] // 14)


def _montage(images: Tensor, columns: int, gap: int, ink: bool) -> Tensor:
    """Lay images (N, C, H, W) out as one of shape (rows H + gaps, columns W + gaps, C)."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    paper = 0.0 if ink else 1.0
    cells = torch.full((rows * columns, channels, height + gap, width + gap), paper)
    cells[:count, :, :height, :width] = images.detach().cpu()
    cells = cells.view(rows, columns, channels, height + gap, width + gap)
    sheet = cells.permute(0, 3, 1, 4, 2).reshape(
        rows * (height + gap), columns * (width + gap), channels
    )
    return sheet[: sheet.shape[0] - gap, : sheet.shape[1] - gap]


def _show(
    axes: Axes,
    sheet: Tensor,
    ink: bool,
    extent: tuple[float, float, float, float] | None = None,
) -> None:
    values = sheet.squeeze(-1).numpy()
    axes.imshow(values, cmap="gray_r" if ink else "gray", vmin=0, vmax=1, extent=extent)
