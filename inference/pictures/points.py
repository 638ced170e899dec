"""Pictures of points in a plane: where they lie thick, how sets compare, what a density holds."""

from collections.abc import Callable, Mapping
from textwrap import wrap

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, styled
from plausible.models.errors import DataError

__all__ = ["MASSES", "density_contours", "density_panels", "point_panels"]

MASSES = (0.5, 0.8, 0.95, 0.99)
_NAMES = ("x₁", "x₂")
_FRAME = 0.002  # of the points may lie outside the frame at each edge
_GRID = 240
_CAPTION_LETTERS = 12  # in an inch below a panel, whatever font is there
_GLOW = LinearSegmentedColormap.from_list(
    "glow", ["#4b4790", "#8d4682", "#cf4a17", "#f0b429", "#fff7d6"]
)
_NIGHT = "#12101f"
_SHADES = ("#efeef8", "#d6d4ec", "#b3b0da", "#8b88c4")


@styled
def density_panels(
    panels: Mapping[str, Tensor], *, columns: int = 3, side: float = 2.7, cells: int = 200
) -> Figure:
    """Many points, counted in small squares and coloured by the logarithm of the count.

    Each set is shifted and divided so that both of its coordinates have mean 0 and standard
    deviation 1; a fifth of a percent of the points may leave the frame at each edge.

    Args:
        panels: points (N, 2) by title.
        columns: panels in a row.
        side: of a panel, in inches.
        cells: along an edge of a panel.

    Returns:
        The figure, with one axes for each panel.

    Raises:
        DataError: for points that are no finite (N, 2), that do not vary in one coordinate, or
            columns or cells below 1.
    """
    _check_panels(panels)
    if columns < 1 or cells < 1:
        raise DataError(f"columns={columns} and cells={cells}, but both must be at least 1.")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(side * columns, (side + 0.3) * rows + 0.3), layout="constrained")
    for place, (title, points) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        scaled = _standardised(title, points)
        centre, half = _square(scaled)
        edges = [np.linspace(c - half, c + half, cells + 1) for c in centre.tolist()]
        first, second = scaled.T.numpy()
        counts, *_ = np.histogram2d(first, second, bins=edges)
        axes.set_facecolor(_NIGHT)
        axes.imshow(
            np.ma.masked_equal(counts.T, 0),
            norm=LogNorm(1, max(2.0, float(np.quantile(counts[counts > 0], 0.999)))),
            cmap=_GLOW,
            origin="lower",
            extent=(edges[0][0], edges[0][-1], edges[1][0], edges[1][-1]),
            interpolation="nearest",
        )
        _finish(axes, title)
    figure.supxlabel(
        "both axes in standard deviations; colour: logarithm of the number of points",
        fontsize=9,
        color=SOFT_INK,
    )
    return figure


@styled
def point_panels(
    panels: Mapping[str, Tensor], captions: Mapping[str, str], *, names: tuple[str, str] = _NAMES
) -> Figure:
    """Sets of points side by side, on the same axes; the frame holds all of the first set.

    Args:
        panels: points (N, 2) by title; the first is what the others are compared with.
        captions: what was measured, below each panel; by title.
        names: of the axes.

    Returns:
        The figure, with one axes for each panel.

    Raises:
        DataError: for points that are no finite (N, 2), or captions of other titles.
    """
    _check_panels(panels, captions)
    side = 2.75
    figure = _row(captions, side)
    reference = next(iter(panels.values())).detach().cpu().double()
    low, high = reference.amin(0), reference.amax(0)
    half = 0.62 * max(float((high - low).max()), 1e-6)
    centre = (low + high) / 2
    for column, (title, points) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), column)
        first, second = points.detach().cpu().T.numpy()
        size = min(12.0, max(1.0, 8000 / len(points)))
        axes.scatter(first, second, s=size, color=CLASS_COLOURS[0], alpha=0.35, linewidths=0)
        axes.set_xlim(float(centre[0]) - half, float(centre[0]) + half)
        axes.set_ylim(float(centre[1]) - half, float(centre[1]) + half)
        _finish(axes, title, _below(captions[title], names[0], side))
        axes.set_ylabel(names[1] if column == 1 else "")
    return figure


