"""Held-out bounds of a VAE on Fashion-MNIST for every likelihood, as a table.

    python benchmarks/likelihoods.py [--data fashion-mnist] [--epochs 20] [--particles 100]

The same 784-400-20 network, seed, batches and epochs for each. Densities see pixels with uniform
noise inside each byte, x = (k + u) / 256 with a seeded u, so their bound is also one on the bytes:
bits per dimension = -ln p(x) / (784 ln 2) + 8, smaller is better. Scales have a floor of 1/256, one
grey level. Bernoulli on greys (binary cross-entropy) is not a density; its score stands
in a column of its own and is not ranked.
"""

import argparse

import torch

from plausible.inference import fit
from plausible.inference.data import bits_per_dim, load
from plausible.inference.evaluation.bounds import evaluate
from plausible.inference.recipes.autoencoders.vae import observed
from plausible.models import (
    VAE,
    BinaryCrossEntropy,
    ContinuousBernoulli,
    DiagonalNormal,
    Laplace,
    Likelihood,
    Normal,
)

FLOOR = 1 / 256


def likelihoods() -> dict[str, Likelihood]:
    return {
        "Normal, one learned scale": Normal("learned", min_scale=FLOOR),
        "Normal, a scale for each pixel": DiagonalNormal(min_scale=FLOOR),
        "Laplace, one learned scale": Laplace("learned", min_scale=FLOOR),
        "continuous Bernoulli": ContinuousBernoulli(),
        "Bernoulli on greys": BinaryCrossEntropy(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--particles", type=int, default=100)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    images = load(arguments.data)
    print(f"{images!r}; VAE 784-400-20, {arguments.epochs} epochs, batch 128, Adam 1e-3, seed 0;")
    print(f"{len(images.test):,} held-out images, {arguments.particles} draws each\n")
    print(
        "| likelihood | ELBO, nats | ln p(x) ≥, nats | bits/dim ≤ | score on greys (no density) |"
    )
    print("|---|---|---|---|---|")
    for name, likelihood in likelihoods().items():
        torch.manual_seed(0)
        model = VAE(images.shape, 20, likelihood, hidden=(400,))
        train, held_out = observed(images, likelihood, 0)
        fit(model, train, epochs=arguments.epochs, device=arguments.device)
        model.to("cpu")
        result = evaluate(model, held_out, particles=arguments.particles)
        if likelihood.is_density:
            bits = float(bits_per_dim(torch.tensor(result.log_likelihood.mean), images.shape))
            print(
                f"| {name} | {result.elbo} | {result.log_likelihood} | {bits:.3f} | |", flush=True
            )
        else:
            print(f"| {name} | | | | {result.log_likelihood} |", flush=True)


if __name__ == "__main__":
    main()
