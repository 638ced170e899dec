"""The examples run: the VAE in plain Pyro trains as ours does, the table of stops is reported."""

import sys
from pathlib import Path

import pytest
import torch

from plausible.inference import fit
from plausible.inference.data import binarise, load
from plausible.inference.evaluation.bounds import log_likelihood
from plausible.models import VAE

EXAMPLES = Path(__file__).parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import vae_from_scratch  # noqa: E402


def test_the_vae_in_plain_pyro_is_short_and_reaches_the_bound_of_ours() -> None:
    """Both are one program: over seeds their held-out bounds differ by initial weights only.

    Three seeds of each spread by about a nat, so that the means lie within two.
    """
    lines = (EXAMPLES / "vae_from_scratch.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    digits = load("digits")
    x, held_out = (binarise(part, seed=0).flatten(1) for part in (digits.train, digits.test))
    plain, ours = [], []
    for seed in range(3):
        _, svi = vae_from_scratch.train(x, epochs=4, seed=seed)
        plain.append(-svi.evaluate_loss(held_out) / len(held_out))
        torch.manual_seed(seed)
        vae = VAE((784,), 10, hidden=(200,), likelihood="bernoulli", activation="relu")
        fit(vae, x, epochs=4, batch_size=128, seed=seed, compile=False)
        ours.append(float(log_likelihood(vae, held_out, particles=1).mean()))
    assert sum(plain) / 3 == pytest.approx(sum(ours) / 3, abs=2.0)
