"""Pictures show exactly the numbers that they are given, and refuse what they cannot show."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from scipy.stats import norm
from torch import Tensor

from plausible.inference.pictures.curves import (
    decomposition,
    forces,
    image_grid,
    latent_grid,
    latents_2d,
    loss_curve,
    player_curves,
    reconstructions,
)
from plausible.inference.pictures.style import CLASS_COLOURS
from plausible.models.errors import DataError


def some_losses(steps: int = 400) -> Tensor:
    return 100 + 400 * torch.exp(-torch.arange(steps) / 5) + torch.rand(steps)


def some_latents(count: int = 60) -> tuple[Tensor, Tensor]:
    labels = torch.arange(count) % 3
    centres = torch.tensor([[-3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])
    return centres[labels] + 0.3 * torch.randn(count, 2), labels


def shades(z: Tensor) -> Tensor:
    """Images of 2 x 3 pixels whose shade says which latents they were decoded from."""
    values = 0.9 * norm.cdf(z[:, 0]) + 0.1 * norm.cdf(z[:, 1])
    return torch.from_numpy(values).float()[:, None, None, None].expand(-1, 1, 2, 3)


def only_axes(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def sheet(figure: Figure) -> np.ndarray:
    (image,) = only_axes(figure).images
    return np.asarray(image.get_array())


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize(("channels", "ink"), [(1, False), (1, True), (3, False)])
def test_image_grid_shows_every_pixel_and_paper_elsewhere(channels: int, ink: bool) -> None:
    images = torch.rand(5, channels, 28, 14)
    figure = image_grid(images, 3, ink=ink)
    shown = sheet(figure)
    expected = np.full((2 * 28 + 1, 3 * 14 + 2, channels), 0.0 if ink else 1.0)
    for k, image in enumerate(images.numpy()):
        row, column = divmod(k, 3)
        top, left = row * 29, column * 15
        expected[top : top + 28, left : left + 14] = image.transpose(1, 2, 0)
    assert np.array_equal(shown, expected.squeeze().astype(np.float32))
    image = only_axes(figure).images[0]
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    assert image.cmap.name == ("gray_r" if ink else "gray")
    width, height = figure.get_size_inches()
    # The frame has the shape of the cells, so that pixels are square but for the gaps.
    assert height / width == pytest.approx(2 * 28 / (3 * 14))


def test_reconstructions_stand_below_their_originals_with_the_rows_named() -> None:
    originals, means = torch.rand(2, 4, 1, 14, 14)
    figure = reconstructions(originals, means, ("data", "model"))
    shown = sheet(figure)
    for k in range(4):
        assert np.array_equal(shown[:14, 15 * k : 15 * k + 14], originals[k, 0])
        assert np.array_equal(shown[15:, 15 * k : 15 * k + 14], means[k, 0])
    axes = only_axes(figure)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["data", "model"]
    assert list(axes.get_yticks()) == [6.5, 21.5]


def test_latent_grid_decodes_normal_quantiles_and_names_them_where_they_lie() -> None:
    steps, seen = 20, []

    def decode(z: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        seen.append(z)
        return shades(z)

    figure = latent_grid(decode, steps)
    (z,) = seen
    quantiles = norm.ppf((np.arange(steps) + 0.5) / steps)
    # The rows of cells go from the largest second latent, at the top, to the smallest. ndtri in
    # single precision is good to 1e-6 here; a grid evenly spaced in z misses by 0.3.
    columns, rows = np.meshgrid(quantiles, quantiles[::-1])
    assert np.allclose(z, np.stack([columns.ravel(), rows.ravel()], axis=-1), atol=1e-5)

    shown = sheet(figure)
    probabilities = (np.arange(steps) + 0.5) / steps
    expected = 0.9 * probabilities[None] + 0.1 * probabilities[::-1, None]
    assert shown.shape == (steps * 2, steps * 3)
    assert np.allclose(shown[::2, ::3], expected, atol=1e-5)

    axes = only_axes(figure)
    assert axes.images[0].get_extent() == [0, steps, 0, steps]
    for axis in (axes.xaxis, axes.yaxis):
        named = [float(label.get_text().replace("−", "-")) for label in axis.get_ticklabels()]
        assert named == [-1.5, -1, -0.5, 0, 0.5, 1, 1.5]
        assert np.allclose(axis.get_ticklocs(), norm.cdf(named) * steps, atol=1e-5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z₁", "z₂")


def test_latents_are_points_in_the_colour_of_their_class_with_its_name_in_it() -> None:
    z, labels = some_latents()
    axes = only_axes(latents_2d(z, labels, ["left", "top", "right"]))
    (points,) = axes.collections
    offsets = np.asarray(points.get_offsets())
    drawn = {
        (*place, to_hex(colour))
        for place, colour in zip(offsets.tolist(), points.get_facecolors(), strict=True)
    }
    assert drawn == {
        (*place, CLASS_COLOURS[label])
        for place, label in zip(z.tolist(), labels.tolist(), strict=True)
    }
    assert not np.array_equal(offsets, z), "points in the order of the data hide earlier classes"
    badges = {text.get_text(): text for text in axes.texts if text.get_bbox_patch()}
    for k, name in enumerate(["left", "top", "right"]):
        middle = z[labels == k].mean(0)  # of a round cloud, whose standard deviation is .3
        assert np.hypot(*(middle - torch.tensor(badges[name].get_position()))) < 0.3
        assert to_hex(badges[name].get_bbox_patch().get_facecolor()) == CLASS_COLOURS[k]
    assert axes.get_aspect() == 1
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert high - low == pytest.approx(top - bottom)
    assert (z > torch.tensor([low, bottom])).all() and (z < torch.tensor([high, top])).all()


def test_latents_have_the_prior_drawn_one_and_two_standard_deviations_wide() -> None:
    axes = only_axes(latents_2d(0.01 * torch.randn(50, 2)))
    circles = [patch for patch in axes.patches if isinstance(patch, Circle)]
    assert [(circle.center, circle.radius) for circle in circles] == [((0, 0), 1), ((0, 0), 2)]
    assert axes.get_xlim()[0] < -2 and axes.get_ylim()[1] > 2
    assert words(axes.figure) == []  # a name inside the frame is overprinted by points
    assert "1 and 2 standard deviations of the prior" in axes.figure.get_supxlabel()


def test_names_of_classes_that_lie_on_top_of_one_another_can_all_be_read() -> None:
    figure = latents_2d(torch.randn(20, 2).repeat_interleave(10, 0), torch.arange(200) % 10)
    figure.draw_without_rendering()
    badges = [text for text in only_axes(figure).texts if text.get_bbox_patch()]
    boxes = [badge.get_bbox_patch().get_window_extent() for badge in badges]
    assert sorted(badge.get_text() for badge in badges) == [str(k) for k in range(10)]
    # The letters of a badge are half as wide as the badge. Without _spread all are at one place.
    for k, box in enumerate(boxes):
        for other in boxes[:k]:
            away = np.hypot(box.x0 - other.x0, box.y0 - other.y0)
            assert away > 0.8 * box.width


def test_forces_are_side_by_side_each_on_its_own_scale() -> None:
    z, labels = some_latents()
    panels = {"all": (z, labels), "without KL": (10 * z, labels), "no labels": (z, None)}
    captions = {
        "all": "KL 6.3",
        "without KL": "KL 46.6\nrest 1",
        "no labels": "KL 0.1 nats, reconstruction 138.0 nats, samples 12.3",
    }
    figure = forces(panels, captions)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(panels)
    for axes, caption in zip(figure.axes, captions.values(), strict=True):
        above = axes.get_xlabel()
        assert above.split() == caption.split()
        assert above.count("\n") >= caption.count("\n")
        assert max(len(line) for line in above.split("\n")) < 36, "lines of neighbours collide"
    widths = [np.ptp(axes.get_xlim()) for axes in figure.axes]
    # Ten times the latents need ten times the frame, but for the circles kept in the first.
    assert widths[1] == pytest.approx(10 * widths[0], rel=0.1)
    assert "prior" in figure.get_supxlabel()


def test_loss_curve_shows_every_loss_and_the_running_median() -> None:
    losses = some_losses(1200)
    raw, smooth = only_axes(loss_curve(losses)).lines
    assert np.array_equal(raw.get_xdata(), np.arange(1, 1201))
    assert np.allclose(raw.get_ydata(), losses)
    half = 12  # 2 % of the steps are 24 neighbours and the step itself
    steps = np.asarray(smooth.get_xdata())
    assert (steps[0], steps[-1], len(steps)) == (1, 1200, 500)
    for step, value in zip(steps, np.asarray(smooth.get_ydata()), strict=True):
        around = losses.numpy()[max(0, step - 1 - half) : step + half]
        assert value == pytest.approx(np.median(around))


def test_loss_curve_is_not_squashed_by_the_first_steps_and_says_so() -> None:
    losses = some_losses()
    figure = loss_curve(losses, unit="bits per pixel")
    axes = only_axes(figure)
    low, high = axes.get_ylim()
    assert losses[0] > high and high - low < 0.1 * np.ptp(losses.numpy())
    assert low < losses.min() and losses[20:].max() < high
    assert f"began at {losses[0]:.5g}" in words(figure)
    assert axes.get_ylabel() == "loss, bits per pixel"
    figure = loss_curve(torch.tensor([5.0, 5.0]))
    assert not any(word.startswith("began") for word in words(figure))


def test_loss_curve_names_the_floor_and_keeps_it_in_the_frame() -> None:
    figure = loss_curve(some_losses(), floor=62.5)
    axes = only_axes(figure)
    assert list(axes.lines[-1].get_ydata()) == [62.5, 62.5]
    assert axes.get_ylim()[0] < 62.5
    assert "floor 62.5" in words(figure)


def test_player_curves_show_every_players_losses_in_a_panel_with_its_name() -> None:
    losses = {"discriminator": some_losses(300), "generator": -some_losses(300)}
    figure = player_curves(losses)
    assert [axes.get_ylabel() for axes in figure.axes] == list(losses)
    for axes, values in zip(figure.axes, losses.values(), strict=True):
        assert np.allclose(axes.lines[0].get_ydata(), values)
    with pytest.raises(DataError, match="no losses to draw"):
        player_curves({})
    with pytest.raises(DataError, match="vectors of one length"):
        player_curves({"one": torch.ones(3), "other": torch.ones(4)})


def test_decomposition_stacks_elbo_and_kl_below_the_exact_line() -> None:
    elbo, kl = torch.tensor([-5.0, -7.0, 1.0]), torch.tensor([1.0, 0.25, 2.0])
    exact = torch.tensor([-4.0, -6.75, 3.1])  # the last does not add up, and must be seen not to
    figure = decomposition(exact, elbo, kl)
    axes = only_axes(figure)
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    lower, upper = bars[:3], bars[3:]
    assert np.allclose([bar.get_y() + bar.get_height() for bar in lower], elbo)
    assert np.allclose([bar.get_y() for bar in upper], elbo)
    assert np.allclose([bar.get_height() for bar in upper], kl)
    (lines,) = axes.collections
    assert np.allclose([segment[0][1] for segment in lines.get_segments()], exact)
    assert words(figure) == ["ELBO", "KL(q ‖ posterior)", "ln p(x), exact"]
    bottom, top = axes.get_ylim()
    assert bottom < elbo.min() and exact.max() < top


GREY = torch.rand(4, 1, 8, 8)
BAD: dict[str, tuple[Callable[[], Figure], str]] = {
    "images without channels": (lambda: image_grid(GREY[:, 0], 2), r"\(4, 8, 8\)"),
    "two channels": (lambda: image_grid(torch.rand(4, 2, 8, 8), 2), "C = 1"),
    "no images": (lambda: image_grid(GREY[:0], 2), r"\(0, 1, 8, 8\)"),
    "no columns": (lambda: image_grid(GREY, 0), "columns=0"),
    "bytes": (lambda: image_grid((GREY * 255).byte(), 2), "uint8"),
    "values above one": (lambda: image_grid(GREY * 255, 2), r"\[0, 1\]"),
    "not a number": (lambda: image_grid(GREY * torch.nan, 2), "nan"),
    "ink in colours": (lambda: image_grid(torch.rand(4, 3, 8, 8), 2, ink=True), "grey"),
    "unequal rows": (lambda: reconstructions(GREY, GREY[:3]), "one reconstruction for each"),
    "three row labels": (lambda: reconstructions(GREY, GREY, ["a", "b", "c"]), "3 labels"),
    "one step": (lambda: latent_grid(shades, 1), "steps=1"),
    "decode too few": (lambda: latent_grid(lambda z: shades(z[:3]), 4), "3 images for 16"),
    "three latents": (lambda: latents_2d(torch.randn(5, 3)), "latent_size=2"),
    "latents not finite": (lambda: latents_2d(torch.tensor([[0, torch.inf]])), "1 of 1"),
    "labels too few": (lambda: latents_2d(torch.randn(5, 2), torch.arange(4)), r"\(5,\)"),
    "labels not whole": (lambda: latents_2d(torch.randn(5, 2), torch.rand(5)), "integers"),
    "an eleventh class": (lambda: latents_2d(torch.randn(11, 2), torch.arange(11)), "0 to 9"),
    "a class without name": (
        lambda: latents_2d(torch.randn(3, 2), torch.arange(3), ["a", "b"]),
        "a name",
    ),
    "no panels": (lambda: forces({}, {}), "one caption"),
    "foreign caption": (lambda: forces({"a": some_latents()}, {"b": ""}), "one caption"),
    "loss of two players": (lambda: loss_curve(torch.rand(2, 5)), r"\(2, 5\)"),
    "no losses": (lambda: loss_curve(torch.empty(0)), r"\(0,\)"),
    "loss not finite": (lambda: loss_curve(torch.tensor([1.0, torch.nan])), "1 of the 2"),
    "unequal terms": (
        lambda: decomposition(torch.zeros(3), torch.zeros(3), torch.zeros(2)),
        "kl has shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_words(case: str) -> None:
    draw, message = BAD[case]
    with pytest.raises(DataError, match=message):
        draw()
