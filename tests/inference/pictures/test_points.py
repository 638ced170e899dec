"""Pictures of points: what is counted, framed and enclosed is what the numbers say."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from torch import Tensor

from plausible.inference.pictures.points import (
    MASSES,
    density_contours,
    density_panels,
    point_panels,
)
from plausible.models.errors import DataError


def offsets(axes: Axes) -> np.ndarray:
    (points,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    return np.asarray(points.get_offsets())


def words(figure: Figure) -> str:
    figure.canvas.draw()
    parts = [text.get_text() for axes in figure.axes for text in (axes.title, axes.xaxis.label)]
    parts += [axes.get_title(loc="left") for axes in figure.axes]
    return " ".join([*parts, figure.get_supxlabel()])


def normal(scale: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.distributions.Normal(0.0, scale).log_prob(x).sum(-1)


def test_a_density_panel_counts_every_point_in_its_frame_where_it_is() -> None:
    """A tenth of the points lie far to the right and down; at least 99 % are in the frame.

    Seen failing with the two coordinates interchanged.
    """
    x = torch.randn(5000, 2) * torch.tensor([3.0, 0.2])
    x[:500] = torch.tensor([30.0, -2.0]) + 0.01 * torch.randn(500, 2)
    figure = density_panels({"one": x, "two": -x}, cells=50)
    assert len(figure.axes) == 2
    for axes, sign in zip(figure.axes, (1, -1), strict=True):
        (image,) = axes.images
        counts = np.ma.filled(image.get_array(), 0)
        assert isinstance(image.norm, LogNorm)
        assert axes.get_aspect() == 1
        assert 0.99 * 5000 <= counts.sum() <= 5000
        corner = counts[:25, 25:] if sign == 1 else counts[25:, :25]
        assert corner.sum() == pytest.approx(500, abs=5)
        low, high, bottom, top = image.get_extent()
        scaled = sign * (x - x.mean(0)) / x.std(0)
        inside = (scaled > torch.tensor([low, bottom])) & (scaled < torch.tensor([high, top]))
        assert counts.sum() == int(inside.all(1).sum())
    assert all(name in words(figure) for name in ("one", "two", "standard deviations", "logarithm"))


def test_density_panels_stand_in_as_many_rows_as_they_need() -> None:
    figure = density_panels({str(k): torch.randn(50, 2) for k in range(5)}, columns=3)
    grid = {axes.get_subplotspec().get_geometry()[:2] for axes in figure.axes}  # type: ignore[union-attr]
    assert (len(figure.axes), grid) == (5, {(2, 3)})


def test_point_panels_share_the_frame_of_the_first_and_show_every_point() -> None:
    data, other = torch.rand(40, 2) * torch.tensor([4.0, 1.0]), 0.01 * torch.randn(30, 2)
    figure = point_panels({"data": data, "other": other}, {"data": "all", "other": "ratio 0.1"})
    first, second = figure.axes
    np.testing.assert_allclose(offsets(first), data.numpy())
    np.testing.assert_allclose(offsets(second), other.numpy())
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim()[0] < float(data[:, 0].min())
    assert first.get_xlim()[1] > float(data[:, 0].max())
    assert first.get_aspect() == second.get_aspect() == 1
    assert all(word in words(figure) for word in ("data", "other", "ratio 0.1", "x₁"))
    assert first.get_ylabel() == "x₂"


@pytest.mark.parametrize("scale", [0.5, 0.8])
def test_contours_enclose_the_stated_shares_of_the_mass(scale: float) -> None:
    """Outside the share m a normal's density is below (1 - m) of its peak; 3 % is the grid's.

    Seen failing without the area of a grid's cell.
    """
    points = torch.tensor([[-3.0, -3.0], [3.0, 3.0], [0.0, 1.0]])
    figure = density_contours(points, {"normal": normal(scale)}, {"normal": "as it is"})
    (axes,) = figure.axes
    lines = [c for c in axes.collections if isinstance(c, QuadContourSet) and not c.filled]
    expected = [(1 - mass) / (2 * math.pi * scale**2) for mass in reversed(MASSES)]
    np.testing.assert_allclose(lines[0].levels, expected, rtol=0.03)
    np.testing.assert_allclose(offsets(axes), points.numpy())
    assert all(word in words(figure) for word in ("normal", "as it is", "50, 80, 95 and 99 %"))


def test_contours_of_each_density_have_their_own_panel_and_named_axes() -> None:
    x = torch.randn(100, 2) * torch.tensor([1.0, 20.0])
    figure = density_contours(
        x,
        {"wide": normal(20.0), "narrow": normal(0.001)},
        {"wide": "a", "narrow": "b"},
        names=("minutes", "wait"),
        equal=False,
    )
    first, second = figure.axes
    assert (first.get_xlabel(), second.get_xlabel()) == ("minutes\na", "minutes\nb")
    assert first.get_ylabel() == "wait"
    assert first.get_aspect() == "auto"
    assert first.get_xlim()[1] - first.get_xlim()[0] < 20 < first.get_ylim()[1]


def test_what_cannot_be_shown_is_refused_in_a_sentence() -> None:
    x = torch.randn(10, 2)
    with pytest.raises(DataError, match=r"'a' has shape \(10, 3\), but .* points \(N, 2\)"):
        density_panels({"a": torch.randn(10, 3)})
    with pytest.raises(DataError, match="do not vary in one coordinate"):
        density_panels({"a": x * torch.tensor([1.0, 0.0])})
    with pytest.raises(DataError, match="must be at least 1"):
        density_panels({"a": x}, columns=0)
    with pytest.raises(DataError, match="1 of the 10 points of 'a' are not finite"):
        point_panels({"a": torch.cat([x[:9], x[:1] / 0])}, {"a": ""})
    with pytest.raises(DataError, match=r"panels are \['a'\], captions \['b'\]"):
        point_panels({"a": x}, {"b": ""})
    with pytest.raises(DataError, match=r"panels are \['a'\], captions \[\]"):
        density_contours(x, {"a": normal(1.0)}, {})
    with pytest.raises(DataError, match="must give one number for each"):
        density_contours(x, {"a": lambda p: p}, {"a": ""})
