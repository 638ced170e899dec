"""On a CUDA device the rounds are a recorded graph: the same numbers, new draws at every replay."""

import pytest
import torch

from plausible.inference import fit
from plausible.inference.compiled.cuda import record
from plausible.models import VAE

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_a_recorded_function_changes_its_inputs_and_draws_anew() -> None:
    total = torch.zeros(1000, device="cuda")
    step = torch.ones((), device="cuda")

    def function(total: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        noise = torch.rand_like(total)
        total.add_(step)
        return noise.sum()

    replay = record(function, [total, step])
    assert float(total.sum()) == 0.0  # recording leaves no trace
    first, second = float(replay(total, step)), float(replay(total, 2 * step))
    assert first != second
    torch.testing.assert_close(total, torch.full_like(total, 3.0))


def test_replayed_training_equals_training_step_by_step() -> None:
    x = (torch.rand(1000, 784) < 0.2).float()
    losses = {}
    for compile in (True, "auto"):
        torch.manual_seed(0)
        vae = VAE((784,), 5, hidden=(64,))
        result = fit(vae, x, steps=600, device="cuda", compile=compile)
        assert result.backend.engine == "compiled", result.backend
        losses[compile] = result.loss
    torch.testing.assert_close(losses[True], losses["auto"], rtol=1e-3, atol=1e-3)
    assert float(losses[True][-50:].mean()) < float(losses[True][:50].mean())
