"""Pictures of networks that output a distribution: densities, bands, images with their scale."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from plausible.inference.pictures.numbers import number, per_cent
from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, styled
from plausible.models.errors import DataError

__all__ = [
    "bands",
    "compared",
    "conditional_density",
    "image_rows",
    "least_sure",
    "reliability",
]

_BLUE, _ORANGE = CLASS_COLOURS[:2]
_PAPER = LinearSegmentedColormap.from_list("paper", ["#ffffff", "#c9c9e6", _BLUE])
_SHADES = ("#e4e4f3", "#c9c9e6", "#a3a2d3")


@styled
def conditional_density(
    x: Tensor,
    y: Tensor,
    density: Tensor,
    points: tuple[Tensor, Tensor],
    centres: Tensor,
    weights: Tensor,
    *,
    x_label: str = "x",
    y_label: str = "y",
) -> Figure:
    """The density of y at each x as shades, its components' centres, and data.

    Args:
        x: places, (X,).
        y: values, (Y,).
        density: p(y given x), (Y, X).
        points: x and y of some data, (N,) each.
        centres: of the components, (X, K).
        weights: of the components, (X, K); centres with a weight above 0.05 are drawn.
        x_label, y_label: what the axes are, with their units.

    Returns:
        The figure: the density and the centres to the left, the data to the right.
    """
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    edges = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))
    # by the square root and up to a quantile, so that wide and low parts show next to narrow ones
    left.imshow(
        density.sqrt().numpy(),
        origin="lower",
        extent=edges,
        aspect="auto",
        cmap=_PAPER,
        vmin=0,
        vmax=float(density.sqrt().flatten()[::7].quantile(0.985)),
    )
    seen = weights > 0.05
    where = x.unsqueeze(-1).expand_as(centres)[seen]
    left.scatter(where.numpy(), centres[seen].numpy(), s=1.2, color=_ORANGE, linewidths=0)
    right.scatter(*(p.numpy() for p in points), s=2, color=INK, alpha=0.35, linewidths=0)
    left.set_title("density, and centres of components", loc="left", fontsize=10)
    right.set_title("held-out data", loc="left", fontsize=10)
    for axes in (left, right):
        axes.set_xlim(edges[:2])
        axes.set_ylim(edges[2:])
        axes.set_xlabel(x_label)
    left.set_ylabel(y_label)
    return figure


@styled
def compared(
    names: Sequence[str], values: Sequence[float], errors: Sequence[float], floor: float | None
) -> Figure:
    """Negative log-likelihoods of several models as dots with two standard errors.

    Args:
        names: of the models.
        values: nats per datum.
        errors: standard errors.
        floor: the least that any model can reach, where it is known.
    """
    figure = Figure(figsize=(7, 0.9 + 0.38 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    rows = range(len(names))
    axes.errorbar(
        values, rows, xerr=[2 * e for e in errors], fmt="o", color=_BLUE, markersize=5, capsize=3
    )
    for row, value in zip(rows, values, strict=True):
        axes.annotate(
            number(value),
            (value, row),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            color=_BLUE,
            fontsize=9,
        )
    if floor is not None:
        axes.axvline(floor, color=_ORANGE, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.annotate(
            f"floor {number(floor)}",
            (floor, 0),
            xycoords=("data", "axes fraction"),
            xytext=(4, 2),
            textcoords="offset points",
            va="bottom",
            color=_ORANGE,
            fontsize=9,
        )
    axes.set_yticks(rows, names)
    axes.set_ylim(len(names) - 0.5, -0.7)
    axes.margins(x=0.16)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("negative log-likelihood of held-out data, nats per datum; less is better")
    return figure


@styled
def bands(
    panels: Sequence[tuple[str, Tensor, Sequence[tuple[Tensor, Tensor]]]],
    grid: Tensor,
    points: tuple[Tensor, Tensor],
    levels: Sequence[float],
    *,
    x_label: str = "x",
    y_label: str = "y",
) -> Figure:
    """Data with the mean and the predictive intervals of one model a panel.

    Args:
        panels: title, mean (X,), and an interval (lower and upper end, each (X,)) for each level.
        grid: places, (X,).
        points: x and y of the data, (N,) each.
        levels: of the intervals, widest last.
        x_label, y_label: what the axes are, with their units.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes_row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, mean, intervals) in zip(axes_row, panels, strict=True):
        drawn = reversed(list(zip(levels, intervals, strict=True)))
        for shade, (level, (low, high)) in zip(_SHADES, drawn, strict=False):
            axes.fill_between(
                grid.numpy(),
                low.numpy(),
                high.numpy(),
                color=shade,
                linewidth=0,
                label=per_cent(level, 0),
            )
        axes.plot(grid.numpy(), mean.numpy(), color=_BLUE, linewidth=1.5, label="mean")
        axes.scatter(*(p.numpy() for p in points), s=7, color=INK, alpha=0.6, linewidths=0)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(x_label)
    axes_row[0].set_ylabel(y_label)
    handles, names = axes_row[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=4, fontsize=9, frameon=False)
    return figure


