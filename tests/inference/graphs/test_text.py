"""A graph's text does what the graph does, in any process.

Seen failing: graphs that draw taken for such that do not.
"""

import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from plausible.inference.graphs.capture import capture
from plausible.inference.graphs.text import Operations


def test_operations_survive_pickling_and_go_on_drawing() -> None:
    def function(w: Tensor) -> list[Tensor]:
        return [w * torch.rand(3), torch.bernoulli(0.5 * w), torch.full((), float("inf")) * w]

    w = torch.ones(3)
    made = Operations(capture(function, [w]))
    again = pickle.loads(pickle.dumps(made))
    assert again.draws and again.count == made.count and again.text == made.text
    torch.manual_seed(1)
    expected = function(w)
    torch.manual_seed(1)
    torch.testing.assert_close(again(w), expected, rtol=0, atol=0)
    assert not torch.equal(again(w)[0], again(w)[0])


def test_operations_say_whether_they_draw() -> None:
    assert not Operations(capture(lambda w: [w + 1], [torch.ones(3)])).draws


@pytest.mark.parametrize("function", [torch.lgamma, torch.digamma, torch._standard_gamma])
def test_a_gamma_is_no_product_of_matrices(function: Callable[[Tensor], Tensor]) -> None:
    assert Operations(capture(lambda w: [function(w + 1)], [torch.ones(())])).work == 2.0
