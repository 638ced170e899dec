"""Every picture of a trained model: functions from tensors to figures, without global state."""

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, StrMethodFormatter
from torch import Tensor

from plausible.inference.pictures.images import image_grid, latent_grid, reconstructions
from plausible.inference.pictures.latents import forces, latents_2d
from plausible.inference.pictures.numbers import number
from plausible.inference.pictures.style import CLASS_COLOURS, INK, SOFT_INK, save, style, styled
from plausible.models.errors import DataError

__all__ = [
    "decomposition",
    "forces",
    "image_grid",
    "latent_grid",
    "latents_2d",
    "loss_curve",
    "player_curves",
    "reconstructions",
    "save",
    "style",
]

_CURVE_POINTS = 500
_FAINT = "#c9c9e6"


@styled
def loss_curve(
    losses: Tensor,
    *,
    floor: float | None = None,
    unit: str = "nats per datum",
    validation: Mapping[int, float] | None = None,
) -> Figure:
    """The loss at every step, faint, and its running median over 2 % of the steps.

    The first 5 % of the steps may leave the frame at the top, so that they do not squash the
    rest; the picture then says where the loss began.

    Args:
        losses: loss at each step, (steps,).
        floor: the lowest value that any model can reach, where that is known; in the same unit.
        unit: what the loss is counted in.
        validation: loss on other data, by step; its lowest point is marked.

    Returns:
        The figure, with one axes.

    Raises:
        DataError: if losses are not a finite vector.
    """
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    judged = {s: v for s, v in (validation or {}).items() if s and math.isfinite(v)}
    _draw_losses(axes, losses, floor, judged)
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss, {unit}")
    return figure