@styled
def reliability(
    stated: Tensor, observed: Tensor, errors: Tensor, *, x_label: str, y_label: str
) -> Figure:
    """What a model says against what happens: a calibrated model's dots lie on the diagonal.

    Args:
        stated: probabilities that were stated, (B,).
        observed: shares that were observed, (B,).
        errors: standard errors of the shares, (B,); drawn twice as long, and cut off at 0 and 1.
        x_label, y_label: what the two are.
    """
    if stated.shape != observed.shape or stated.ndim != 1:
        raise DataError(f"reliability compares two vectors; got {stated.shape}, {observed.shape}.")
    low = torch.minimum(2 * errors, observed)
    high = torch.minimum(2 * errors, 1 - observed)
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=SOFT_INK, linewidth=1, linestyle=(0, (5, 3)))
    axes.errorbar(
        stated.numpy(),
        observed.numpy(),
        yerr=torch.stack([low, high]).clamp(min=0).numpy(),
        fmt="o",
        color=_BLUE,
        markersize=4,
        elinewidth=1,
        capsize=2,
    )
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_aspect("equal")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure


@styled
def image_rows(rows: Sequence[tuple[str, Tensor]], *, ink: bool = True) -> Figure:
    """Rows of images, each with its name and its own range.

    Args:
        rows: a name and images (N, C, H, W) with C = 1 or 3; values are shown from 0 to 1, or
            to the row's largest where that is below ½; its name then says so.
        ink: whether large values of grey images are dark.
    """
    count, _, height, width = rows[0][1].shape
    margin = 1.25
    cell = min(0.75, (7 - margin) / count)
    size = (margin + count * cell, len(rows) * (cell * height / width + 0.05))
    figure = Figure(figsize=size)
    for i, (name, images) in enumerate(rows):
        axes: Axes = figure.add_axes(
            (margin / size[0], 1 - (i + 1) / len(rows), 1 - margin / size[0], 0.97 / len(rows))
        )
        top = float(images.max())
        top = 1.0 if top > 0.5 else top
        gap = max(1, width // 14)
        colour = images.shape[1] == 3
        paper = top if colour or not ink else 0.0
        shown = images.detach().cpu().clamp(max=top)
        padded = torch.nn.functional.pad(shown, (0, gap), value=paper)
        sheet = torch.cat(list(padded), dim=-1)[..., :-gap].movedim(0, -1).squeeze(-1)
        sheet = sheet.clamp(min=0) / top if colour else sheet
        label = name if top == 1.0 else f"{name}\n0 to {top:.2g}"
        axes.imshow(sheet.numpy(), cmap="gray_r" if ink else "gray", vmin=0, vmax=top)
        axes.set_xticks([])
        axes.set_yticks([(height - 1) / 2], [label])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


@styled
def least_sure(images: Tensor, labels: Sequence[str]) -> Figure:
    """Images with a few lines of text below each.

    Args:
        images: values in [0, 1], (N, C, H, W) with C = 1 or 3.
        labels: one for each image.
    """
    columns = 6
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(7, 1.75 * rows), layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.set_axis_off()
    for axes, image, label in zip(grid, images, labels, strict=False):
        shown = image.movedim(0, -1).squeeze(-1).numpy()
        axes.imshow(shown, cmap="gray_r", vmin=0, vmax=1)
        axes.text(0.5, -0.04, label, transform=axes.transAxes, ha="center", va="top", fontsize=8)
    return figure
