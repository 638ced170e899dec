"""A folder of pictures as a data set, with labels from subfolders and a table of attributes."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from plausible.inference.data.attributes import read_attributes
from plausible.inference.data.images import Images
from plausible.models.errors import DataError

__all__ = ["read_image_folder"]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")
ORIENTATION = 0x0112
TURNED_BY_90_DEGREES = (5, 6, 7, 8)
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_image_folder(folder: Path, *, size: int | None = None, seed: int = 0) -> Images:
    """Every image in a folder and its subfolders, in the order of their paths.

    Grey images have one channel; when one image has colours, all have three. Transparent parts
    become white, and photographs are turned upright. When every image lies in a subfolder, the
    names of the subfolders are the classes. Subfolders `train` and `test` are the split; else a
    tenth of the images, at least one, is drawn for testing. `attributes.csv` in the folder gives
    attributes (see `read_attributes`).

    Args:
        folder: where the images are.
        size: side in pixels; each image is cut to its central square and resized to this.
        seed: fixes which images are tested.

    Raises:
        DataError: for fewer than two images, an image that cannot be read, images of several sizes
            without `size`, or a table of attributes that does not fit.
    """
    if size is not None and size < 1:
        raise DataError(f"size= is the side of the images in pixels, 1 or more; got {size}.")
    files = [path.relative_to(folder) for path in _image_paths(folder)]
    if len(files) < 2:
        raise DataError(
            f"{folder} holds {len(files)} images ({', '.join(SUFFIXES)}); a data set needs at "
            "least two, one of them for testing."
        )
    pixels = _read_pixels(folder, files, size)
    held_out, subfolders = _split(files, seed)
    labels, class_names = _labels(subfolders)
    table = folder / "attributes.csv"
    attributes = None
    if table.is_file():
        attributes = read_attributes(table, [file.as_posix() for file in files])
    return Images(
        folder.resolve().name,
        train=pixels[~held_out],
        test=pixels[held_out],
        train_labels=None if labels is None else labels[~held_out],
        test_labels=None if labels is None else labels[held_out],
        class_names=class_names,
        attributes=attributes and {name: x[~held_out] for name, x in attributes.items()},
        test_attributes=attributes and {name: x[held_out] for name, x in attributes.items()},
    )


def _image_paths(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _split(files: list[Path], seed: int) -> tuple[Tensor, list[tuple[str, ...]]]:
    """Which images are tested, and for each image the subfolders that may name its class."""
    subfolders = [file.parts[:-1] for file in files]
    if {parts[:1] for parts in subfolders} == {("train",), ("test",)}:
        held_out = torch.tensor([parts[0] == "test" for parts in subfolders])
        return held_out, [parts[1:] for parts in subfolders]
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(seed))
    held_out = torch.zeros(len(files), dtype=torch.bool)
    held_out[order[: max(1, len(files) // 10)]] = True
    return held_out, subfolders


def _labels(subfolders: list[tuple[str, ...]]) -> tuple[Tensor | None, tuple[str, ...]]:
    if not all(subfolders):
        return None, ()
    class_names = tuple(sorted({parts[0] for parts in subfolders}))
    number = {name: position for position, name in enumerate(class_names)}
    return torch.tensor([number[parts[0]] for parts in subfolders]), class_names


def _read_pixels(folder: Path, files: list[Path], size: int | None) -> Tensor:
    # Headers first: the tensor is made once in its final size, and mixed sizes are found early.
    headers = [_header(folder / file) for file in files]
    grey = all(mode in GREY_MODES for mode, _ in headers)
    if size is None:
        _require_one_size(folder, files, [extent for _, extent in headers])
    width, height = headers[0][1] if size is None else (size, size)
    pixels = torch.empty(len(files), height, width, 1 if grey else 3, dtype=torch.uint8)
    for row, file in zip(pixels, files, strict=True):
        image = _decode(folder / file, "L" if grey else "RGB", size)
        row.copy_(torch.from_numpy(np.array(image)).reshape(row.shape))
    return pixels.permute(0, 3, 1, 2).contiguous()


def _header(path: Path) -> tuple[str, tuple[int, int]]:
    """Colour mode, and width and height as they are after turning the image upright."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.getexif().get(ORIENTATION) in TURNED_BY_90_DEGREES:
                width, height = height, width
            mode = image.mode
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if mode.startswith(DEEP_MODES):
        raise DataError(
            f"{path} has more than 8 bits per pixel (mode {mode}); convert it to 8 bits first."
        )
    return mode, (width, height)


def _decode(path: Path, mode: str, size: int | None) -> Image.Image:
    try:
        with Image.open(path) as file:
            image: Image.Image = ImageOps.exif_transpose(file)
            if image.has_transparency_data:
                opaque = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
            image = image.convert(mode)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if size is None:
        return image
    # Cut before resizing: a filter that sees the whole image mixes in what lies outside the square.
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.LANCZOS)


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path} cannot be read as an image: {error}. Repair or remove it.")


def _require_one_size(folder: Path, files: list[Path], extents: list[tuple[int, int]]) -> None:
    counts = Counter(extents)
    if len(counts) == 1:
        return
    shown = [
        f"{width}×{height} ({count:,} images, such as {files[extents.index((width, height))]})"
        for (width, height), count in counts.most_common(3)
    ]
    more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
    raise DataError(
        f"The images in {folder} have {len(counts)} sizes: {', '.join(shown)}{more}. "
        "Pass size= to cut and resize all of them to one square."
    )
