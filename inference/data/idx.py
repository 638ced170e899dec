"""IDX files, the format of MNIST and of the data sets made in its likeness."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plausible.inference.data.images import Images
from plausible.models.errors import DataError

__all__ = ["FILES", "has_idx_files", "read_idx", "read_idx_folder"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
GZIP_MAGIC = b"\x1f\x8b"
ELEMENTS: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}


def has_idx_files(folder: Path) -> bool:
    """Whether at least one of the four standard files lies in this folder."""
    return any(_find(folder, name) for name in FILES)


def read_idx(path: Path) -> Tensor:
    """The array in one IDX file, raw or compressed by gzip whatever its name says.

    The format: two zero bytes, one byte for the type of the elements, one for the number of
    dimensions, each dimension as four bytes, then the elements; numbers are big-endian.

    Raises:
        DataError: for a file that cannot be read, is not an IDX file, is too short or too long.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, file formats.
    """
    content = _content(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in ELEMENTS:
        raise DataError(
            f"{path} is not an IDX file: expected it to start with 00 00 and the code of a type "
            f"({', '.join(f'{code:02x}' for code in ELEMENTS)}), found "
            f"{content[:4].hex(' ') or 'nothing'}."
        )
    element, dimensions = ELEMENTS[content[2]], content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(
            f"{path} ends inside its header: expected {start} bytes for {dimensions} dimensions, "
            f"found {len(content)}."
        )
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    expected, found = math.prod(shape) * element.itemsize, len(content) - start
    if found != expected:
        raise DataError(
            f"{path} is {'too short' if found < expected else 'too long'}: its header says "
            f"{' × '.join(map(str, shape))}, so expected {expected:,} bytes of data, "
            f"found {found:,}."
        )
    array = np.frombuffer(content, element, offset=start)
    return torch.from_numpy(array.astype(element.newbyteorder("="))).reshape(shape)


def read_idx_folder(folder: Path, name: str, class_names: tuple[str, ...] | None = None) -> Images:
    """Images and labels from a folder with MNIST's four files.

    Args:
        folder: holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
            t10k-labels-idx1-ubyte; also with a dot before `idx`, also with `.gz`.
        name: what the set is called.
        class_names: one per class; without them the classes are called by their numbers.

    Raises:
        DataError: for missing or damaged files, images that are not bytes, labels that are not
            whole numbers, or a number of labels that is not the number of images.
    """
    paths = {file: _find(folder, file) for file in FILES}
    missing = [file for file, path in paths.items() if path is None]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)} (each may end in .gz); "
            "an IDX data set needs all four files."
        )
    train_images, train_labels, test_images, test_labels = (p for p in paths.values() if p)
    train, train_y = _read_part(train_images, train_labels)
    test, test_y = _read_part(test_images, test_labels)
    if class_names is None:
        class_names = tuple(map(str, range(int(max(train_y.max(), test_y.max())) + 1)))
    return Images(name, train, test, train_y, test_y, class_names)


def _find(folder: Path, name: str) -> Path | None:
    for stem in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            path = folder / f"{stem}{suffix}"
            if path.is_file():
                return path
    return None


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is a damaged gzip file: expected a complete archive, found that {error}."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _read_part(images: Path, labels: Path) -> tuple[Tensor, Tensor]:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.dtype != torch.uint8 or pixels.dim() != 3 or pixels.numel() == 0:
        raise DataError(
            f"{images} must hold bytes in 3 dimensions (images, rows, columns); found "
            f"{pixels.dtype} with shape {tuple(pixels.shape)}."
        )
    if classes.is_floating_point() or classes.dim() != 1:
        raise DataError(
            f"{labels} must hold whole numbers in 1 dimension; found {classes.dtype} with shape "
            f"{tuple(classes.shape)}."
        )
    if len(classes) != len(pixels):
        raise DataError(
            f"{labels} must hold one label for each of the {len(pixels):,} images in "
            f"{images.name}; found {len(classes):,} labels."
        )
    return pixels.unsqueeze(1), classes.long()
