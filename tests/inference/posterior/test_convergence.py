"""R-hat and effective sample size of many quantities are those of ArviZ, and fast."""

import time

import arviz as az
import numpy as np
import pytest

from plausible.inference.posterior.convergence import bulk_ess, r_hat
from plausible.inference.posterior.diagnostics import Convergence


def autoregressive(rho: float, chains: int, draws: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(chains, draws))
    x = noise.copy()
    for t in range(1, draws):
        x[:, t] = rho * x[:, t - 1] + (1 - rho**2) ** 0.5 * noise[:, t]
    return x


KINDS = {
    "white": autoregressive(0.0, 4, 200, 0),
    "slow": autoregressive(0.97, 4, 200, 1),
    "antithetic": autoregressive(-0.9, 4, 200, 2),
    "shifted": autoregressive(0.5, 4, 200, 3) + np.arange(4)[:, None],
    "wider": autoregressive(0.5, 4, 200, 4) * np.array([1, 1, 1, 5])[:, None],
    "ties": np.round(autoregressive(0.5, 4, 200, 5)),
    "two values": (autoregressive(0.5, 4, 200, 6) > 1.5).astype(float),
    "short": autoregressive(0.2, 2, 5, 7),
    "four draws": autoregressive(0.2, 3, 4, 8),
    "one chain": autoregressive(0.6, 1, 101, 9),
    "heavy": np.random.default_rng(10).standard_cauchy((3, 150)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_those_of_arviz(kind: str) -> None:
    x = KINDS[kind]
    both = np.stack([x, x[:, ::-1] ** 3], axis=2)  # two quantities, which must not mix
    for i in range(2):
        assert bulk_ess(both)[i] == pytest.approx(float(az.ess(both[:, :, i])), rel=1e-9)
        if len(x) > 1:
            assert r_hat(both)[i] == pytest.approx(float(az.rhat(both[:, :, i])), rel=1e-9)


def test_a_chain_that_never_moves_has_an_infinite_r_hat() -> None:
    stuck = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 50, 1))
    assert r_hat(stuck) == np.inf


def test_names_of_components_are_kept_and_constants_left_out() -> None:
    x = np.random.default_rng(0).normal(size=(4, 100, 2, 3))
    x[:, :, 0, 0] = 1.0
    x[0, :, 1, 2] += 3.0
    state = Convergence({"a": KINDS["white"][:, :100], "b": x})
    assert state.worst == state.scarcest == "b[1, 2]"
    assert state.r_hat == pytest.approx(float(az.rhat(x[:, :, 1, 2])))


def test_three_thousand_components_take_no_time_to_speak_of() -> None:
    x = np.random.default_rng(0).normal(size=(4, 500, 3000))
    began = time.process_time()
    for i in range(100):
        az.ess(x[:, :, i]), az.rhat(x[:, :, i])
    one_by_one = 30 * (time.process_time() - began)
    began = time.process_time()
    Convergence({"x": x})
    assert time.process_time() - began < one_by_one / 2  # a quarter, measured
