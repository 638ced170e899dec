"""Simulation-based calibration of the pooled model: ranks of the truth are uniform."""

import numpy as np
import pytest
import scipy.stats
import torch

from plausible.fairness.base_rates.beta_binomial import beta_binomial
from plausible.fairness.base_rates.pooled_findings import Pool
from plausible.inference import sample_posterior

REPLICATES = 400
TRIALS = np.array([5, 20, 50, 10, 100])
KEPT = 99  # draws of each replicate, so that ranks go from 0 to 99
BINS = 10
LEVEL = 0.001  # each of the four chi-square tests fails by chance once in 1,000 seeds


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::plausible.inference.PosteriorWarning")
def test_ranks_of_the_truth_are_uniform_and_intervals_cover() -> None:
    # Populations do not touch one another, so that one run samples all replicates at once. With
    # the concentration 1 / s² instead of 1 / s² - 1, in the model or in `Pool.rates`, ranks of the
    # spread or of the rates pile up at one end.
    random = np.random.default_rng(0)
    mean, spread = random.uniform(size=(2, REPLICATES))
    size = spread**-2 - 1
    rates = random.beta(mean * size, (1 - mean) * size, size=(len(TRIALS), REPLICATES))
    n = np.broadcast_to(TRIALS[:, None], rates.shape)
    k = random.binomial(n, rates)
    found = sample_posterior(
        beta_binomial,
        tuple(torch.tensor(x, dtype=torch.float64) for x in (k, n)),
        max_draws=2000,
        tune=500,
        progress=False,
    ).posterior
    # Every 40th draw is close to independent: effective samples are more than a tenth of draws.
    made = {name: np.asarray(found[name]).reshape(-1, REPLICATES) for name in ("mean", "spread")}
    step = len(made["mean"]) // (KEPT + 1)
    kept = {name: x[::step][:KEPT] for name, x in made.items()}
    pool = Pool(k, n, kept["mean"], kept["spread"])
    ranks = {
        "mean": (kept["mean"] < mean).sum(axis=0),
        "spread": (kept["spread"] < spread).sum(axis=0),
    }
    for unit in (0, 2):
        drawn = np.stack([pool.rates(unit, r) for r in range(REPLICATES)], axis=1)
        ranks[f"rate of {TRIALS[unit]} trials"] = (drawn < rates[unit]).sum(axis=0)
    for name, rank in ranks.items():
        counted = np.bincount(rank * BINS // (KEPT + 1), minlength=BINS)
        assert scipy.stats.chisquare(counted).pvalue > LEVEL, (name, counted)
        # Of 100 ranks 90 lie in the middle; 3.3 standard errors are missed once in 1,000.
        inside = ((rank >= 5) & (rank < 95)).mean()
        assert abs(inside - 0.9) < 3.3 * (0.09 / REPLICATES) ** 0.5, (name, inside)
