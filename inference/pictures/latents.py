"""Pictures of a two-dimensional latent space, coloured by classes that the model never saw."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, styled
from plausible.models.errors import DataError

__all__ = ["forces", "latents_2d"]

_HALO = (withStroke(linewidth=2.5, foreground="white"),)
_THIN_HALO = (withStroke(linewidth=1.8, foreground="white"),)
_PRIOR_RADIUS = 2.0
_DASHED = "dashed: 1 and 2 standard deviations of the prior"
_SEARCHED = 3000  # points among which the densest place of each class is sought
_CAPTION_LETTERS = 34  # in a line below a panel


@styled
def latents_2d(
    z: Tensor, labels: Tensor | None = None, class_names: Sequence[str] | None = None
) -> Figure:
    """Latents as points, coloured by class; each class is also named where it is densest.

    Dashed circles lie 1 and 2 standard deviations from the mean of the prior N(0, I).

    Args:
        z: latents, (N, 2).
        labels: class of each, integers 0, 1, …, 9, (N,).
        class_names: name of class 0, 1, …; the number itself where not given.

    Returns:
        The figure, with one axes.

    Raises:
        DataError: if the shapes do not fit, a latent is not finite, or a label has no name or
            is above 9: more than ten colours cannot be told apart.
    """
    figure = Figure(figsize=(6.2, 6.2), layout="constrained")
    axes = figure.add_subplot()
    _draw_latents(axes, z, labels, class_names, inches=5.6, fontsize=10)
    axes.set_xlabel("z₁", loc="right")
    axes.set_ylabel("z₂", loc="top", rotation=0)
    figure.supxlabel(_DASHED, fontsize=9, color=SOFT_INK)
    return figure


@styled
def forces(
    panels: Mapping[str, tuple[Tensor, Tensor | None]],
    captions: Mapping[str, str],
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Latent spaces side by side, each on its own scale, such as one for each term left out.

    The dashed circles are the prior's 1 and 2 standard deviations in every panel, so that their
    size tells how far a panel is zoomed out.

    Args:
        panels: latents (N, 2) and labels (N,) by title.
        captions: a sentence, such as what was measured, below each panel; by title.
        class_names: name of class 0, 1, …; the number itself where not given.

    Returns:
        The figure, with one axes for each panel.

    Raises:
        DataError: if captions and panels have different titles, or a panel does not fit
            `latents_2d`.
    """
    if not panels or panels.keys() != captions.keys():
        raise DataError(
            f"Each panel needs one caption: panels are {list(panels)}, captions {list(captions)}."
        )
    side = 2.75
    below = {
        title: [part for line in caption.splitlines() for part in wrap(line, _CAPTION_LETTERS)]
        for title, caption in captions.items()
    }
    lines = max(len(parts) for parts in below.values())
    size = (side * len(panels), side + 0.7 + 0.16 * lines)
    figure = Figure(figsize=size, layout="constrained")
    for column, (title, (z, labels)) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), column)
        _draw_latents(axes, z, labels, class_names, inches=side - 0.5, fontsize=8)
        axes.set_title(title)
        axes.set_xlabel("\n".join(below[title]))
    figure.supxlabel(f"{_DASHED}; scales differ", fontsize=9, color=SOFT_INK)
    return figure


def _draw_latents(
    axes: Axes,
    z: Tensor,
    labels: Tensor | None,
    class_names: Sequence[str] | None,
    inches: float,
    fontsize: float,
) -> None:
    """Draw points, prior and class names in a square."""
    z, names = _checked(z, labels, class_names)
    low = z.amin(0).clamp(max=-1.1 * _PRIOR_RADIUS)
    high = z.amax(0).clamp(min=1.1 * _PRIOR_RADIUS)
    span = 1.06 * (high - low).max().item()
    middle = (low + high) / 2
    axes.set_xlim(middle[0].item() - span / 2, middle[0].item() + span / 2)
    axes.set_ylim(middle[1].item() - span / 2, middle[1].item() + span / 2)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))

    # Data sets are often sorted by class; in that order the last class would cover the others.
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(0))
    colours: list[str] | str = CLASS_COLOURS[0]
    if labels is not None:
        colours = [CLASS_COLOURS[label] for label in labels[order].tolist()]
    size = min(14.0, inches * max(0.9, 4000 / len(z)))
    first, second = z[order].T.numpy()
    axes.scatter(first, second, s=size, c=colours, alpha=0.7, linewidths=0, rasterized=True)
    for radius in (1.0, _PRIOR_RADIUS):
        axes.add_patch(
            Circle(
                (0, 0),
                radius,
                fill=False,
                edgecolor=INK,
                linewidth=0.9,
                linestyle=(0, (4, 3)),
                path_effects=_THIN_HALO,
            )
        )
    if labels is not None:
        places = {k: _home(z[order], labels.cpu()[order] == k) for k in names}
        _name_classes(axes, names, places, span / inches, fontsize)


