"""Effective samples a second of `sample_posterior`, Pyro's and NumPyro's NUTS, as a table.

    pip install numpyro
    python benchmarks/nuts.py [--rounds 5] [--draws 500] [--tune 500] [--groups 100]

The same model, data, chains and draws for each, alternating within every round: a binomial logit of
so many groups, written non-centred. A figure is the smallest bulk effective sample size of all
latent values, divided by the seconds from start to last draw, adaptation included and compiling
not. NumPyro runs its chains in parallel on one device a chain, in float64. Pyro's NUTS with
`jit_compile=True` is slow, so it runs one chain; its effective sample size a second is that
chain's, times the number of cores, as if others ran at the same time at no cost. Its tracing,
about a second, is not separated. It is left out with --without-pyro, and NumPyro where it is not
installed.

With --threshold COUNTS.csv it also times the hierarchical threshold test on those counts (columns
department, driver_race, num_stops, num_searches, num_hits), about 500 latent values.
"""

import argparse
import importlib.util
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from plausible.inference import diagnostics, sample_posterior

CHAINS = 4


@dataclass
class Peer:
    """A sampler with what it has shown so far.

    Attributes:
        run: from a seed to draws by site, seconds of sampling, and seconds of compiling.
        chains: how many chains its draws are to stand for, over those that it ran.
    """

    run: Callable[[int], tuple[dict[str, Any], float, float]]
    chains: float = 1.0
    rates: list[float] = field(default_factory=list)
    compiling: list[float] = field(default_factory=list)
    sampling: list[float] = field(default_factory=list)

    def take_turn(self, seed: int) -> None:
        draws, seconds, compiling = self.run(seed)
        self.rates.append(smallest_ess(draws) * self.chains / seconds)
        self.sampling.append(seconds)
        self.compiling.append(compiling)


def smallest_ess(draws: dict[str, Any]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        import arviz
    sizes = []
    for value in draws.values():
        columns = value.reshape(*value.shape[:2], -1)
        sizes += [float(arviz.ess(columns[:, :, k])) for k in range(columns.shape[2])]
    return min(sizes)


def logit(trials: Tensor, successes: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 1.5))
    tau = pyro.sample("tau", dist.HalfNormal(1.0))
    with pyro.plate("group", len(trials)):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("successes", dist.Binomial(trials, logits=mu + tau * z), obs=successes)


