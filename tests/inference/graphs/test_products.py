"""Large products go to oneDNN, in compiled code too, and give the same numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.inference.graphs.inductor import compile_artifact, load_artifact
from plausible.inference.graphs.products import PRODUCT, multiply_large

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="PyTorch was built without oneDNN"
)


class Step:
    """A layer and the gradients of its input and its weights: three large products and a small."""

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
        made = torch.addmm(bias, x, weight.t())
        return [made, made @ weight, made.t() @ x, x[:2] @ weight.t()]


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))


def values(dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return tuple(torch.randn(s).to(dtype) for s in ((256, 250), (260, 250), (260,)))


def count(graph: GraphModule) -> int:
    return sum(node.target is PRODUCT for node in graph.graph.nodes)


def test_large_products_of_rows_are_exchanged_and_give_the_same() -> None:
    # Seen failing: the weight not transposed back; the bias left out.
    graph: Any = make_fx(Step(), tracing_mode="real")(*values())
    multiply_large(graph)
    assert count(graph) == 2  # the layer and its input's gradient
    exact = Step()(*values(torch.double))
    for one, other in zip(graph(*values()), exact, strict=True):
        # Sums of 260 products of standard normals, rounded at 6e-8 each.
        torch.testing.assert_close(one.double(), other, rtol=0, atol=2e-5 * other.abs().max())


def test_products_of_other_types_and_with_a_whole_matrix_added_stay() -> None:
    graph: Any = make_fx(Step(), tracing_mode="real")(*values(torch.double))
    multiply_large(graph)
    assert count(graph) == 0
    matrix: Any = make_fx(lambda a, b: torch.addmm(a, a, b), tracing_mode="real")(
        torch.randn(300, 300), torch.randn(300, 300)
    )
    multiply_large(matrix)
    assert count(matrix) == 0


def test_a_matrix_times_itself_is_exchanged_once() -> None:
    square: Any = make_fx(lambda a: a @ a, tracing_mode="real")(torch.eye(300))
    multiply_large(square)
    assert count(square) == 1
    torch.testing.assert_close(square(2 * torch.eye(300)), 4 * torch.eye(300))


def test_compiled_code_calls_them_for_weights_that_change(tmp_path: Path) -> None:
    code = compiled(Step(), tmp_path)
    for scale in (1.0, 3.0):
        x, weight, bias = values()
        assert_near(code(x, scale * weight, bias), Step()(x, scale * weight, bias))


@pytest.mark.parametrize(
    "after",
    [
        lambda made: made.relu().view(256, 26, 10).transpose(1, 2).contiguous(),
        lambda made: (made + made.flip(0)).relu(),
        lambda made: made.relu_().mul_(2),
    ],
)
def test_what_comes_after_a_product_is_done(
    after: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    # Seen failing: with PyTorch's own operation, into which the compiler moved the relu.
    def step(x: Tensor, weight: Tensor, bias: Tensor) -> list[Tensor]:
        return [after(torch.addmm(bias, x, weight.t()))]

    assert_near(compiled(step, tmp_path)(*values()), step(*values()))


def compiled(function: Callable[..., list[Tensor]], folder: Path) -> Callable[..., Any]:
    compile_artifact(function, values(), folder / "code.bin", small=False)
    code = load_artifact(folder / "code.bin")

    def call(*inputs: Tensor) -> list[Tensor]:
        made = code(*inputs)
        return [made] if isinstance(made, Tensor) else list(made)

    return call


def assert_near(given: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-5 * float(other.abs().max()))
