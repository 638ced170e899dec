"""Tiny data sets on disk for the readers to read."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    """The array as an IDX file, written from the description of the format."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def to_idx() -> Callable[[np.ndarray], bytes]:
    return idx_bytes


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Six training and four test images of 5 rows and 3 columns, under MNIST's file names."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (6, 5, 3), dtype=np.uint8),
        "train-labels-idx1-ubyte": np.array([0, 1, 2, 2, 1, 0], dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 5, 3), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.array([2, 1, 0, 1], dtype=np.uint8),
    }


@pytest.fixture
def idx_folder(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """The arrays as compressed files in a folder called `tiny`."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))
    return folder
