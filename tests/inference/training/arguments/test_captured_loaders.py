"""A run that is captured as a graph does not depend on where its data come from.

Seen failing: a loader whose epochs are drawn in another order than a tensor's.
"""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from compiled_code import captured_only, own_cache
from pyro.infer.autoguide import AutoNormal
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from plausible.inference import Fit, fit
from plausible.models import ELBO, Adam

__all__ = ["captured_only", "own_cache"]

X = torch.randn(40, 3, generator=toys.seeded(1))


class Rows(Dataset[Tensor]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> Tensor:
        return X[i]


def latent(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0).to_event(1), obs=x)


def trained(data: Any, **more: Any) -> Fit:
    pyro.set_rng_seed(0)
    guide, objective = AutoNormal(latent), ELBO(optimizer=Adam(0.05))
    return fit(latent, data, guide=guide, objective=objective, steps=40, device="cpu", **more)


@pytest.mark.usefixtures("captured_only")
@pytest.mark.parametrize("wrapped", [TensorDataset(X), Rows()])
def test_a_captured_run_from_a_loader_is_that_of_the_tensor(wrapped: Any) -> None:
    loader = trained(DataLoader(wrapped, batch_size=7))
    tensor = trained(X, batch_size=7)
    assert loader.backend.engine == tensor.backend.engine == "captured"
    assert torch.equal(loader.loss, tensor.loss)
