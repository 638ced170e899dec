"""Graphs that a stranger can read: dashed is unseen, a crossed arrow is cut by setting a value."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from plausible.fairness.causal.graph import Graph
from plausible.fairness.reporting.figures import plain
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, styled

__all__ = ["graph_picture"]

_FAINT = "#c9c4b8"


def graph_picture(name: str, graph: Graph, caption: str, do: Iterable[str] = ()) -> Picture:
    """A graph, causes on the left.

    Args:
        name: of the file.
        graph: what is drawn.
        caption: what to see.
        do: variables that are set from outside: arrows into them are crossed out.
    """
    cut = tuple(do)
    graph.check(*cut)
    words = " ".join(graph.in_words())
    if cut:
        words += f" Set from outside: {', '.join(cut)}; nothing acts on that any more."
    return Picture(name, _figure(graph, cut), caption, f"A graph of arrows. {words}")


def _places(graph: Graph) -> dict[str, tuple[float, float]]:
    """Columns by the longest way from a root; an unseen root stands above what it acts on."""
    column: dict[str, int] = {}
    for v in graph.order:
        column[v] = max((column[p] + 1 for p in graph.parents[v]), default=0)
    hidden = frozenset(graph.unseen)
    rows: dict[int, list[str]] = {}
    for v in graph.order:
        if v in hidden and not graph.parents[v]:
            column[v] = max(min(column[w] for w in graph.network.successors(v)) - 1, 0)
        rows.setdefault(column[v], []).append(v)
    places = {}
    for x, names in rows.items():
        for i, v in enumerate(sorted(names, key=lambda v: v not in hidden)):
            # Neighbouring columns are shifted, so that no arrow runs through a name.
            places[v] = (float(x), (len(names) - 1) / 2 - i + 0.35 * (x % 2))
    return places


@styled
def _figure(graph: Graph, cut: tuple[str, ...]) -> Figure:
    places = _places(graph)
    width, height = (
        max(p[k] for p in places.values()) - min(p[k] for p in places.values()) for k in (0, 1)
    )
    figure = Figure(figsize=(min(2.2 + 1.7 * width, 7.4), 1.3 + 1.1 * height), layout="constrained")
    axes = figure.add_subplot()
    boxes = {}
    for v, place in places.items():
        fixed, dashed = v in cut, v in frozenset(graph.unseen)
        name = axes.text(
            *place,
            plain(v, 14),
            ha="center",
            va="center",
            color=INK,
            fontsize=9.5,
            zorder=3,
            bbox={
                "boxstyle": "square,pad=0.45" if fixed else "round,pad=0.45",
                "facecolor": "#fbe3d9" if fixed else "white",
                "edgecolor": CLASS_COLOURS[1] if fixed else SOFT_INK,
                "linestyle": (0, (4, 3)) if dashed else "-",
                "linewidth": 1.3,
            },
        )
        boxes[v] = name.get_bbox_patch()
    for v, w in graph.network.edges:
        _arrow(axes, (places[v], places[w]), (boxes[v], boxes[w]), w in cut)
    for limit, k, room in ((axes.set_xlim, 0, 0.55), (axes.set_ylim, 1, 0.6)):
        ends = [p[k] for p in places.values()]
        limit(min(ends) - room, max(ends) + room)
    axes.set_axis_off()
    return figure


def _arrow(axes: Axes, ends: Sequence[tuple[float, float]], boxes: Any, cut: bool) -> None:
    """An arrow from box to box; it is drawn after the names, whose size it has to know."""
    axes.add_patch(
        FancyArrowPatch(
            *ends,
            patchA=boxes[0],
            patchB=boxes[1],
            arrowstyle="-|>",
            mutation_scale=13,
            shrinkA=3,
            shrinkB=3,
            color=_FAINT if cut else INK,
            linestyle=(0, (3, 2)) if cut else "-",
            linewidth=1.3,
            zorder=4,
        )
    )
    if cut:
        x, y = ((a + b) / 2 for a, b in zip(*ends, strict=True))
        axes.text(
            x, y, "×", color=CLASS_COLOURS[1], fontsize=15, ha="center", va="center", zorder=5
        )
