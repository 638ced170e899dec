"""Figures that analyses share: numbers with their intervals, people in natural frequencies."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plausible.fairness.estimation.estimates import Estimate
from plausible.inference.errors import DataError
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, SOFT_INK, styled

if TYPE_CHECKING:  # matplotlib is imported when something is drawn
    from matplotlib.figure import Figure

__all__ = ["intervals", "people", "plain"]

_MOST = 24
_NULL = {"difference": 0.0, "ratio": 1.0, "correlation": 0.0, "mean difference": 0.0}
_AXIS = {
    "share": "per cent",
    "difference": "difference, percentage points",
    "ratio": "ratio",
    "correlation": "correlation",
    "count": "number",
    "nats": "nats",
    "mean": "mean",
    "mean difference": "difference of means",
}


def plain(text: str, width: int = 34) -> str:
    """A name as it may stand in a figure: wrapped, and without the signs that start a formula."""
    text = textwrap.shorten(text, 3 * width, placeholder=" …")
    return textwrap.fill(text, width).replace("$", r"\$")


def intervals(
    name: str, estimates: Sequence[Estimate], caption: str, labels: Sequence[str] | None = None
) -> Picture:
    """Estimates of one measure as dots with their intervals, one below the other.

    Rows have the names of groups or strata where these are all that sets them apart. Of more than
    24 estimates the twelve lowest and the twelve highest are drawn, and the caption says so.

    Args:
        name: of the file.
        estimates: at least one, all of the same measure.
        caption: what to see.
        labels: names of the rows, where others are wanted.

    Raises:
        DataError: for no estimates, or estimates of several measures.
    """
    if not estimates or len({e.measure for e in estimates}) > 1:
        raise DataError("A figure of intervals needs estimates of one measure.")
    rows = list(zip(labels or _names(estimates), estimates, strict=True))
    if len(rows) > _MOST:
        ordered = sorted(rows, key=lambda row: row[1].value)
        rows = ordered[: _MOST // 2] + ordered[-_MOST // 2 :]
        caption = f"{caption} Shown are the {_MOST // 2} lowest and highest of {len(estimates):,}."
    numbers = "; ".join(f"{label}: {estimate}" for label, estimate in rows[:12])
    return Picture(name, _intervals(rows), caption, f"Dots with intervals. {numbers}.")


def _names(estimates: Sequence[Estimate]) -> list[str]:
    """The strata or else the groups, if no two rows then have the same name; else whole labels."""
    if len({(e.quantity, e.reference) for e in estimates}) == 1:
        for names in ([e.stratum for e in estimates], [e.group for e in estimates]):
            if all(names) and len(set(names)) == len(names):
                return names
    return [e.label for e in estimates]


@styled
def _intervals(rows: Sequence[tuple[str, Estimate]]) -> "Figure":
    from matplotlib.figure import Figure

    measure = rows[0][1].measure
    factor = 100.0 if measure in ("share", "difference") else 1.0
    figure = Figure(figsize=(7, 0.75 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for y, (_, e) in enumerate(rows):
        value = factor * e.value
        axes.plot([factor * e.low, factor * e.high], [y, y], color=CLASS_COLOURS[0], linewidth=2.2)
        axes.plot(value, y, "o", color=CLASS_COLOURS[0], markersize=6, markeredgecolor="white")
    if measure in _NULL:
        axes.axvline(factor * _NULL[measure], color=SOFT_INK, linewidth=1, linestyle=(0, (5, 3)))
    axes.set_yticks(range(len(rows)), [plain(label) for label, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    if measure == "share":
        axes.set_xlim(left=0)
    if measure == "ratio" and max(e.high for _, e in rows) > 10 * min(e.low for _, e in rows) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel(_AXIS[measure])
    return figure


def people(
    name: str, panels: Mapping[str, Mapping[str, int]], caption: str, *, columns: int = 25
) -> Picture:
    """People as dots, coloured by what holds of them: natural frequencies.

    Args:
        name: of the file.
        panels: for each title, how many people each description holds of, in the order of the
            dots; at most 1,000 people a panel, and the same descriptions in all.
        caption: what to see.
        columns: dots in a row.

    Raises:
        DataError: for no people, more than 1,000, or more than four panels.
    """
    if not 1 <= len(panels) <= 4 or not all(1 <= sum(p.values()) <= 1000 for p in panels.values()):
        raise DataError("A figure of people has one to four panels of 1 to 1,000 people each.")
    numbers = ". ".join(
        f"{title}: " + ", ".join(f"{count:,} {what}" for what, count in panel.items())
        for title, panel in panels.items()
    )
    return Picture(name, _people(panels, columns), caption, f"People as dots. {numbers}.")


@styled
def _people(panels: Mapping[str, Mapping[str, int]], columns: int) -> "Figure":
    from matplotlib.figure import Figure

    most = max(sum(panel.values()) for panel in panels.values())
    rows = -(-most // columns)
    wide = 7.0 / len(panels)
    cell = min(wide / (columns + 2), 0.2)
    figure = Figure(figsize=(7, rows * cell + 1.1), layout="constrained")
    axes_row = figure.subplots(1, len(panels), squeeze=False)[0]
    colours = ("#cf4a17", "#2d2b83", "#c9c9d9", "#e6e3da")
    kinds = list(dict.fromkeys(what for panel in panels.values() for what in panel))
    palette = dict(zip(kinds, colours if len(kinds) <= 4 else CLASS_COLOURS, strict=False))
    for axes, (title, panel) in zip(axes_row, panels.items(), strict=True):
        position = 0
        for what in kinds:
            places = range(position, position + panel.get(what, 0))
            position += panel.get(what, 0)
            axes.scatter(
                [p % columns for p in places],
                [-(p // columns) for p in places],
                s=(cell * 50) ** 2,
                color=palette[what],
                linewidths=0,
                label=what,
            )
        axes.set_title(plain(title, 30), loc="left", fontsize=10)
        axes.set_aspect("equal")
        axes.set_xlim(-1, columns)
        axes.set_ylim(-rows, 1)
        axes.set_axis_off()
    handles, labels = axes_row[0].get_legend_handles_labels()
    figure.legend(
        handles,
        [plain(label) for label in labels],
        loc="outside lower left",
        ncols=2,
        fontsize=9,
        frameon=False,
    )
    return figure
