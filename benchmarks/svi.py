"""Times a VAE's training step: `fit`, `pyro.infer.SVI` and plain PyTorch, alternating in one run.

    python benchmarks/svi.py [--rounds 15] [--steps 100] [--threads 2] [--device cpu]

The model is 784-400-20 with softplus units and a Bernoulli likelihood on binary data, batch 128, as
in Pyro's VAE example. Every round runs the same number of steps of each peer, in an order that
rotates; the table gives quartiles of milliseconds a step and of the ratio to `pyro.infer.SVI`
in the same round. `fit` runs with its progress bar on.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("FORCE_COLOR", "1")  # draw the progress bar although nobody watches

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn import functional

from plausible.inference import fit
from plausible.models import VAE

BATCH, HIDDEN, LATENT = 128, 400, 20


class PyroVAE(nn.Module):
    """The VAE as Pyro's documentation writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, HIDDEN), nn.Softplus())
        self.loc = nn.Linear(HIDDEN, LATENT)
        self.log_scale = nn.Linear(HIDDEN, LATENT)
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, 784)
        )

    def model(self, x: Tensor) -> None:
        pyro.module("vae", self)
        with pyro.plate("data", x.shape[0]):
            prior = dist.Normal(x.new_zeros(x.shape[0], LATENT), 1.0).to_event(1)
            z = pyro.sample("z", prior)
            pyro.sample("x", dist.Bernoulli(logits=self.decoder(z)).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        pyro.module("vae", self)
        with pyro.plate("data", x.shape[0]):
            h = self.encoder(x)
            pyro.sample("z", dist.Normal(self.loc(h), self.log_scale(h).exp()).to_event(1))

    def loss(self, x: Tensor) -> Tensor:
        h = self.encoder(x)
        loc, log_scale = self.loc(h), self.log_scale(h)
        z = loc + log_scale.exp() * torch.randn_like(loc)
        bce = functional.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (loc**2 + (2 * log_scale).exp() - 2 * log_scale - 1).sum()
        return (bce + kl) / x.shape[0]


def batches(x: Tensor, steps: int) -> list[Tensor]:
    order = torch.randperm(len(x), device=x.device)
    per_epoch = len(x) // BATCH
    return [order[(i % per_epoch) * BATCH :][:BATCH] for i in range(steps)]


def pyro_svi(x: Tensor, steps: int) -> Callable[[], float]:
    vae = PyroVAE().to(x.device)
    pyro.clear_param_store()
    svi = pyro.infer.SVI(
        vae.model, vae.guide, pyro.optim.Adam({"lr": 1e-3}), pyro.infer.Trace_ELBO()
    )

    def run() -> float:
        began = time.perf_counter()
        for index in batches(x, steps):
            svi.step(x[index])
        return time.perf_counter() - began

    return run


def plain_torch(x: Tensor, steps: int) -> Callable[[], float]:
    vae = PyroVAE().to(x.device)
    optimizer = torch.optim.Adam(vae.parameters(), 1e-3, fused=True)

    def run() -> float:
        began = time.perf_counter()
        for index in batches(x, steps):
            optimizer.zero_grad()
            vae.loss(x[index]).backward()
            optimizer.step()
        if x.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return run


def plausible_fit(x: Tensor, steps: int) -> Callable[[], float]:
    vae = VAE((784,), LATENT, hidden=(HIDDEN,), activation="softplus")
    device = x.device.type

    def run() -> float:
        return fit(vae, x, steps=steps, batch_size=BATCH, device=device).seconds

    return run


def quartiles(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    x = (torch.rand(6400, 784) < 0.13).float().to(arguments.device)
    steps = arguments.steps
    peers = {
        "pyro.infer.SVI": pyro_svi(x, steps),
        "plain PyTorch, eager, fused Adam": plain_torch(x, steps),
        "plausible fit": plausible_fit(x, steps),
    }
    times: dict[str, list[float]] = {name: [] for name in peers}
    names = list(peers)
    for run in peers.values():
        run()
    for i in range(arguments.rounds):
        for name in names[i % 3 :] + names[: i % 3]:
            times[name].append(1000 * peers[name]() / steps)
    reference = times["pyro.infer.SVI"]
    where = torch.cuda.get_device_name() if x.is_cuda else f"CPU, {arguments.threads} threads"
    print(f"\n{where}; torch {torch.__version__}, pyro {pyro.__version__}, {platform.machine()}; ")
    print(f"{arguments.rounds} rounds of {steps} steps: median (quartiles)\n")
    print("| peer | ms per step | speed relative to pyro.infer.SVI |")
    print("|---|---|---|")
    for name, values in times.items():
        ratios = [r / v for r, v in zip(reference, values, strict=True)]
        print(f"| {name} | {quartiles(values)} | {quartiles(ratios)} |")
    ratio = statistics.median(
        p / f
        for p, f in zip(
            times["plain PyTorch, eager, fused Adam"], times["plausible fit"], strict=True
        )
    )
    print(f"\nfit runs at {ratio:.2f} of plain PyTorch's speed.")


if __name__ == "__main__":
    main()