def ours(data: tuple[Tensor, ...], draws: int, tune: int) -> Callable[..., Any]:
    def run(seed: int) -> tuple[dict[str, Any], float, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.perf_counter()
            idata = sample_posterior(
                logit,
                data,
                chains=CHAINS,
                draws=draws,
                tune=tune,
                max_draws=draws,
                seed=seed,
                predictive=False,  # as the others
            )
            seconds = time.perf_counter() - began
        compiling = idata.posterior.attrs["compile_seconds"]
        values = {str(k): v.values for k, v in idata.posterior.data_vars.items()}
        return values, seconds - compiling, compiling

    return run


def pyros(data: tuple[Tensor, ...], draws: int, tune: int) -> Callable[..., Any]:
    from pyro.infer import MCMC, NUTS

    def run(seed: int) -> tuple[dict[str, Any], float, float]:
        pyro.set_rng_seed(seed)
        torch.set_default_dtype(torch.float64)
        sampler = MCMC(
            NUTS(logit, jit_compile=True, ignore_jit_warnings=True),
            num_samples=draws,
            warmup_steps=tune,
            disable_progbar=True,
        )
        began = time.perf_counter()
        sampler.run(*data)
        seconds = time.perf_counter() - began
        torch.set_default_dtype(torch.float32)
        return (
            {k: v.numpy() for k, v in sampler.get_samples(group_by_chain=True).items()},
            seconds,
            0.0,
        )

    return run


def numpyros(data: tuple[Tensor, ...], draws: int, tune: int) -> Callable[..., Any]:
    import jax
    import numpyro
    import numpyro.distributions as npdist
    from numpyro.infer import MCMC, NUTS

    numpyro.set_host_device_count(CHAINS)
    jax.config.update("jax_enable_x64", True)
    trials, successes = (x.numpy() for x in data)

    def model() -> None:
        mu = numpyro.sample("mu", npdist.Normal(0.0, 1.5))
        tau = numpyro.sample("tau", npdist.HalfNormal(1.0))
        with numpyro.plate("group", len(trials)):
            z = numpyro.sample("z", npdist.Normal(0.0, 1.0))
            at = npdist.Binomial(trials, logits=mu + tau * z)
            numpyro.sample("successes", at, obs=successes)

    sampler = MCMC(
        NUTS(model), num_warmup=tune, num_samples=draws, num_chains=CHAINS, progress_bar=False
    )
    first: list[float] = []

    def once(seed: int) -> float:
        began = time.perf_counter()
        sampler.run(jax.random.PRNGKey(seed))
        jax.block_until_ready(sampler.get_samples())
        return time.perf_counter() - began

    def run(seed: int) -> tuple[dict[str, Any], float, float]:
        if not first:
            first.append(once(10_000))
        seconds = once(seed)
        values = {k: np.asarray(v) for k, v in sampler.get_samples(group_by_chain=True).items()}
        return values, seconds, max(first[0] - seconds, 0.0)

    return run


def quartiles(values: list[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3g}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3g} ({low:.3g}, {high:.3g})"


def threshold(path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "inference" / "posterior"))
    from threshold_model import read_counts, threshold_test

    groups, counts = read_counts(path)
    names: Any = {"dims": {"threshold": ["group"]}, "coords": {"group": groups}}
    idata = sample_posterior(threshold_test, tuple(counts), **names)
    attributes = idata.posterior.attrs
    print(f"\nThreshold test, {counts[0].numel()} cells:", diagnostics(idata).text)
    print(
        f"{attributes['sampling_seconds']:.1f} s, compiled in {attributes['compile_seconds']:.1f}"
    )
    for group in groups:
        draws = idata.posterior["threshold"].sel(group=group).values
        low, high = np.quantile(draws, [0.025, 0.975])
        print(f"{group}: {draws.mean():.3f} ({low:.3f}, {high:.3f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value in (("rounds", 5), ("draws", 500), ("tune", 500), ("groups", 100)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--without-pyro", action="store_true")
    parser.add_argument("--threshold", type=Path)
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    trials = torch.randint(20, 200, (given.groups,)).double()
    at = 0.3 + 0.8 * torch.randn(given.groups, dtype=torch.float64)
    data = (trials, torch.distributions.Binomial(trials, logits=at).sample())
    peers = {"plausible": Peer(ours(data, given.draws, given.tune))}
    if not given.without_pyro:
        one = pyros(data, given.draws, given.tune)
        peers["Pyro NUTS, jit"] = Peer(one, chains=os.cpu_count() or 1)
    if importlib.util.find_spec("numpyro"):
        peers["NumPyro NUTS"] = Peer(numpyros(data, given.draws, given.tune))
    else:
        print("NumPyro is not installed: pip install numpyro")
    names = list(peers)
    for round_ in range(given.rounds):
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            peers[name].take_turn(round_ + 1)
    print(f"{given.groups} groups, {CHAINS} chains of {given.tune} + {given.draws} draws,")
    print(f"{given.rounds} rounds; medians and quartiles over rounds\n")
    print("| sampler | ESS a second | plausible is faster by | sampling, s | compiling, s |")
    print("|---|---|---|---|---|")
    for name, peer in peers.items():
        pairs = zip(peers["plausible"].rates, peer.rates, strict=True)
        row = [quartiles(peer.rates), quartiles([a / b for a, b in pairs])]
        row += [quartiles(peer.sampling), f"{max(peer.compiling):.1f}"]
        print(f"| {name} | {' | '.join(row)} |")
    if given.threshold is not None:
        threshold(given.threshold)


if __name__ == "__main__":
    main()
