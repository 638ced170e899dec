"""One pixel of a colour image: the density of each of its channels."""

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from plausible.inference.pictures.numbers import number
from plausible.inference.pictures.style import INK, styled

__all__ = ["pixel_densities"]

_CHANNELS = ("red", "green", "blue")
_CHANNEL_COLOURS = ("#c8102e", "#0a7d33", "#1f4fbf")


@styled
def pixel_densities(
    image: Tensor, pixel: tuple[int, int], mean: Tensor, scale: Tensor, truth: Tensor
) -> Figure:
    """An image with one pixel marked, and the normal density of each channel of that pixel.

    Args:
        image: values in [0, 1], (3, H, W).
        pixel: its row and column.
        mean, scale: of the three densities, (3,).
        truth: the channels' true values, (3,), marked on the axis.
    """
    figure = Figure(figsize=(7, 3.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.9))
    left.imshow(image.movedim(0, -1).numpy(), vmin=0, vmax=1)
    left.set_axis_off()
    left.add_patch(
        Rectangle((pixel[1] - 1, pixel[0] - 1), 2, 2, fill=False, edgecolor=INK, linewidth=1.6)
    )
    values = torch.linspace(-0.25, 1.25, 600)
    names = zip(_CHANNELS, _CHANNEL_COLOURS, (14, 10, 6), strict=True)
    for (name, colour, size), *numbers in zip(names, mean, scale, truth, strict=True):
        loc, width, true = map(float, numbers)
        density = torch.distributions.Normal(loc, width).log_prob(values).exp()
        label = f"{name}: mean {number(loc, '.2f')}, scale {width:.2f}"
        right.plot(values.numpy(), density.numpy(), color=colour, label=label)
        right.plot([true], [0], "^", markersize=size, color=colour, clip_on=False, zorder=5)
    right.set_xlim(-0.25, 1.25)
    right.set_ylim(bottom=0)
    right.set_xlabel("value of the channel; triangles: what it was")
    right.set_ylabel("density")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper right", fontsize=9)
    return figure
