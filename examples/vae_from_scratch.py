"""A variational autoencoder on digits in plain Pyro: the model, the guide, the training loop.

python examples/vae_from_scratch.py

`plausible.models.VAE` is the same program with more choices, and `plausible.inference.fit` the same
loop with checkpoints, compiled. tests/test_examples.py trains both, and compares their bounds.
"""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from pyro.optim import Adam
from torch import Tensor, nn

from plausible.inference.data import binarise, load


class VAE(nn.Module):
    def __init__(self, pixels: int = 784, hidden: int = 200, latent: int = 10) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(
            nn.Linear(pixels, hidden), nn.ReLU(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, pixels)
        )

    def model(self, x: Tensor) -> None:
        pyro.module("decoder", self.decoder)
        with pyro.plate("data", len(x)):
            prior = dist.Normal(x.new_zeros(len(x), self.latent), 1.0).to_event(1)
            z = pyro.sample("z", prior)
            pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("encoder", self.encoder)
        loc, log_scale = self.encoder(x).chunk(2, -1)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


def train(vae: VAE, x: Tensor, epochs: int) -> SVI:
    pyro.clear_param_store()
    svi = SVI(vae.model, vae.guide, Adam({"lr": 1e-3}), TraceMeanField_ELBO())
    for _ in range(epochs):
        for batch in x[torch.randperm(len(x))].split(128):
            svi.step(batch)
    return svi


if __name__ == "__main__":
    digits = load("digits")
    train_set, test_set = (binarise(x, seed=0).flatten(1) for x in (digits.train, digits.test))
    pyro.set_rng_seed(0)
    svi = train(VAE(), train_set, epochs=20)
    bound = -svi.evaluate_loss(test_set) / len(test_set)
    print(f"{bound:.1f} nats per held-out digit")
