"""Pictures of networks that output a distribution show the numbers that they are given."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.stats import norm

from plausible.inference.pictures.arm import arm_poses, error_map
from plausible.inference.pictures.pixel import pixel_densities
from plausible.inference.pictures.regression import (
    bands,
    compared,
    conditional_density,
    image_rows,
    least_sure,
    reliability,
)
from plausible.models.errors import DataError


def dots(axes: Axes, which: int = 0) -> np.ndarray:
    """Where the points of a scatter plot are, (N, 2)."""
    plots = [c for c in axes.collections if isinstance(c, PathCollection)]
    return np.asarray(plots[which].get_offsets())


def bars(axes: Axes) -> np.ndarray:
    """Both ends of every error bar, (N, 2, 2)."""
    (lines,) = [c for c in axes.collections if isinstance(c, LineCollection)]
    return np.asarray(lines.get_segments())


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]


def test_a_conditional_density_lies_where_x_and_y_say_with_its_heavy_centres() -> None:
    """Seen failing with the density transposed, and with light components drawn."""
    x, y = torch.linspace(0, 3, 40), torch.linspace(-1, 1, 50)
    density = torch.rand(50, 40)
    centres = torch.stack([x / 3, -x / 3], dim=-1)
    weights = torch.stack([torch.full((40,), 0.97), torch.full((40,), 0.03)], dim=-1)
    data = torch.rand(30) * 3, torch.rand(30)
    figure = conditional_density(x, y, density, data, centres, weights, x_label="a", y_label="b")
    left, right = figure.axes
    (image,) = left.images
    np.testing.assert_allclose(np.asarray(image.get_array()) ** 2, density, rtol=1e-5)
    assert image.origin == "lower"
    assert image.get_extent() == pytest.approx([0, 3, -1, 1])
    np.testing.assert_allclose(dots(left), torch.stack([x, x / 3], dim=-1), rtol=1e-6)
    np.testing.assert_allclose(dots(right), torch.stack(data, dim=-1), rtol=1e-6)
    assert (left.get_xlabel(), left.get_ylabel()) == ("a", "b")
    assert left.get_ylim() == right.get_ylim() == (-1, 1)


def test_models_are_compared_by_dots_with_two_standard_errors() -> None:
    """Seen failing with one standard error."""
    figure = compared(["good", "bad"], [-1.2, 0.5], [0.01, 0.1], -1.3)
    (axes,) = figure.axes
    np.testing.assert_allclose(bars(axes)[:, :, 0], [[-1.22, -1.18], [0.3, 0.7]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "bad"]
    words = [text.get_text() for text in axes.texts]
    assert words == ["−1.200", "0.500", "floor −1.300"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first is on top
    low, high = axes.get_xlim()
    assert low < -1.3 and high > 0.7
    assert not compared(["one"], [0.0], [0.1], None).axes[0].texts[1:]


def test_bands_reach_from_end_to_end_of_their_intervals() -> None:
    """Seen failing with the shades in the order of the levels, widest over all others."""
    grid = torch.linspace(0, 1, 20)
    levels = (0.5, 0.95)
    intervals = [(grid - width, grid + width) for width in (0.1, 0.4)]
    figure = bands([("one", grid, intervals), ("two", grid, intervals)], grid, (grid, grid), levels)
    assert titles(figure) == ["one", "two"]
    for axes in figure.axes:
        fills = [c for c in axes.collections if isinstance(c, PolyCollection)]
        assert [fill.get_label() for fill in fills] == ["95 %", "50 %"]
        for fill, width in zip(fills, (0.4, 0.1), strict=True):
            (path,) = fill.get_paths()
            place, height = np.asarray(path.vertices).T
            np.testing.assert_allclose(np.abs(height - place).max(), width, rtol=1e-4)
        (mean,) = axes.lines
        np.testing.assert_allclose(np.asarray(mean.get_data())[1], grid)
        np.testing.assert_allclose(dots(axes), torch.stack([grid, grid], dim=-1))


def test_reliability_has_a_diagonal_and_bars_of_two_standard_errors() -> None:
    stated, observed = torch.tensor([0.1, 0.7]), torch.tensor([0.2, 0.6])
    errors = torch.tensor([0.02, 0.05])
    figure = reliability(stated, observed, errors, x_label="stated", y_label="seen")
    (axes,) = figure.axes
    np.testing.assert_allclose(bars(axes)[:, :, 0], [[0.1, 0.1], [0.7, 0.7]], rtol=1e-6)
    np.testing.assert_allclose(bars(axes)[:, :, 1], [[0.16, 0.24], [0.5, 0.7]], rtol=1e-6)
    near_ends = reliability(
        torch.tensor([0.05, 0.95]),
        torch.tensor([0.01, 0.99]),
        torch.tensor([0.02, 0.02]),
        x_label="stated",
        y_label="seen",
    )
    ends = bars(near_ends.axes[0])[:, :, 1]  # shares are between 0 and 1
    np.testing.assert_allclose(ends, [[0, 0.05], [0.95, 1]], rtol=1e-5, atol=1e-6)
    assert np.asarray(axes.lines[0].get_data()).tolist() == [[0, 1], [0, 1]]
    assert axes.get_aspect() == 1
    with pytest.raises(DataError, match="compares two vectors"):
        reliability(stated, observed[:1], errors, x_label="", y_label="")


def test_rows_of_images_hold_every_pixel_and_say_their_range() -> None:
    bright, faint = torch.rand(3, 1, 4, 6), 0.2 * torch.rand(3, 1, 4, 6)
    bright[0, 0, 0, 0] = 1
    faint[0, 0, 0, 0] = 0.2
    figure = image_rows([("mean", bright), ("scale", faint)])
    for axes, images, top in zip(figure.axes, (bright, faint), (1.0, 0.2), strict=True):
        (shown,) = axes.images
        sheet = np.asarray(shown.get_array())
        for k in range(3):
            start = k * (sheet.shape[1] - 6) // 2
            np.testing.assert_array_equal(sheet[:, start : start + 6], images[k, 0])
        assert shown.get_clim() == pytest.approx((0, top))
    labels = [axes.get_yticklabels()[0].get_text() for axes in figure.axes]
    assert labels == ["mean", "scale\n0 to 0.2"]


def test_rows_of_colour_images_are_white_between_and_cut_off_above_one() -> None:
    images = torch.rand(2, 3, 4, 6)
    images[0, 0, 0, 0] = 1.5
    (axes,) = image_rows([("mean", images)]).axes
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape == (4, 13, 3)
    np.testing.assert_array_equal(sheet[:, :6], images[0].clamp(0, 1).movedim(0, -1))
    np.testing.assert_array_equal(sheet[:, 6], np.ones((4, 3)))


def test_the_densities_of_a_pixel_are_those_of_its_channels() -> None:
    mean, scale = torch.tensor([0.2, 0.5, 0.8]), torch.tensor([0.1, 0.2, 0.05])
    figure = pixel_densities(torch.rand(3, 6, 5), (4, 2), mean, scale, torch.tensor([0.1, 0.5, 1]))
    image, densities = figure.axes
    (square,) = image.patches
    assert square.get_xy() == (1, 3) and square.get_width() == square.get_height() == 2
    curves = [line for line in densities.lines if len(line.get_xdata()) > 1]
    marks = [float(line.get_xdata()[0]) for line in densities.lines if len(line.get_xdata()) == 1]
    assert marks == pytest.approx([0.1, 0.5, 1])
    for curve, loc, width in zip(curves, mean.tolist(), scale.tolist(), strict=True):
        expected = norm.pdf(curve.get_xdata(), loc, width)
        np.testing.assert_allclose(curve.get_ydata(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_unsure_image_has_its_words(channels: int) -> None:
    images = torch.rand(7, channels, 5, 5)
    figure = least_sure(images, [f"is {k}" for k in range(7)])
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.texts[0].get_text() for axes in drawn] == [f"is {k}" for k in range(7)]
    for axes, image in zip(drawn, images, strict=True):
        expected = image.movedim(0, -1).squeeze(-1)
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), expected)


def test_an_arm_is_drawn_from_joint_to_joint_and_its_target_marked() -> None:
    joints = torch.tensor([[0.0, 0.0], [0.5, 0.6], [0.7, 0.5]])
    arc = torch.rand(9, 2)
    panels = [("one", [(joints, "weight 0.60"), (joints + 0.1, "weight 0.40")], arc)]
    figure = arm_poses(panels, torch.tensor([0.7, 0.5]))
    (axes,) = figure.axes
    paths = [np.asarray(line.get_data()).T for line in axes.lines]
    np.testing.assert_allclose(paths[0], arc)
    assert sum(path.shape == (3, 2) and np.allclose(path, joints) for path in paths) == 2
    assert sum(path.shape == (3, 2) and np.allclose(path, joints + 0.1) for path in paths) == 2
    np.testing.assert_allclose(paths[-1], [[0.7, 0.5]])
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "weight 0.60",
        "weight 0.40",
        "target",
    ]
    assert axes.get_aspect() == 1


def test_an_error_map_colours_each_target_by_its_distance() -> None:
    targets, distances = torch.rand(50, 2), torch.rand(50).pow(6)
    figure = error_map([("one", targets, distances), ("two", targets, 2 * distances)])
    first, second, bar = figure.axes
    for axes, factor in ((first, 1), (second, 2)):
        (plot,) = axes.collections
        np.testing.assert_allclose(dots(axes), targets)
        np.testing.assert_allclose(
            np.asarray(plot.get_array()), (factor * distances).clamp(min=1e-4), rtol=1e-6
        )
        assert isinstance(plot.norm, LogNorm)
        assert plot.get_clim() == first.collections[0].get_clim()
    assert "distance" in bar.get_ylabel()
