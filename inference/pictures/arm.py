"""Pictures of a robot's arm: poses, and where in its reach a model errs."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, styled

__all__ = ["arm_poses", "error_map"]

_RED = "#a3140f"


@styled
def arm_poses(
    panels: Sequence[tuple[str, Sequence[tuple[Tensor, str]], Tensor]], target: Tensor
) -> Figure:
    """An arm in several poses for one target, one panel for each model.

    Args:
        panels: title, poses with their names (joints (3, 2) each), and the path of the elbow's
            first link over its whole range, (n, 2), drawn as a faint arc.
        target: where the hand should be, (2,).
    """
    figure = Figure(figsize=(7, 3.9), layout="constrained")
    axes_row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, poses, arc) in zip(axes_row, panels, strict=True):
        axes.plot(*arc.T.numpy(), color="#ddd9ce", linewidth=1)
        for colour, (joints, name) in zip(CLASS_COLOURS, poses, strict=False):
            _arm(axes, joints, colour, name)
        axes.plot(
            *target.numpy(),
            marker="x",
            markersize=11,
            markeredgewidth=2,
            color=_RED,
            zorder=5,
            linestyle="none",
            label="target",
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_aspect("equal")
        axes.set_xlim(-0.1, 1.05)
        axes.set_ylim(-0.1, 1.05)
        axes.set_xlabel("x, arm's lengths")
        axes.legend(loc="upper right", fontsize=8, frameon=False)
    axes_row[0].set_ylabel("y, arm's lengths")
    return figure


def _arm(axes: Axes, joints: Tensor, colour: str, label: str) -> None:
    x, y = joints.T.numpy()
    axes.plot(x, y, color=colour, linewidth=3, solid_capstyle="round", label=label, alpha=0.9)
    axes.plot(x, y, linestyle="none", marker="o", markersize=6, color="white", markeredgecolor=INK)


@styled
def error_map(panels: Sequence[tuple[str, Tensor, Tensor]]) -> Figure:
    """Distance between hand and target, at targets all over the arm's reach.

    Args:
        panels: title, targets (N, 2), and distances (N,) in arm's lengths, for each model.
    """
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes_row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    scale = LogNorm(1e-4, 2e-1)
    for axes, (title, targets, distances) in zip(axes_row, panels, strict=True):
        dots = axes.scatter(
            *targets.T.numpy(),
            c=distances.clamp(min=1e-4).numpy(),
            s=3,
            cmap="magma_r",
            norm=scale,
            linewidths=0,
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_aspect("equal")
        axes.set_xlabel("x of the target, arm's lengths")
    axes_row[0].set_ylabel("y of the target")
    bar = figure.colorbar(dots, ax=list(axes_row), shrink=0.9, extend="min")
    bar.set_label("hand's distance from it", color=SOFT_INK)
    return figure
