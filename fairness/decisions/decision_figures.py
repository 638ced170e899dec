"""The pictures of a decision: which action has the lowest expected cost where (G5)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from plausible.fairness.decisions.costs import Costs
from plausible.fairness.reporting.figures import plain
from plausible.inference.pages.page import Picture
from plausible.inference.pictures.style import CLASS_COLOURS, INK, styled

__all__ = ["draw_decisions", "winners"]

Array = NDArray[np.float64]
_FACTORS = (0.01, 100.0)


def winners(costs: Costs, probability: Array, factor: Array, outcome: int = 0) -> NDArray[np.int64]:
    r"""The pure action with the lowest expected cost, over probability and over a cost factor.

    .. math:: \arg\min_a\; p\, f\, C_{a1} + (1 - p)\, \bar C_{a2}

    The middle of every range is taken; with more than two outcomes the others keep equal parts.

    Args:
        costs: of every action.
        probability: p, of the outcome, shape (P,).
        factor: f, by which all costs at that outcome are multiplied, shape (F,).
        outcome: its index.

    Returns:
        Indices of actions, shape (F, P).
    """
    C = costs.mean[: len(costs.cells)]
    others = np.delete(C, outcome, axis=1).mean(1)
    loss = (
        probability[None, :, None] * factor[:, None, None] * C[None, None, :, outcome]
        + (1 - probability)[None, :, None] * others[None, None]
    )
    return np.asarray(loss.argmin(2))


def draw_decisions(costs: Costs, mean: Array) -> Sequence[Picture]:
    """Expected cost against probability, and the map over probability and cost factor.

    Args:
        costs: of every action.
        mean: probabilities of the outcomes, shape (outcomes,).
    """
    outcome = costs.outcomes[0]
    p = np.linspace(0, 1, 1001)
    best = winners(costs, p, np.ones(1))[0]
    ends = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(p)]
    cheapest = ", ".join(
        f"{costs.actions[best[a]]} from {100 * p[a]:.1f} to {100 * p[b - 1]:.1f} %"
        for a, b in pairwise(ends)
    )
    more = " The other outcomes keep equal parts." if len(costs.outcomes) > 2 else ""
    return [
        Picture(
            "decision-costs",
            _lines(costs, mean),
            f"Expected cost of each action against the probability of {outcome}; bands are the "
            f"ranges of the costs. The upright line is the probability here.{more}",
            f"With the middle of every range the lowest cost has, by the probability of "
            f"{outcome}: {cheapest}.",
        ),
        Picture(
            "decision-map",
            _map(costs, mean),
            f"Which action has the lowest expected cost: across, the probability of {outcome}; "
            f"upwards, how many times its costs are what was assumed. The cross is this case."
            f"{more}",
            f"A map of areas, one for each action. On the level of the assumed costs: {cheapest}.",
        ),
    ]


@styled
def _lines(costs: Costs, mean: Array) -> Figure:
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axes = figure.add_subplot()
    p = np.linspace(0, 1, 201)
    low, high = costs.ends
    for i, (name, colour) in enumerate(zip(costs.cells, CLASS_COLOURS, strict=False)):
        lines = [p * C[i, 0] + (1 - p) * np.delete(C[i], 0).mean() for C in (low, costs.mean, high)]
        axes.fill_between(100 * p, lines[0], lines[2], color=colour, alpha=0.18, linewidth=0)
        axes.plot(100 * p, lines[1], color=colour, label=plain(name))
    axes.axvline(100 * mean[0], color=INK, linewidth=0.8, linestyle="--")
    smallest = float(min(np.min(low), 0))
    axes.set_ylim(smallest, max(1.2 * _interesting(costs), smallest + 1e-9))
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"probability of {plain(costs.outcomes[0])}, %")
    axes.set_ylabel("expected cost")
    figure.legend(loc="outside upper center", ncols=min(len(costs.cells), 3))
    return figure


def _interesting(costs: Costs) -> float:
    """The highest cost of the second best action, so that the crossings fill the frame."""
    p = np.linspace(0, 1, 201)[:, None]
    C = costs.mean[: len(costs.cells)]
    loss = np.sort(p * C[None, :, 0] + (1 - p) * np.delete(C, 0, axis=1).mean(1)[None], axis=1)
    return float(loss[:, min(1, loss.shape[1] - 1)].max())


@styled
def _map(costs: Costs, mean: Array) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    p = np.linspace(0, 1, 401)
    f = np.geomspace(*_FACTORS, 301)
    names = list(costs.cells)
    colours = [CLASS_COLOURS[i % len(CLASS_COLOURS)] for i in range(len(names))]
    area = winners(costs, p, f)
    axes.pcolormesh(
        100 * p,
        f,
        area,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        shading="nearest",
        alpha=0.85,
        rasterized=True,
    )
    axes.plot(100 * mean[0], 1, "x", color="white", markersize=11, markeredgewidth=4)
    axes.plot(100 * mean[0], 1, "x", color=INK, markersize=9, markeredgewidth=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g} ×"))
    axes.set_xlabel(f"probability of {plain(costs.outcomes[0])}, %")
    axes.set_ylabel(f"costs where it is {plain(costs.outcomes[0])}")
    handles = [Patch(color=colours[i], alpha=0.85, label=plain(names[i])) for i in np.unique(area)]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 3))
    return figure
