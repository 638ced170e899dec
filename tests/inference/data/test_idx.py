"""IDX files are read as written, and damaged ones are refused with what was expected and found."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from plausible.inference.data import load, read_idx, read_idx_folder
from plausible.models.errors import DataError

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def replace(folder, name, content):
    (folder / f"{name}.gz").unlink()
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
def test_every_element_type_survives_the_round_trip(kind, tmp_path, to_idx):
    # Values that need every byte, so that a swapped byte order shows.
    array = (np.arange(24).reshape(2, 3, 4) * 5.25).astype(kind)
    (tmp_path / "file").write_bytes(to_idx(array))
    assert torch.equal(read_idx(tmp_path / "file"), torch.from_numpy(array))


@pytest.mark.parametrize("shape", [(0,), (0, 3, 3), ()])
def test_empty_and_scalar_arrays_are_arrays(shape, tmp_path, to_idx):
    (tmp_path / "file").write_bytes(to_idx(np.zeros(shape, dtype=np.uint8)))
    assert read_idx(tmp_path / "file").shape == shape


def test_compression_is_recognised_by_content_not_by_name(tmp_path, to_idx, arrays):
    content = to_idx(arrays[IMAGES])
    (tmp_path / "raw.gz").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    for name in ("raw.gz", "packed"):
        assert np.array_equal(read_idx(tmp_path / name), arrays[IMAGES])


def test_a_folder_becomes_images_with_labels(idx_folder, arrays):
    images = load(str(idx_folder))
    assert images.name == "tiny"
    assert images.shape == (1, 5, 3)
    assert np.array_equal(images.train[:, 0], arrays[IMAGES])
    assert np.array_equal(images.test[:, 0], arrays["t10k-images-idx3-ubyte"])
    assert images.train_labels.tolist() == [0, 1, 2, 2, 1, 0]
    assert images.test_labels.tolist() == [2, 1, 0, 1]
    assert images.train_labels.dtype == torch.int64
    assert images.class_names == ("0", "1", "2")


def test_file_names_with_a_dot_are_found(idx_folder):
    expected = load(str(idx_folder))
    for path in list(idx_folder.iterdir()):
        path.rename(idx_folder / path.name.replace("-idx", ".idx"))
    assert torch.equal(load(str(idx_folder)).train, expected.train)


def test_missing_files_are_named(idx_folder):
    (idx_folder / "t10k-images-idx3-ubyte.gz").unlink()
    (idx_folder / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=f"lacks {LABELS}, t10k-images-idx3-ubyte ") as caught:
        load(str(idx_folder))
    assert IMAGES not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-7], "too short.* 6 × 5 × 3.* expected 90 bytes.* found 83"),
        (lambda content: content + b"xx", "too long.* expected 90 bytes.* found 92"),
        (lambda content: content[:9], "ends inside its header: expected 16 bytes.* found 9"),
        (lambda content: b"\x89PNG" + content[4:], "not an IDX file.* found 89 50 4e 47"),
        (lambda content: b"\0\0\x0a" + content[3:], "not an IDX file.* found 00 00 0a 03"),
        (lambda content: b"", "not an IDX file.* found nothing"),
        (lambda content: gzip.compress(content)[:-20], "damaged gzip file"),
        (lambda content: gzip.compress(content)[:10] + b"\xff" * 40, "damaged gzip file"),
    ],
)
def test_damaged_files_are_refused_by_name(damage, message, idx_folder, to_idx, arrays):
    replace(idx_folder, IMAGES, damage(to_idx(arrays[IMAGES])))
    with pytest.raises(DataError, match=f"{IMAGES} .*{message}"):
        load(str(idx_folder))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (IMAGES, np.zeros((6, 5, 3), np.float32), "must hold bytes.* torch.float32"),
        (IMAGES, np.zeros((6, 15), np.uint8), r"in 3 dimensions.* shape \(6, 15\)"),
        (IMAGES, np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\)"),
        (LABELS, np.zeros(5, np.uint8), f"each of the 6 images in {IMAGES}.*; found 5 labels"),
        (LABELS, np.zeros(6, np.float64), "whole numbers"),
        (LABELS, np.zeros((6, 1), np.uint8), "in 1 dimension"),
        (LABELS, np.full(6, -1, np.int8), r"found -1\.\.-1"),
    ],
)
def test_arrays_that_are_no_labelled_images_are_refused(name, array, message, idx_folder, to_idx):
    replace(idx_folder, name, to_idx(array))
    with pytest.raises(DataError, match=message):
        load(str(idx_folder))


def test_labels_beyond_the_given_classes_are_refused(idx_folder):
    with pytest.raises(DataError, match=r"must lie in 0\.\.1"):
        read_idx_folder(idx_folder, "tiny", ("no", "yes"))


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing-here cannot be read: No such file"):
        read_idx(tmp_path / "nothing-here")


def test_debian_s_fashion_mnist_is_the_published_one(monkeypatch):
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    monkeypatch.delenv("PLAUSIBLE_DATA", raising=False)
    images = load("fashion-mnist")
    assert images.train.shape == (60_000, 1, 28, 28)
    assert images.test.shape == (10_000, 1, 28, 28)
    assert images.train_labels.bincount().tolist() == [6000] * 10
    assert images.test_labels.bincount().tolist() == [1000] * 10
    # Mean and standard deviation of the training greys that the literature normalises with.
    greys = images.train.double() / 255
    assert abs(greys.mean() - 0.2860) < 5e-5
    assert abs(greys.std() - 0.3530) < 5e-5
    assert images.class_names[images.train_labels[0]] == "Ankle boot"
