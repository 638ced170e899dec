"""Rows of tensors, gathered for a batch."""

import pytest
import torch

from plausible.inference.engines.sources import TensorSource


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (2, 4, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_a_batch_has_the_rows_of_its_positions(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    # Seen failing with the positions sorted.
    x = (torch.arange(20 * torch.Size(shape).numel()) % 7).reshape(20, *shape).to(dtype)
    index = torch.tensor([3, 3, 19, 0, 7])
    for rows in (x, torch.stack([x, x], dim=1)[:, 0]):  # the second is not contiguous
        (made,) = TensorSource([rows]).batch(index)
        assert made.dtype == dtype and torch.equal(made, x[index])
