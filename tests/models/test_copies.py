"""Copies have the values of what they copy, computed tensors included, and share none of it."""

import threading

import pytest
import torch
from torch import nn

from plausible.models import ModelError
from plausible.models.copies import copied


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.last = {"output": self.linear(torch.ones(2))}
        self.again = self.last["output"]


def test_a_computed_tensor_is_copied_by_value() -> None:
    module = Remembering()
    assert not module.again.is_leaf  # copy.deepcopy refuses such a module
    twin = copied(module)
    assert torch.equal(twin.again, module.again) and twin.again is twin.last["output"]
    assert twin.again.grad_fn is None and twin.again is not module.again
    with torch.no_grad():
        twin.linear.weight.zero_()
    assert bool(module.linear.weight.any())


def test_what_cannot_be_copied_is_named() -> None:
    module = Remembering()
    module.lock = threading.Lock()
    with pytest.raises(ModelError, match=r"Remembering cannot be copied.*lock"):
        copied(module)
