"""Capture and its passes, one by one, on graphs of a few operations."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from constructs import CONSTRUCTS
from harness import prepared
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from plausible.inference.engines.optimizer_state import OptimizerState
from plausible.inference.engines.plans import Plan
from plausible.inference.graphs.capture import Refused, capture
from plausible.inference.graphs.equality import Supplied, check_equal
from plausible.inference.graphs.passes import (
    compute_once,
    hoist,
    lift_constants,
    lift_noise,
    turn_narrow,
    write_out_vectors,
)

aten = torch.ops.aten


def targets(graph: GraphModule) -> list[Any]:
    return [node.target for node in graph.graph.nodes if node.op == "call_function"]


def inputs(graph: GraphModule) -> int:
    return sum(node.op == "placeholder" for node in graph.graph.nodes)


# Capture. Seen failing: without the copy back of the state.


def test_capture_leaves_state_as_it_was_and_says_what_is_written() -> None:
    kept, moved, read = torch.ones(3), torch.ones(3), torch.ones(3)

    def function(kept: Tensor, moved: Tensor, read: Tensor) -> list[Tensor]:
        moved.add_(2 * read)
        return [kept + moved]

    graph = capture(function, [kept, moved], [read])
    assert graph.meta["written"] == {1}
    torch.testing.assert_close((kept, moved, read), (torch.ones(3),) * 3)
    (made,) = graph(kept, moved, read)
    torch.testing.assert_close((made, moved), (torch.full((3,), 4.0), torch.full((3,), 3.0)))


def test_state_is_put_back_after_a_failure() -> None:
    state = torch.ones(3)

    def function(state: Tensor) -> list[Tensor]:
        state.add_(1)
        if state.sum() > 0:
            return [state]
        return []

    with pytest.raises(Refused, match=r"value of a tensor in test_passes\.py, line"):
        capture(function, [state])
    torch.testing.assert_close(state, torch.ones(3))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda w, x: [x.add_(w)], "changes its data in place"),
        (lambda w, x: [x[x > 0]], r"depends on values|with a mask"),
        (lambda w, x: [x.nonzero()], "depends on values"),
        (lambda w, x: [x.unique()], "depends on values"),
        (lambda w, x: [x.index_put((x > 0,), w[0])], "with a mask"),
        (lambda w, x: [w * float(x[0])], "decides by the value"),
        (lambda w, x: [w.numpy()], "its capture failed"),
    ],
)
def test_what_would_be_fixed_is_refused(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        capture(function, [torch.ones(3)], [torch.arange(3.0)])


def test_an_index_of_numbers_is_no_mask() -> None:
    index = torch.tensor([2, 0])
    graph = capture(lambda w, i: [w[i]], [torch.arange(3.0)], [index])
    (made,) = graph(torch.arange(3.0), torch.tensor([1, 1]))
    torch.testing.assert_close(made, torch.ones(2))


# Constants. Seen failing: constants that are copied, so that a change of the original is not seen.


def test_tensors_of_a_closure_become_inputs_and_numbers_stay() -> None:
    held = torch.arange(3.0)

    def function(w: Tensor) -> list[Tensor]:
        return [w * held + held * torch.tensor(2.0)]

    graph = capture(function, [torch.ones(3)])
    constants = lift_constants(graph)
    assert [c.data_ptr() for c in constants] == [held.data_ptr()]
    assert inputs(graph) == 2 and not any(n.op == "get_attr" for n in graph.graph.nodes)
    for _ in range(2):
        torch.testing.assert_close(graph(torch.ones(3), *constants)[0], 3 * held)
        held.add_(1.0)


# Noise. Seen failing: draws of another type lifted too.


def test_standard_normals_become_inputs_in_their_order() -> None:
    def function(w: Tensor) -> list[Tensor]:
        first, second = torch.randn(2), torch.randn_like(w)
        third = torch.empty(4).normal_()
        other = torch.empty(2).normal_(1.0, 2.0).sum() + torch.rand(2).sum()
        double = torch.randn(2, dtype=torch.float64).sum()
        return [first, second, third, other, double]

    graph = capture(function, [torch.ones(3)])
    assert lift_noise(graph, torch.float32) == [(2,), (3,), (4,)]
    noise = [torch.full((2,), 1.0), torch.full((3,), 2.0), torch.full((4,), 3.0)]
    torch.manual_seed(1)
    *given, other, double = graph(torch.ones(3), *noise)
    torch.testing.assert_close(given, noise)
    torch.manual_seed(1)
    with Supplied(noise, torch.float32) as supplied:
        *drawn, same, too = function(torch.ones(3))
    assert not supplied.noise
    torch.testing.assert_close(drawn, noise)
    torch.testing.assert_close((other, double), (same, too), rtol=0, atol=0)
    assert not torch.equal(graph(torch.ones(3), *noise)[-1], double)


def test_a_further_draw_is_seen() -> None:
    with pytest.raises(Refused, match="another number of times"), Supplied([], torch.float32):
        torch.randn(2)


# Hoisting. Seen failing: without the check of tags (a random draw became one number for all
# rounds), without that of writes, and where writes through a view went unseen.


def test_what_depends_on_fixed_inputs_is_computed_once() -> None:
    def function(w: Tensor, x: Tensor) -> list[Tensor]:
        return [w * (x.exp() + 1).log()]

    x = torch.arange(3.0)
    graph = capture(function, [torch.ones(3)], [x])
    (value,) = hoist(graph, [1], [torch.ones(3), x])
    torch.testing.assert_close(value, (x.exp() + 1).log())
    assert targets(graph) == [aten.mul.Tensor]
    torch.testing.assert_close(graph(torch.full((3,), 2.0), x, value)[0], 2 * value)


@pytest.mark.parametrize(
    "draw",
    [
        torch.bernoulli,
        torch.rand_like,
        torch.randn_like,
        torch.poisson,
        lambda x: torch.nn.functional.dropout(x, 0.5),
        lambda x: torch.multinomial(x, 2).float(),
        lambda x: x.clone().uniform_(),
        lambda x: torch._standard_gamma(x),
        lambda x: torch.binomial(torch.full((50,), 9.0), x),
        lambda x: x[torch.randperm(len(x))],
    ],
)
def test_random_draws_are_never_hoisted(draw: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(0.1, 0.9, 50)
    weight = torch.ones(())

    def function(w: Tensor, x: Tensor) -> list[Tensor]:
        return [w * draw(2 * x / 2)]

    graph = capture(function, [weight], [x])
    hoisted = hoist(graph, [1], [weight, x])
    one, other = graph(weight, x, *hoisted)[0], graph(weight, x, *hoisted)[0]
    assert not torch.equal(one, other)
    torch.manual_seed(5)
    given = graph(weight, x, *hoisted)[0]
    torch.manual_seed(5)
    torch.testing.assert_close(given, function(weight, x)[0])


@pytest.mark.parametrize(
    "write",
    [
        lambda y: y.add_(1.0),
        lambda y: y[1:].mul_(2.0),
        lambda y: y.view(3, 1)[:, 0].zero_(),
        lambda y: y.detach().copy_(torch.ones(3)),
    ],
)
def test_what_is_written_in_place_is_never_hoisted(write: Callable[[Tensor], Tensor]) -> None:
    def function(w: Tensor, x: Tensor) -> list[Tensor]:
        y = x * 2
        before = y + 1
        write(y)
        return [w * y, w * before]

    w, x = torch.ones(3), torch.arange(3.0)
    graph = capture(function, [w], [x])
    hoisted = hoist(graph, [1], [w, x])
    for _ in range(3):  # a value kept would be written to again and again
        torch.testing.assert_close(graph(w, x, *hoisted), function(w, x))
    torch.testing.assert_close(x, torch.arange(3.0))


def test_a_buffer_that_moves_is_read_anew() -> None:
    def function(w: Tensor, average: Tensor, x: Tensor) -> list[Tensor]:
        mean = x.mean()
        average.lerp_(mean, 0.5)
        return [w * average + mean]

    state, x = [torch.ones(()), torch.zeros(())], torch.arange(3.0)
    graph = capture(function, state, [x])
    hoisted = hoist(graph, [2], [*state, x])
    assert len(hoisted) == 1
    made = [float(graph(*state, x, *hoisted)[0]) for _ in range(3)]
    assert made == [1.5, 1.75, 1.875]


# Plans.


@pytest.mark.parametrize(
    "name", ["dropout and batch norm", "subsampled plate", "WGAN, weights clipped, average kept"]
)
def test_a_plan_leaves_no_trace(name: str) -> None:
    with prepared(CONSTRUCTS[name]()) as run:
        weights = [w.detach().clone() for w in run.weights]
        moments = [m.clone() for state in run.players.optimizer_states for m in _flat(state)]
        random = torch.get_rng_state()
        plan = Plan(run.players, run.weights, run.batches, 0, fixed=True)
        plan.compare(0)
        assert torch.equal(random, torch.get_rng_state())
        now = [m for state in run.players.optimizer_states for m in _flat(state)]
        torch.testing.assert_close(weights, [w.detach() for w in run.weights], rtol=0, atol=0)
        torch.testing.assert_close(moments, now, rtol=0, atol=0)


def traced(function: Callable[..., Any], *tensors: Tensor) -> GraphModule:
    graph = make_fx(function, tracing_mode="real")(*tensors)
    assert isinstance(graph, GraphModule)
    return graph


def test_numbers_are_computed_once_before_the_tensors_that_they_scale() -> None:
    # Seen failing: the number passed on as it was; the mean of the copies, which rounds.
    def step(x: Tensor, count: Tensor) -> tuple[Tensor, ...]:
        size = -torch.expm1(count * 0.1)
        return x - size * x, size * x[:9], size + 1.0, x.sum() * x

    values = torch.randn(3000), torch.tensor(3.0)
    graph = traced(step, *values)
    compute_once(graph)
    assert targets(graph).count(aten.amax.default) == 1  # for the one large product only
    for one, other in zip(graph(*values), step(*values), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("bias", [False, True])
def test_narrow_products_are_computed_as_their_transposes(bias: bool) -> None:
    # Seen failing: the bias added along the other dimension; the operands not exchanged.
    def head(x: Tensor, weight: Tensor, b: Tensor) -> Tensor:
        return torch.addmm(b, x, weight.t()) if bias else x @ weight.t()

    values = tuple(torch.randn(s, dtype=torch.double) for s in ((64, 7), (15, 7), (15,)))
    graph = traced(head, *values)
    turn_narrow(graph)
    made = graph(*values)
    assert made.stride() == (1, 64)
    torch.testing.assert_close(made, head(*values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(6, 1, 5), (6, 4, 1), (1, 4, 5), (1, 1, 5), (1, 4, 1)])
def test_products_of_vectors_are_written_out(shape: tuple[int, int, int], bias: bool) -> None:
    # Seen failing: the factor of a single row not transposed; the bias left out.
    def layer(x: Tensor, weight: Tensor, b: Tensor) -> Tensor:
        return torch.addmm(b, x, weight) if bias else x @ weight

    rows, inner, columns = shape
    sizes = (rows, inner), (inner, columns), (columns,)
    values = tuple(torch.randn(s, dtype=torch.double) for s in sizes)
    graph = traced(layer, *values)
    write_out_vectors(graph)
    assert not {aten.mm.default, aten.addmm.default} & set(targets(graph))
    made = graph(*values)
    torch.testing.assert_close(made, layer(*values), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "values",
    [(torch.randn(2, 2), torch.randn(2, 2)), (torch.ones(2, 3).int(), torch.ones(3, 1).int())],
)
def test_products_of_matrices_and_of_integers_are_not_written_out(
    values: tuple[Tensor, Tensor],
) -> None:
    # Seen failing: integers, whose sum is of another type.
    graph = traced(lambda a, b: a @ b, *values)
    write_out_vectors(graph)
    assert targets(graph) == [aten.mm.default]


def test_wide_products_and_gradients_of_weights_stay_as_they_are() -> None:
    def products(x: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
        return x @ weight, gradient.t() @ x, x[:20] @ weight[:, :15]

    graph = traced(products, torch.randn(64, 7), torch.randn(7, 40), torch.randn(64, 50))
    turn_narrow(graph)
    transposed = [node for node in graph.graph.nodes if node.target is aten.t.default]
    assert len(transposed) == 1  # of the gradient, as before


def _flat(state: OptimizerState) -> list[Tensor]:
    return [state.step, *(m for moments in state.moments.values() for m in moments)]


@pytest.mark.parametrize(
    ("given", "fails"),
    [
        ([1.0, 2.0], False),
        ([1.0 + 1e-7, 2.0], False),
        ([1.0 + 1e-3, 2.0], True),
        ([1.0, float("nan")], True),
        ([1.0, float("inf")], True),
        ([1.0, 2.0, 3.0], True),
    ],
)
def test_the_check_tells_equal_from_different(given: list[float], fails: bool) -> None:
    expected = [torch.tensor([1.0, 2.0])]
    if not fails:
        check_equal("it", [torch.tensor(given)], expected, 1e-5)
        return
    with pytest.raises(Refused, match=r"^it (differs by|has another shape)"):
        check_equal("it", [torch.tensor(given)], expected, 1e-5)
