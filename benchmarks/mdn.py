"""Trains mixture density networks as zuko and sbi do, too: likelihood and time.

    python benchmarks/mdn.py [--rounds 5] [--steps 8000] [--threads 1]

Bishop's inverse problem (one output) and the two-joint arm (two outputs, full covariance): the same
data, widths, numbers of components, batches, steps and learning rates for all. zuko's mixture is
trained by a loop as its documentation has it, with Adam as it comes and, in a row of its own, with
fused Adam. The peers take turns, and every round has a seed of its own. Likelihoods are of held-out
pairs, in nats; a ratio of times is taken within a round.
"""

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable

parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=8000)
parser.add_argument("--threads", type=int, default=1)
given = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(given.threads)

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from plausible.inference import fit  # noqa: E402
from plausible.inference.data import INVERSE_SINE, TwoJointArm  # noqa: E402
from plausible.models import (  # noqa: E402
    Adam,
    CosineDecay,
    MaximumLikelihood,
    MixtureDensityNetwork,
)

BATCH, RATE, HIDDEN, TRAIN, HELD_OUT = 512, 5e-3, (64, 64), 100_000, 100_000
Pairs = tuple[Tensor, Tensor]


def ours(data: Pairs, held_out: Pairs, components: int, seed: int) -> tuple[float, float, str]:
    """Seconds of `fit`, its search for compiled code included; held-out nats; the engine."""
    torch.manual_seed(seed)
    (x, y), covariance = data, "full" if data[1].shape[-1] == 2 else "diagonal"
    began = time.perf_counter()
    model = MixtureDensityNetwork(
        tuple(x.shape[1:]), tuple(y.shape[1:]), components, covariance, hidden=HIDDEN
    ).standardise(x, y)
    run = fit(
        model,
        data,
        objective=MaximumLikelihood(Adam(CosineDecay(RATE, given.steps))),
        steps=given.steps,
        batch_size=BATCH,
        seed=seed,
        device="cpu",
    )
    seconds = time.perf_counter() - began
    return seconds, float(-model.log_prob(*held_out).mean()), run.backend.engine


def zukos(fused: bool) -> Callable[[Pairs, Pairs, int, int], tuple[float, float, str]]:
    def run(data: Pairs, held_out: Pairs, components: int, seed: int) -> tuple[float, float, str]:
        from zuko.mixtures import GMM

        torch.manual_seed(seed)
        x, y = data[0], data[1].reshape(len(data[1]), -1)
        began = time.perf_counter()
        loc_x, scale_x, loc_y, scale_y = x.mean(0), x.std(0), y.mean(0), y.std(0)
        a, b = (x - loc_x) / scale_x, (y - loc_y) / scale_y
        kind = "full" if y.shape[1] == 2 else "diagonal"
        model = GMM(
            y.shape[1],
            x.shape[1],
            components,
            covariance_type=kind,
            hidden_features=HIDDEN,
            activation=nn.Tanh,
        )
        optimizer = torch.optim.Adam(model.parameters(), RATE, fused=fused or None)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, given.steps)
        order = torch.randperm(len(a))
        for step in range(given.steps):
            start = step * BATCH % (len(a) - len(a) % BATCH)
            if start == 0:
                order = torch.randperm(len(a))
            rows = order[start : start + BATCH]
            loss = -model(a[rows]).log_prob(b[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        seconds = time.perf_counter() - began
        with torch.no_grad():
            u, v = held_out[0], held_out[1].reshape(len(held_out[1]), -1)
            log_prob = model((u - loc_x) / scale_x).log_prob((v - loc_y) / scale_y)
            return seconds, float(scale_y.log().sum() - log_prob.mean()), "eager PyTorch"

    return run


def quartiles(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3g}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.4g} ({low:.4g} to {high:.4g})"


def main() -> None:
    torch.set_num_threads(given.threads)
    if not importlib.util.find_spec("zuko"):
        raise SystemExit("zuko is not installed: pip install zuko")
    arm = TwoJointArm()
    problems = {
        "Bishop's inverse problem, 20 components": (INVERSE_SINE.draw, 20),
        "two-joint arm, 5 components, full covariance": (arm.draw, 5),
    }
    peers = {"plausible fit": ours, "zuko": zukos(False), "zuko, fused Adam": zukos(True)}
    print(f"torch {torch.__version__}, {given.threads} threads; {given.rounds} rounds, ", end="")
    print(f"{given.steps:,} steps of {BATCH} pairs: median (quartiles)")
    for title, (draw, components) in problems.items():
        data, held_out = draw(TRAIN, 0), draw(HELD_OUT, 1)
        rows_of: dict[str, list[tuple[float, float, str]]] = {name: [] for name in peers}
        for number in range(given.rounds):
            names = list(peers)[number % len(peers) :] + list(peers)[: number % len(peers)]
            for name in names:
                rows_of[name].append(peers[name](data, held_out, components, number))
        print(f"\n### {title}\n")
        print("| peer | held-out negative log-likelihood | seconds | faster by | engine |")
        print("|---|---|---|---|---|")
        for name, rows in rows_of.items():
            ratio = [
                mine[0] / row[0] for mine, row in zip(rows_of["plausible fit"], rows, strict=True)
            ]
            faster = "" if name == "plausible fit" else quartiles([1 / r for r in ratio]) + " x"
            engines = ", ".join(sorted({row[2] for row in rows}))
            nats = quartiles([row[1] for row in rows]).replace("-", "−")
            seconds = quartiles([row[0] for row in rows])
            print(f"| {name} | {nats} | {seconds} | {faster} | {engines} |")


if __name__ == "__main__":
    main()
