"""The evidence and bounds on it along a line of parameters: each gap is a divergence."""

from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from torch import Tensor

from plausible.inference.pictures.numbers import number
from plausible.inference.pictures.style import CLASS_COLOURS, INK, styled
from plausible.models.errors import DataError

__all__ = ["bounds_along"]


@styled
def bounds_along(
    line: Tensor,
    log_evidence: Tensor,
    bounds: Mapping[str, tuple[Tensor, Tensor]],
    *,
    x_label: str = "θ",
) -> Figure:
    """ln p(x; θ) and evidence lower bounds along a line in θ, each maximum marked.

    Bars from each bound upwards are as long as the exact divergence: they end at the evidence.

    Args:
        line: places on the line, ascending, (T,).
        log_evidence: exact mean ln p(x; θ) at each, in nats, (T,).
        bounds: by name the bound and the exact KL(q ‖ posterior) at each place, (T,) each; at most
            four.
        x_label: what the line is.

    Returns:
        The figure, with one axes.

    Raises:
        DataError: for vectors of different lengths.
    """
    curves = {"ln p(x; θ), exact": log_evidence} | {k: bound for k, (bound, _) in bounds.items()}
    if any(curve.shape != line.shape for curve in curves.values()):
        raise DataError("The evidence and every bound need one number for each place on the line.")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    colours = (INK, *CLASS_COLOURS)
    for (name, curve), colour in zip(curves.items(), colours, strict=False):
        best = int(curve.argmax())
        place, height = float(line[best]), float(curve[best])
        label = f"{name}: highest at {number(place, '.2f')}"
        axes.plot(line.numpy(), curve.numpy(), color=colour, label=label)
        axes.plot([place], [height], "o", color=colour, markersize=6, zorder=5)
    places = torch.linspace(0, len(line) - 1, 12).round().long()[1:-1]
    for (bound, divergence), colour in zip(bounds.values(), colours[1:], strict=False):
        low = bound[places]
        axes.vlines(
            line[places].numpy(),
            low.numpy(),
            (low + divergence[places]).numpy(),
            colors=colour,
            linewidth=0.9,
            linestyles=(0, (2, 2)),
        )
    top = float(log_evidence.max())
    middle = len(line) // 2
    room = top - min(float(curve[middle]) for curve in curves.values())
    axes.set_ylim(top - 3 * room, top + 0.12 * room)
    axes.set_xlim(float(line[0]), float(line[-1]))
    axes.set_xlabel(x_label)
    axes.set_ylabel("nats per datum")
    axes.plot(
        [], [], color=INK, linewidth=0.9, linestyle=(0, (2, 2)), label="exact KL(q ‖ posterior)"
    )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", fontsize=9, ncols=2)
    return figure
