"""The look of every picture leaves no trace, tells classes apart, and reaches the disk whole."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from plausible.inference.pictures.curves import (
    decomposition,
    forces,
    image_grid,
    latent_grid,
    latents_2d,
    loss_curve,
    reconstructions,
    save,
    style,
)
from plausible.inference.pictures.style import CLASS_COLOURS, png
from plausible.models.errors import DataError, UnknownName


def some_latents() -> tuple[Tensor, Tensor]:
    return torch.randn(60, 2), torch.arange(60) % 3


PICTURES: dict[str, Callable[[], Figure]] = {
    "loss_curve": lambda: loss_curve(500 / torch.arange(1, 401), floor=1.0),
    "image_grid": lambda: image_grid(torch.rand(5, 3, 4, 6), 2),
    "reconstructions": lambda: reconstructions(torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4)),
    "latents_2d": lambda: latents_2d(*some_latents()),
    "latent_grid": lambda: latent_grid(lambda z: z.sigmoid()[:, None, None, :], 6, ink=True),
    "forces": lambda: forces({"all": some_latents()}, {"all": "KL 1.0"}),
    "decomposition": lambda: decomposition(
        torch.tensor([-3.0, -4.0]), torch.tensor([-3.5, -4.2]), torch.tensor([0.5, 0.2])
    ),
}

ODD_SETTINGS = {
    "font.size": 20,
    "font.family": ["serif"],
    "figure.dpi": 40,
    "savefig.dpi": 30,
    "savefig.facecolor": "red",
    "axes.facecolor": "green",
    "axes.grid": True,
    "axes.unicode_minus": False,
    "image.origin": "lower",
    "lines.linewidth": 9,
    "xtick.major.size": 12,
    "ytick.minor.visible": True,
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_the_same_whatever_the_caller_has_set_and_leave_it_set(name: str) -> None:
    torch.manual_seed(1)
    expected = png(PICTURES[name]())
    with matplotlib.rc_context(ODD_SETTINGS):
        before = dict(matplotlib.rcParams)
        torch.manual_seed(1)
        # Seen failing without `styled` on the function, and without `style` in `png`.
        assert png(PICTURES[name]()) == expected
        assert dict(matplotlib.rcParams) == before
    assert plt.get_fignums() == []


def test_style_ends_with_its_block_also_after_an_error() -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(RuntimeError), style():
        assert dict(matplotlib.rcParams) != before
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before


def test_drawing_draws_no_random_numbers() -> None:
    z, labels = some_latents()
    before = torch.get_rng_state()
    latents_2d(z, labels)
    assert torch.equal(torch.get_rng_state(), before)


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def cielab(linear: np.ndarray) -> np.ndarray:
    to_xyz = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    xyz = linear @ np.transpose(to_xyz) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_class_colours_stay_apart_for_every_kind_of_colour_vision(vision: str) -> None:
    rgb = np.array([matplotlib.colors.to_rgb(colour) for colour in CLASS_COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab = cielab(np.clip(linear @ np.transpose(VISION[vision]), 0, 1))
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(10, 1)]
    # matplotlib's own ten reach 4.6 under protanopia.
    assert distances.min() > 24


def test_the_style_sheet_cycles_through_the_class_colours() -> None:
    with style():
        cycle = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert [to_hex(colour) for colour in cycle] == list(CLASS_COLOURS)


def test_save_writes_the_format_of_the_suffix_the_same_on_every_run(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        for name in ("picture.png", "picture.SVG"):
            figure = PICTURES["decomposition"]()
            save(figure, tmp_path / folder / name)
    for name in ("picture.png", "picture.SVG"):
        once, twice = (tmp_path / folder / name for folder in ("first", "second"))
        assert once.read_bytes() == twice.read_bytes()
    width, height = figure.get_size_inches()
    with Image.open(tmp_path / "first" / "picture.png") as image:
        assert image.size == pytest.approx((192 * width, 192 * height), abs=1)  # whole pixels
    assert ElementTree.parse(tmp_path / "first" / "picture.SVG").getroot().tag.endswith("svg")


def test_save_refuses_other_formats_before_it_writes(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'png'"):
        save(PICTURES["decomposition"](), tmp_path / "picture.pgn")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        save(PICTURES["decomposition"](), path)
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]
    assert path.read_bytes() == b"old"