def _home(z: Tensor, own: Tensor) -> Tensor:
    """Where a class is densest and the others are not: one of its points.

    The median of a class in two clouds lies between them, often in a cloud of another class.
    """
    mine = z[own][:_SEARCHED]
    around, theirs = z[:_SEARCHED], own[:_SEARCHED]
    width = 0.25 * z.std(0, correction=0).mean().clamp(min=1e-6)
    near = (-0.5 * (torch.cdist(mine, around) / width).square()).exp()
    return mine[(near @ (2.0 * theirs - 1)).argmax()]


def _checked(
    z: Tensor, labels: Tensor | None, class_names: Sequence[str] | None
) -> tuple[Tensor, dict[int, str]]:
    """Latents to draw, and the name of every class that occurs."""
    if z.ndim != 2 or z.shape[1] != 2 or len(z) == 0:
        raise DataError(
            f"The latents have shape {tuple(z.shape)}, but this picture needs (N, 2): "
            "a model with latent_size=2."
        )
    z = z.detach().cpu().float()
    if not z.isfinite().all():
        raise DataError(f"{int((~z.isfinite()).any(1).sum())} of {len(z)} latents are not finite.")
    if labels is None:
        return z, {}
    if labels.shape != z.shape[:1] or labels.is_floating_point():
        raise DataError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}, but {len(z)} latents "
            f"need integers of shape ({len(z)},)."
        )
    classes = labels.unique().tolist()
    most = len(CLASS_COLOURS) if class_names is None else min(len(class_names), len(CLASS_COLOURS))
    if classes[0] < 0 or classes[-1] >= most:
        raise DataError(
            f"labels go from {classes[0]} to {classes[-1]}, but only 0 to {most - 1} have "
            f"{'a colour' if class_names is None else 'a name and a colour'}."
        )
    return z, {int(k): str(int(k)) if class_names is None else class_names[k] for k in classes}


def _name_classes(
    axes: Axes,
    names: dict[int, str],
    homes: dict[int, Tensor],
    per_inch: float,
    fontsize: float,
) -> None:
    """Write each name on a badge of its colour at its place, or near it where badges collide."""
    letters = max(len(name) for name in names.values())
    line = fontsize / 72 * 2
    badge = torch.tensor([max(line, (0.62 * letters + 1) * fontsize / 72), line]) * per_inch
    anchors = torch.stack(list(homes.values()))
    places = _spread(anchors / badge) * badge
    for k, anchor, place in zip(names, anchors, places, strict=True):
        colour = CLASS_COLOURS[k]
        if ((place - anchor) / badge).norm() > 0.5:
            way = torch.stack([anchor, place]).T.numpy()
            axes.plot(*way, color=colour, linewidth=1, path_effects=_HALO)
        red, green, blue = to_rgb(colour)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        axes.annotate(
            names[k],
            place.tolist(),
            ha="center",
            va="center",
            fontsize=fontsize,
            fontweight="bold",
            color="white" if dark else INK,
            bbox={
                "boxstyle": "circle,pad=0.25" if letters == 1 else "round,pad=0.3",
                "facecolor": colour,
                "edgecolor": "white",
                "linewidth": fontsize / 7,
            },
        )


def _spread(anchors: Tensor) -> Tensor:
    """Move points (K, 2) the little that puts any two at least 1 apart."""
    turn = torch.arange(len(anchors)) * 2.4
    places = anchors + 1e-2 * turn.sqrt()[:, None] * torch.stack([turn.cos(), turn.sin()], dim=-1)
    for _ in range(500):
        apart = places[:, None] - places[None]
        distance = apart.norm(dim=-1).clamp(min=1e-6)
        push = (1.01 - distance).clamp(min=0).fill_diagonal_(0)
        if push.max() <= 0.01:
            break
        places = places + 0.15 * (apart / distance[..., None] * push[..., None]).sum(1)
    return places