@styled
def player_curves(losses: Mapping[str, Tensor]) -> Figure:
    """The loss of every player, each as `loss_curve` draws it, one above the other.

    Args:
        losses: by player the loss at each step, (steps,), as `Fit.losses` has them.

    Returns:
        The figure, with one axes for each player in their order.

    Raises:
        DataError: if there are no players, or losses are not finite vectors of one length.
    """
    if not losses:
        raise DataError("There are no losses to draw: give those of one player at least.")
    _check_vectors(**losses)
    figure = Figure(figsize=(7, 0.8 + 2.2 * len(losses)), layout="constrained")
    panels = figure.subplots(len(losses), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(panels, losses.items(), strict=True):
        _draw_losses(axes, values, None, {})
        axes.set_ylabel(name)
    panels[-1].set_xlabel("step")
    return figure


def _draw_losses(
    axes: Axes, losses: Tensor, floor: float | None, validation: Mapping[int, float]
) -> None:
    _check_vectors(losses=losses)
    losses = losses.detach().cpu().double()
    steps = torch.arange(1, len(losses) + 1)
    chosen, medians = _running_median(losses)
    axes.plot(steps.numpy(), losses.numpy(), color=_FAINT, linewidth=0.6)
    axes.plot(steps[chosen].numpy(), medians.numpy(), color=CLASS_COLOURS[0])
    for text, height, weight in (
        (number(float(medians[-1]), ",.5g"), 1, "bold"),
        ("median", -11, "normal"),
    ):
        axes.annotate(
            text,
            (len(losses), medians[-1].item()),
            xytext=(5, height),
            textcoords="offset points",
            color=CLASS_COLOURS[0],
            fontweight=weight,
            annotation_clip=False,
        )

    settled = losses[len(losses) // 20 :]
    low, high = settled.min().item(), settled.max().item()
    judged = [v for s, v in validation.items() if s > len(losses) // 20]
    low, high = min([low, *judged]), max([high, *judged])
    if floor is not None:
        low, high = min(low, floor), max(high, floor)
        axes.axhline(floor, color=CLASS_COLOURS[1], linewidth=1, linestyle=(0, (5, 3)))
        axes.annotate(
            f"floor {number(floor, ',.5g')}",
            (0.01, floor),
            xycoords=("axes fraction", "data"),
            xytext=(0, -4),
            textcoords="offset points",
            va="top",
            color=CLASS_COLOURS[1],
        )
    if judged:
        _draw_validation(axes, validation)
    room = (high - low) or 1.0
    below = 0.12 if floor is not None or judged else 0.05  # room for a label
    axes.set_ylim(low - below * room, high + 0.05 * room)
    if losses[0].item() > high:
        enters = int((losses <= high).nonzero()[0]) + 1
        axes.annotate(
            f"began at {number(float(losses[0]), ',.5g')}",
            (enters, 1),
            xycoords=("data", "axes fraction"),
            xytext=(14, 0),
            textcoords="offset points",
            va="top",
            color=SOFT_INK,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
    axes.set_xlim(0, len(losses))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _draw_validation(axes: Axes, losses: Mapping[int, float]) -> None:
    """The losses on other data, and a word at the lowest."""
    colour = CLASS_COLOURS[2]
    axes.plot(list(losses), list(losses.values()), color=colour, linewidth=1.2, marker=".")
    best = min(losses, key=losses.__getitem__)
    axes.plot([best], [losses[best]], color=colour, marker="o", markersize=6)
    right = best > max(losses) / 2
    axes.annotate(
        f"validation, lowest {number(losses[best], ',.5g')} at step {best:,}",
        (best, losses[best]),
        xytext=(-8 if right else 8, -4),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        color=colour,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


@styled
def decomposition(log_evidence: Tensor, elbo: Tensor, kl: Tensor) -> Figure:
    """Bars that show ln p(x) = ELBO + KL(q(z given x) ‖ p(z given x)) at single data points.

    A log density has no natural zero, so the bars start at the lower edge of the frame; what the
    eye compares is their tops with the exact lines.

    Args:
        log_evidence: exact ln p(x) of each data point, in nats, (N,).
        elbo: its evidence lower bound, in nats, (N,).
        kl: divergence of its approximate from its exact posterior, in nats, (N,).

    Returns:
        The figure, with one axes.

    Raises:
        DataError: if the three are not finite vectors of one length.

    Source: Kingma and Welling, Auto-Encoding Variational Bayes (2014), equation 1.
    """
    _check_vectors(log_evidence=log_evidence, elbo=elbo, kl=kl)
    exact, bound, gap = (v.detach().cpu().double().numpy() for v in (log_evidence, elbo, kl))
    count = len(exact)
    low, high = bound.min(), max(exact.max(), (bound + gap).max())
    room = (high - low) or 1.0
    bottom = low - 0.6 * room
    places = range(1, count + 1)
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(places, bound - bottom, bottom=bottom, width=0.62, color=_FAINT)
    axes.bar(places, gap, bottom=bound, width=0.62, color=CLASS_COLOURS[1])
    axes.hlines(
        exact, [k - 0.42 for k in places], [k + 0.42 for k in places], colors=INK, linewidth=1.6
    )
    axes.set_xlim(0.4, count + 0.6)
    axes.set_ylim(bottom, high + 0.12 * room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("data point")
    axes.set_ylabel("nats")
    heights = _apart(
        [(bottom + bound[-1]) / 2, bound[-1] + gap[-1] / 2, exact[-1]], 0.075 * (high - bottom)
    )
    for name, height, colour in zip(
        ("ELBO", "KL(q ‖ posterior)", "ln p(x), exact"),
        heights,
        ("#5b5aa0", CLASS_COLOURS[1], INK),
        strict=True,
    ):
        axes.annotate(
            name,
            (count + 0.5, height),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
    return figure


def _apart(heights: list[float], least: float) -> list[float]:
    """The same ascending heights, each at least `least` above the one before."""
    for k in range(1, len(heights)):
        heights[k] = max(heights[k], heights[k - 1] + least)
    return heights


def _running_median(losses: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of at most 500 steps, and the median of the losses around each."""
    last = len(losses) - 1
    half = len(losses) // 100
    chosen = torch.linspace(0, last, min(len(losses), _CURVE_POINTS), dtype=torch.float64)
    chosen = chosen.round().long()
    medians = [losses[max(0, k - half) : k + half + 1].quantile(0.5) for k in chosen.tolist()]
    return chosen, torch.stack(medians)


def _check_vectors(**vectors: Tensor) -> None:
    first = next(iter(vectors.values()))
    for name, values in vectors.items():
        if values.ndim != 1 or len(values) == 0 or values.shape != first.shape:
            raise DataError(
                f"{name} has shape {tuple(values.shape)}, but the picture needs "
                f"{'one number for each step' if len(vectors) == 1 else 'vectors of one length'}."
            )
        if not values.isfinite().all():
            wrong = int((~values.isfinite()).sum())
            raise DataError(f"{wrong} of the {len(values)} numbers in {name} are not finite.")