@styled
def density_contours(
    points: Tensor,
    densities: Mapping[str, Callable[[Tensor], Tensor]],
    captions: Mapping[str, str],
    *,
    names: tuple[str, str] = _NAMES,
    equal: bool = True,
) -> Figure:
    """Points with the regions of highest density of each model around them.

    The contours enclose the smallest regions that hold 50, 80, 95 and 99 % of the model's mass.

    Args:
        points: the data, (N, 2).
        densities: log densities by title: from points (M, 2) to nats (M,); called without
            gradients.
        captions: what was measured, below each panel; by title.
        names: of the axes.
        equal: one unit is as long on either axis.

    Returns:
        The figure, with one axes for each density.

    Raises:
        DataError: for points that are no finite (N, 2), captions of other titles, or a density that
            does not give one number for each point.
    """
    _check_panels({"points": points})
    if not densities or densities.keys() != captions.keys():
        raise DataError(_mismatch(densities, captions))
    side = 3.3
    figure = _row(captions, side)
    points = points.detach().cpu()
    low, high = points.amin(0), points.amax(0)
    margin = 0.45 * (high - low) if not equal else (0.45 * (high - low).max()).expand(2)
    low, high = low - margin, high + margin
    size = min(12.0, max(1.5, 3000 / len(points)))
    for column, (title, density) in enumerate(densities.items(), start=1):
        axes = figure.add_subplot(1, len(densities), column)
        x, y, values = _on_grid(title, density, low, high)
        levels = _levels(values, x, y)
        top = max(float(values.max()), levels[-1] * (1 + 1e-6)) * 1.001
        axes.contourf(x, y, values, levels=[*levels, top], colors=_SHADES)
        axes.contour(x, y, values, levels=levels, colors=INK, linewidths=0.6)
        first, second = points.T.numpy()
        axes.scatter(first, second, s=size, color=CLASS_COLOURS[1], alpha=0.6, linewidths=0)
        axes.set_xlim(float(low[0]), float(high[0]))
        axes.set_ylim(float(low[1]), float(high[1]))
        _finish(axes, title, _below(captions[title], names[0], side), equal=equal)
        axes.set_ylabel(names[1] if column == 1 else "")
    shares = ", ".join(f"{mass:.0%}".replace("%", "") for mass in MASSES[:-1])
    figure.supxlabel(
        f"contours hold {shares} and {MASSES[-1]:.0%} of the model's mass".replace("%", " %"),
        fontsize=9,
        color=SOFT_INK,
    )
    return figure


def _row(captions: Mapping[str, str], side: float) -> Figure:
    """A figure for panels side by side with captions below them."""
    lines = max(len(_below(caption, "", side).splitlines()) for caption in captions.values())
    size = (side * len(captions), side + 0.4 + 0.17 * lines)
    return Figure(figsize=size, layout="constrained")


def _below(caption: str, name: str, side: float) -> str:
    """The axis's name and, below it, the caption in lines that fit a panel."""
    letters = int(_CAPTION_LETTERS * (side - 0.4))
    parts = [part for line in caption.splitlines() for part in wrap(line, letters)]
    return "\n".join([name, *parts])


def _finish(axes: Axes, title: str, label: str = "", *, equal: bool = True) -> None:
    axes.set_title(title)
    axes.set_aspect("equal" if equal else "auto")
    axes.set_xlabel(label)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))


def _standardised(title: str, points: Tensor) -> Tensor:
    points = points.detach().cpu().double()
    spread = points.std(0)
    if not bool((spread > 0).all()):
        raise DataError(f"The points of {title!r} do not vary in one coordinate.")
    return (points - points.mean(0)) / spread


def _square(points: Tensor) -> tuple[Tensor, float]:
    """Centre and half a side of a square that holds nearly all points."""
    last = len(points) - 1
    ordered = points.sort(0).values
    low, high = ordered[round(_FRAME * last)], ordered[round((1 - _FRAME) * last)]
    return (low + high) / 2, max(0.52 * float((high - low).max()), 1e-6)


def _on_grid(
    title: str, density: Callable[[Tensor], Tensor], low: Tensor, high: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of a grid, and the density at each of its points (rows are the second one)."""
    first, second = (
        torch.linspace(float(a), float(b), _GRID) for a, b in zip(low, high, strict=True)
    )
    y, x = torch.meshgrid(second, first, indexing="ij")
    with torch.no_grad():
        values = density(torch.stack([x.flatten(), y.flatten()], dim=-1))
    if values.shape != (_GRID**2,):
        raise DataError(
            f"The density {title!r} gave shape {tuple(values.shape)} for {_GRID**2:,} points; "
            "it must give one number for each."
        )
    return first.numpy(), second.numpy(), values.double().exp().view(_GRID, _GRID).numpy()


def _levels(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> list[float]:
    """Ascending densities above which the `MASSES` of the density lie."""
    ordered = np.sort(values.ravel())[::-1]
    held = np.cumsum(ordered) * (x[1] - x[0]) * (y[1] - y[0])
    places = [min(int(np.searchsorted(held, mass)), len(ordered) - 1) for mass in MASSES]
    levels = [float(ordered[place]) for place in reversed(places)]
    for k in range(1, len(levels)):  # contours need levels that rise
        levels[k] = max(levels[k], np.nextafter(levels[k - 1], np.inf))
    return levels


def _check_panels(panels: Mapping[str, Tensor], captions: Mapping[str, str] | None = None) -> None:
    if not panels or (captions is not None and panels.keys() != captions.keys()):
        raise DataError(_mismatch(panels, captions or {}))
    for title, points in panels.items():
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
            raise DataError(
                f"{title!r} has shape {tuple(points.shape)}, but this picture needs points (N, 2) "
                "with N of at least 2."
            )
        if not bool(points.isfinite().all()):
            wrong = int((~points.isfinite()).any(1).sum())
            raise DataError(f"{wrong} of the {len(points)} points of {title!r} are not finite.")


def _mismatch(panels: Mapping[str, object], captions: Mapping[str, str]) -> str:
    return f"Each panel needs one caption: panels are {list(panels)}, captions {list(captions)}."
