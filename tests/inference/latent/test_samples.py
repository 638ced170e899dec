"""New data go by the contract of latents, whatever the class."""

from typing import Any

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from plausible.inference.latent.samples import new_data
from plausible.models import (
    VAE,
    Classifier,
    ConditionalGenerator,
    DataError,
    GeneratorNetwork,
    ModelError,
    NormalDensity,
    with_prior,
)


class Square(nn.Module):
    """A user's own module that keeps the contract without any of our classes."""

    latent_shape = (1,)

    def prior(self, size: int) -> Any:
        return dist.Uniform(torch.full((size, 1), 2.0), 3.0).to_event(1)

    def decode(self, z: Tensor) -> Any:
        return dist.Normal(z.square(), 0.1).to_event(1)

    def generate(self, z: Tensor) -> Tensor:
        return z.square()


@pytest.mark.parametrize("build", [
    lambda: VAE((3,), 2, "bernoulli", hidden=(5,)),
    lambda: GeneratorNetwork((3,), 2, "normal"),
    lambda: GeneratorNetwork((3,), 2),
    lambda: with_prior(VAE((3,), 2, "normal"), NormalDensity((2,))),
    Square,
])  # fmt: skip
def test_any_model_with_latents_makes_new_data(build: Any) -> None:
    model = build()
    state = torch.get_rng_state()
    mean, drawn = (new_data(model, 6, shown=shown, seed=2) for shown in ("mean", "drawn"))
    assert mean.shape == drawn.shape and len(mean) == 6
    assert torch.equal(mean, new_data(model, 6, seed=2))
    assert not torch.equal(mean, new_data(model, 6, seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    random = not (isinstance(model, GeneratorNetwork) and model.likelihood is None)
    assert torch.equal(mean, drawn) is not random


def test_they_come_from_the_models_own_prior() -> None:
    # Seen failing with latents from N(0, I).
    x = new_data(Square(), 500)  # type: ignore[arg-type]
    assert 4.0 <= float(x.min()) < 4.2 and 8.8 < float(x.max()) <= 9.0
    density = NormalDensity((2,)).match(torch.randn(500, 2) + 50.0)
    vae = VAE((3,), 2, "normal", hidden=())
    far, near = (new_data(m, 50).abs().mean() for m in (with_prior(vae, density), vae))
    assert float(far) > 5 * float(near)


def test_conditional_models_need_their_condition() -> None:
    model = ConditionalGenerator((2,), (3,), 2)
    assert new_data(model, 4, torch.randn(1, 2)).shape == (4, 3)
    assert new_data(model, 4, torch.randn(4, 2)).shape == (4, 3)
    with pytest.raises(ModelError, match="takes 1 conditions next to latents, but got 0"):
        new_data(model, 4)
    with pytest.raises(DataError, match="one for each of the 4"):
        new_data(model, 4, torch.randn(3, 2))
    with pytest.raises(ModelError, match="A Classifier has no latents"):
        new_data(Classifier((2,)), 4)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="at least 1, but is 0"):
        new_data(model, 0, torch.randn(1, 2))
