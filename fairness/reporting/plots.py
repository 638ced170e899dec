"""Rates over levels of a score, and rates before and after partial pooling."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from plausible.fairness.estimation.estimates import Estimate
from plausible.fairness.reporting.figures import plain
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, SOFT_INK, styled

__all__ = ["curves", "shrinkage"]

_MARKERS = ("o", "s", "D", "^", "v", "P")
_FAINT = "#d8d5cc"


def curves(
    name: str,
    axes: tuple[str, str],
    lines: Mapping[str, Sequence[tuple[float, Estimate]]],
    *,
    caption: str,
) -> Picture:
    """Rates at several levels, a line for each group, with intervals.

    Args:
        name: of the file.
        axes: what the levels and the rates are.
        lines: levels and rates, by group; at most six groups are drawn.
        caption: what to see.
    """
    drawn = dict(list(lines.items())[: len(_MARKERS)])
    numbers = [
        f"{label}: " + ", ".join(f"{e} at {x:g}" for x, e in points)
        for label, points in drawn.items()
    ]
    if len(drawn) < len(lines):
        caption = f"{caption} Drawn are {len(drawn)} of {len(lines):,} groups."
    return Picture(name, _curves(axes, drawn), caption, f"{'; '.join(numbers)}.")


def shrinkage(
    name: str,
    axis: str,
    rows: Mapping[str, tuple[float, Estimate]],
    average: Estimate,
    *,
    caption: str,
) -> Picture:
    """Raw rates, hollow, and what partial pooling makes of them, with the average.

    Args:
        name: of the file.
        axis: what the rates are.
        rows: raw rate (nan without cases) and pooled estimate, by group.
        average: of all groups.
        caption: what to see.
    """
    numbers = [
        f"{label}: {'no cases' if np.isnan(raw) else f'{100 * raw:.1f} % raw'}, {e} pooled"
        for label, (raw, e) in rows.items()
    ]
    alt = f"The average is {average}. {'; '.join(numbers)}."
    return Picture(name, _shrinkage(axis, rows, average), caption, alt)


@styled
def _curves(
    names: tuple[str, str], lines: Mapping[str, Sequence[tuple[float, Estimate]]]
) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=plain(names[0]))
    axes.set_ylabel(plain(names[1]))
    levels = sorted({x for points in lines.values() for x, _ in points})
    step = min(np.diff(levels), default=1.0) * 0.08
    for i, (label, points) in enumerate(lines.items()):
        x = np.array([at for at, _ in points]) + step * (i - (len(lines) - 1) / 2)
        low, value, high = (
            np.array([getattr(e, part) for _, e in points]) for part in ("low", "value", "high")
        )
        colour = CLASS_COLOURS[i]
        axes.vlines(x, low, high, color=colour, linewidth=1.5)
        axes.plot(x, value, marker=_MARKERS[i], color=colour, label=plain(label), linewidth=1)
    figure.legend(loc="outside upper left", ncols=3)
    axes.set_ylim(bottom=0)
    _per_cent(axes.yaxis)
    return figure


@styled
def _shrinkage(axis: str, rows: Mapping[str, tuple[float, Estimate]], average: Estimate) -> Figure:
    figure, axes = _rows(axis, list(rows))
    axes.axvline(average.value, color=SOFT_INK, linewidth=1, linestyle=(0, (4, 3)), label="average")
    for y, (raw, e) in enumerate(rows.values()):
        named = y == 0
        axes.plot([e.low, e.high], [y, y], color=CLASS_COLOURS[0], linewidth=2)
        axes.plot(e.value, y, "o", color=CLASS_COLOURS[0], label="pooled, 95 %" if named else None)
        if not np.isnan(raw):
            axes.plot(
                raw, y, "o", mfc="none", color=CLASS_COLOURS[1], label="raw" if named else None
            )
    figure.legend(loc="outside lower right", ncols=3)
    _per_cent(axes.xaxis)
    return figure


def _rows(axis: str, labels: Sequence[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 1.2 + 0.42 * len(labels)), layout="constrained")
    axes = figure.add_subplot(xlabel=plain(axis, 80))
    axes.set_yticks(range(len(labels)), [plain(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.6)
    return figure, axes


def _per_cent(axis: Axis) -> None:
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.3g} %"))
