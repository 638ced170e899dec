"""On a CUDA device the rounds are a recorded graph: the same numbers, new draws at every replay."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.autoguide import AutoNormal
from torch import Tensor
from torch.distributions import constraints

from plausible.inference import fit
from plausible.inference.graphs.capture import Refused
from plausible.inference.graphs.cuda import record
from plausible.inference.training.result import Fit
from plausible.models import VAE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_recorded_function_changes_its_inputs_and_draws_anew() -> None:
    total = torch.zeros(1000, device="cuda")
    step = torch.ones((), device="cuda")

    def function(total: Tensor, step: Tensor) -> Tensor:
        noise = torch.rand_like(total)
        total.add_(step)
        return noise.sum()

    replay = record(function, [total, step], changing=1)
    assert float(total.sum()) == 0.0  # recording leaves no trace
    first, second = float(replay(total, step)), float(replay(total, 2 * step))
    assert first != second
    torch.testing.assert_close(total, torch.full_like(total, 3.0))


@pytest.mark.parametrize(
    "function",
    [
        lambda total: total.add_(1.0)[total > 0].sum(),  # counts, and waits for the count
        lambda total: total.add_(torch.ones(4).to(total.device)).sum(),  # copied from the CPU
    ],
)
def test_what_waits_for_the_device_is_refused_and_leaves_no_trace(function: Any) -> None:
    total = torch.zeros(4, device="cuda")
    with pytest.raises(Refused, match="cannot be recorded"):
        record(function, [total], changing=1)
    assert total.tolist() == [0.0] * 4
    assert torch.rand(4, device="cuda").isfinite().all()  # the generator still works
    assert torch.cuda.get_sync_debug_mode() == 0


@pytest.fixture(autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are PyTorch's own, which take no time to compile, unless a test asks for others."""
    fused = getattr(request, "param", False)
    monkeypatch.setattr("plausible.inference.engines.recorded._FUSED", fused)


def both(make: Any, data: Tensor, **settings: Any) -> tuple[Fit, Fit]:
    """A run of recordings, and one of the captured graph, operation by operation."""
    runs = []
    for engine in ("compiled", "captured"):
        torch.manual_seed(0)
        model, guide = make()
        with pytest.MonkeyPatch.context() as patched:
            if engine == "captured":
                patched.setattr("plausible.inference.engines.recorded.record", refuses)
            run = fit(model, data, guide=guide, steps=600, device="cuda", compile=True, **settings)
        assert run.backend.engine == engine, run.backend
        assert run.backend.fallback == (engine == "captured"), run.backend
        runs.append(run)
    return runs[0], runs[1]


def refuses(*arguments: Any) -> None:
    raise Refused("it is to be captured only")


def test_replayed_training_of_a_network_equals_training_step_by_step() -> None:
    x = (torch.rand(1000, 784) < 0.2).float()
    recorded, captured = both(lambda: (VAE((784,), 5, hidden=(64,)), None), x)
    torch.testing.assert_close(recorded.loss, captured.loss, rtol=1e-3, atol=1e-3)
    assert float(recorded.loss[-50:].mean()) < float(recorded.loss[:50].mean())


@pytest.mark.parametrize("kernels", [True], indirect=True)
def test_compiled_kernels_train_as_single_steps_do() -> None:
    x = (torch.rand(1000, 784) < 0.2).float()
    compiled, captured = both(lambda: (VAE((784,), 5, hidden=(64,)), None), x)
    assert "kernels compiled for it" in compiled.backend.reason
    assert compiled.backend.compile_seconds is not None
    torch.testing.assert_close(compiled.loss, captured.loss, rtol=1e-3, atol=1e-3)


def test_several_rounds_a_call_get_every_batch_and_the_noise_of_single_ones() -> None:
    def made() -> tuple[Any, Any]:
        def model(x: Tensor) -> None:
            loc = pyro.sample("loc", dist.Normal(x.new_zeros(()), 1.0))
            with pyro.plate("data", len(x)):
                pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

        return model, AutoNormal(model)

    recorded, captured = both(
        made, torch.randn(1000) + 3.0, batch_size=32
    )  # 31 batches and a short one
    torch.testing.assert_close(recorded.loss, captured.loss, rtol=1e-4, atol=1e-3)


def test_draws_inside_the_graph_are_those_of_single_steps() -> None:
    def made() -> tuple[Any, Any]:
        def model(x: Tensor) -> None:
            rate = pyro.sample("rate", dist.Gamma(x.new_tensor(2.0), 1.0))
            with pyro.plate("data", len(x)):
                pyro.sample("x", dist.Poisson(rate), obs=x)

        def guide(x: Tensor) -> None:
            one = x.new_ones(())
            shape = pyro.param("shape", 2 * one, constraint=constraints.positive)
            pyro.sample(
                "rate", dist.Gamma(shape, pyro.param("b", one, constraint=constraints.positive))
            )

        return model, guide

    recorded, captured = both(made, torch.full((50,), 3.0))
    torch.testing.assert_close(recorded.loss, captured.loss, rtol=1e-3, atol=1e-3)
    assert float(recorded.loss.std()) > 0.0


def test_a_convolutional_network_is_recorded_where_its_products_are_in_tensor_float() -> None:
    """TF32, which cuDNN uses unless told otherwise, keeps three digits: no reason to refuse."""
    assert torch.backends.cudnn.allow_tf32
    torch.manual_seed(0)
    model = VAE((1, 28, 28), 8, network="convolutional")
    x = (torch.rand(512, 1, 28, 28) < 0.2).float()
    run = fit(model, x, steps=100, batch_size=128, device="cuda", compile=True)
    assert run.backend.engine == "compiled", run.backend
