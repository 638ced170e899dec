"""Images arrive as bytes whose parts, labels and class names fit one another."""

import pytest
import torch

from plausible.inference.data import Images
from plausible.models.errors import DataError

TRAIN = torch.zeros(3, 1, 2, 2, dtype=torch.uint8)
TEST = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)


def test_shape_and_representation_say_what_is_inside():
    labels = torch.tensor([0, 1, 0])
    images = Images("toy", TRAIN, TEST, labels, labels[:2], ("no", "yes"))
    assert images.shape == (1, 2, 2)
    assert repr(images) == "Images('toy': 3 train, 2 test, 1×2×2, 2 classes)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": TRAIN.float()}, "train images must be uint8"),
        ({"test": TEST[:0]}, "N > 0"),
        ({"test": TEST[:, 0]}, r"shape \(2, 2, 2\)"),
        ({"test": TEST[..., :1]}, "they must agree"),
        ({"train_labels": torch.zeros(3, dtype=torch.int64)}, "or for none"),
        (
            {"train_labels": torch.zeros(2).long(), "test_labels": torch.zeros(2).long()},
            "train labels must be int64, one for each of 3 images",
        ),
        (
            {"train_labels": torch.zeros(3).long(), "test_labels": torch.tensor([0, 2])},
            r"test labels must lie in 0\.\.1, .* found 0\.\.2",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(fields, message):
    complete = {"name": "toy", "train": TRAIN, "test": TEST, "class_names": ("no", "yes")}
    with pytest.raises(DataError, match=message):
        Images(**(complete | fields))
