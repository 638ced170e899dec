"""Models that a density cannot be trusted for are refused, and awkward ones get the right one.

What they guard against was seen: other densities, raw errors, chains that outlived their parent.
"""

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam
from pyro.ops.indexing import Vindex
from torch import Tensor

from plausible.inference import diagnostics, log_density, sample_posterior
from plausible.models import ModelError


def value(model: Callable[..., Any], at: float, data: Any = ()) -> float:
    return log_density(model, data, compile=False).value_and_grad([at])[0]


def normal(x: float, loc: float, scale: float = 1.0) -> float:
    return -0.5 * ((x - loc) / scale) ** 2 - math.log(scale * math.sqrt(2 * math.pi))


def summed() -> None:
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    with pyro.plate("d", 3):
        z = pyro.sample("z", dist.Bernoulli(0.3))
    pyro.sample("y", dist.Normal(m + z.sum(), 1.0), obs=torch.tensor(0.3))


def multiplied() -> None:
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    with pyro.plate("d", 8):
        z = pyro.sample("z", dist.Bernoulli(0.3))
    pyro.sample("y", dist.Normal(m + z.prod(), 1.0), obs=torch.tensor(0.3))


def stacked() -> None:
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    k = pyro.sample("k", dist.Bernoulli(0.3))
    both = torch.stack([m + k, m - k])
    pyro.sample("y", dist.Normal(both, 1.0).to_event(1), obs=torch.tensor([0.3, 0.1]))


@pytest.mark.parametrize("model", [summed, multiplied, stacked])
def test_combinations_of_summed_out_values_are_refused(model: Callable[[], None]) -> None:
    with pytest.raises(ModelError, match="'y' combines values of the discrete latent sites"):
        log_density(model, compile=False)


def test_values_in_plates_and_chains_are_summed_out_exactly() -> None:
    """Beside the refusals: a mixture in a plate, and a chain whose dimensions are used again."""
    x = torch.tensor([0.3, -1.2, 0.7, 2.0], dtype=torch.float64)
    step = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)

    def mixture(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("d", len(x)):
            z = pyro.sample("z", dist.Categorical(torch.tensor([0.2, 0.5, 0.3])))
            pyro.sample("y", dist.Normal(m * z, 1.0), obs=x)

    def chain(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        k: Any = torch.tensor(0)
        for t in pyro.markov(range(len(x))):
            k = pyro.sample(f"k_{t}", dist.Categorical(Vindex(step)[k]))
            pyro.sample(f"y_{t}", dist.Normal(m * k, 1.0), obs=x[t])

    m, total = 0.4, 0.0
    parts = [
        math.log(sum(w * math.exp(normal(v, m * k)) for k, w in enumerate([0.2, 0.5, 0.3])))
        for v in x.tolist()
    ]
    assert value(mixture, m, x) == pytest.approx(normal(m, 0.0) + sum(parts), abs=1e-9)
    for path in itertools.product([0, 1], repeat=4):
        p, before = 1.0, 0
        for k, v in zip(path, x.tolist(), strict=True):
            p, before = p * float(step[before, k]) * math.exp(normal(v, m * k)), k
        total += p
    assert value(chain, m, x) == pytest.approx(normal(m, 0.0) + math.log(total), abs=1e-9)


def test_a_deterministic_site_that_combines_them_is_left_out() -> None:
    def model() -> None:
        pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("d", 3):
            z = pyro.sample("z", dist.Bernoulli(0.5))
        pyro.deterministic("mean", z.mean())
        pyro.deterministic("two", torch.tensor(2.0))

    assert log_density(model, compile=False).deterministic == ("two",)


def test_reparametrised_sites_are_in_the_posterior() -> None:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("group", len(x)):
            theta = pyro.sample("theta", dist.Normal(mu, 2.0))
            pyro.sample("x", dist.Normal(theta, 1.0), obs=x)

    non_centred = poutine.reparam(model, {"theta": LocScaleReparam(0.0)})
    x = torch.tensor([1.0, 2.0, 3.0])
    made = sample_posterior(
        non_centred, x, chains=1, draws=20, tune=50, compile=False, progress=False, max_draws=20
    )
    drawn: Any = made.posterior
    assert drawn["theta"].dims == ("chain", "draw", "group")
    expected = drawn["mu"].values[..., None] + 2 * drawn["theta_decentered"].values
    np.testing.assert_allclose(drawn["theta"].values, expected)
    assert set(made.observed_data.data_vars) == {"x"}  # type: ignore[attr-defined]


def test_deterministic_sites_by_numpy_follow_the_draws() -> None:
    def model() -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        pyro.deterministic("n", torch.as_tensor(np.exp(m.detach().numpy())))

    given = log_density(model, compile=False).constrain([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(given["n"], np.exp([-1.0, 0.0, 1.0]))


def test_decisions_by_numpy_are_taken_anew_at_every_point() -> None:
    def model() -> None:
        m = pyro.sample("m", dist.Normal(0.0, 3.0))
        pyro.factor("f", torch.tensor(-50.0 if float(m.detach().numpy()) > 2 else 0.0))

    density = log_density(model, compile=False)
    assert density.backend.engine == "eager" and "Python or NumPy" in density.backend.reason
    assert density.value_and_grad([2.5])[0] == pytest.approx(normal(2.5, 0.0, 3.0) - 50)


def test_a_model_that_catches_a_failed_factor_is_asked_itself() -> None:
    def model() -> None:
        a, one = pyro.sample("a", dist.Normal(0.0, 2.0)), torch.ones(())
        matrix = torch.stack([torch.stack([one, a]), torch.stack([a, one])])
        try:
            root = torch.linalg.cholesky(matrix)
        except RuntimeError:
            root = torch.eye(2)
        pyro.factor("f", root[1, 1])

    for point, last in ((0.6, 0.8), (1.7, 1.0)):
        assert value(model, point) == pytest.approx(normal(point, 0.0, 2.0) + last)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: pyro.sample("a", dist.VonMises(0.0, 1.0)), "whole turn"),
        (
            lambda: pyro.sample("a", dist.VonMises(0.0, 1.0).expand([2]).to_event(1)),
            "whole turn",
        ),
        (
            lambda: (
                pyro.sample("a", dist.Normal(pyro.sample("m", dist.Normal(0.0, 1.0)), 1.0))
                + pyro.factor("f", torch.randn(()))
            ),
            "draws at random besides",
        ),
        (lambda: pyro.sample("chain", dist.Normal(0.0, 1.0)), "'chain', which is the name"),
    ],
)
def test_what_cannot_be_sampled_is_refused(model: Callable[[], Any], why: str) -> None:
    def without_result() -> None:
        try:
            model()
        except TypeError:  # pyro.factor gives nothing to add
            return

    with pytest.raises(ModelError, match=why):
        sample_posterior(without_result, compile=False, progress=False)


def test_a_number_that_is_no_tensor_is_refused() -> None:
    def model() -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(m, 1.0), obs=2.0)

    with pytest.raises(ModelError, match=r"observes 2\.0, a float"):
        value(model, 0.5)


def test_missing_values_by_obs_mask_have_their_posterior() -> None:
    """m ~ N(0, 1), x_i ~ N(m, 1), the second of three missing."""
    x, seen = torch.tensor([1.0, 0.0, 2.0]), torch.tensor([True, False, True])

    def model(x: Tensor, seen: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("d", len(x)):
            pyro.sample("x", dist.Normal(m, 1.0), obs=x, obs_mask=seen)

    density = log_density(model, (x, seen), compile=False)
    at = [0.4, -1.0, 0.5, 1.5]
    expected = sum(normal(v, m) for v, m in ((0.4, 0.0), (1.0, 0.4), (2.0, 0.4)))
    expected += sum(normal(v, 0.4) for v in at[1:])
    assert density.value_and_grad(at)[0] == pytest.approx(expected)
    np.testing.assert_allclose(density.constrain(at)["x"], [1.0, 0.5, 2.0])


def test_discrete_values_that_are_partly_observed_sum_to_one() -> None:
    """m ~ N(0, 1), k_i ~ Bernoulli(.3), y_i ~ N(m + k_i, 1), the second of three k missing."""
    y, seen = torch.tensor([0.5, 1.0, -0.2]), torch.tensor([True, False, True])
    k = torch.tensor([1.0, 0.0, 0.0])

    def model(k: Tensor, y: Tensor, seen: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("d", len(y)):
            k = pyro.sample("k", dist.Bernoulli(0.3), obs=k, obs_mask=seen)
            pyro.sample("y", dist.Normal(m + k, 1.0), obs=y)

    m = 0.4
    expected = normal(m, 0.0) + math.log(0.3) + normal(0.5, m + 1) + math.log(0.7)
    expected += normal(-0.2, m)
    expected += math.log(0.3 * math.exp(normal(1.0, m + 1)) + 0.7 * math.exp(normal(1.0, m)))
    assert value(model, m, (k, y, seen)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "site",
    [
        dist.ImproperUniform(dist.constraints.real, (), ()),
        dist.Normal(0.0, 1.0).mask(False),
    ],
)
def test_a_flat_density_is_refused(site: Any) -> None:
    with pytest.raises(ModelError, match=r"does not depend on 1 of 1 latent values.*'z'"):
        log_density(lambda: pyro.sample("z", site), compile=False)


def test_a_support_that_follows_a_latent_value_is_met() -> None:
    """theta ~ Exponential(.01) and ten of Uniform(0, theta), the largest 50."""
    x = torch.linspace(5.0, 50.0, 10)

    def model(x: Tensor) -> None:
        theta = pyro.sample("theta", dist.Exponential(0.01))
        with pyro.plate("d", len(x)):
            pyro.sample("x", dist.Uniform(torch.zeros(()), theta), obs=x)

    made = sample_posterior(
        model, x, chains=2, draws=200, tune=150, compile=False, progress=False, target_accept=0.9
    )
    drawn = made.posterior["theta"].values  # type: ignore[attr-defined]
    grid = np.linspace(50.0, 300.0, 20_000)
    weight = np.exp(-0.01 * grid - 10 * np.log(grid / 50))
    assert drawn.min() >= 50.0
    # Some 150 independent draws of a posterior of sd 6 have a standard error of .5.
    assert drawn.mean() == pytest.approx((grid * weight).sum() / weight.sum(), abs=2.5)


def test_draws_that_are_no_numbers_are_named_and_do_not_make_chains_disagree() -> None:
    def model() -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        pyro.deterministic("log", m.log())
        pyro.deterministic("large", m > 2.5)  # in some chains never

    with pytest.warns(UserWarning, match="Some draws of 'log' are infinite or no number"):
        made = sample_posterior(model, draws=400, tune=200, compile=False, progress=False)
    found = diagnostics(made)
    assert found.r_hat < 1.02 and "have not converged" not in found.text


def test_modules_in_the_context_are_converted() -> None:
    def model(net: Any) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        pyro.factor("f", net(m[None]).sum())

    net = torch.nn.Linear(1, 1)
    given = log_density(model, context={"net": net}, compile=False).value_and_grad([0.5])[0]
    assert given == pytest.approx(normal(0.5, 0.0) + float(net(torch.tensor([0.5]))), abs=1e-6)
    assert net.weight.dtype == torch.float32 and net.training


@pytest.mark.parametrize(
    "given", [{"dims": ["a"]}, {"dims": {"m": None}}, {"coords": ["a"]}, {"coords": {"a": "xy"}}]
)
def test_names_that_are_no_lists_are_refused(given: Any) -> None:
    with pytest.raises(ModelError, match="is a dictionary of lists by name"):
        sample_posterior(lambda: pyro.sample("m", dist.Normal(0.0, 1.0)), compile=False, **given)


class Odd(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def test_errors_of_a_model_that_cannot_travel_are_told() -> None:
    def model() -> None:
        if float(pyro.sample("m", dist.Normal(0.0, 1.0))) > 2.0:
            raise Odd(1, 2)

    with pytest.raises(ModelError, match="Odd at some latent values: odd"):
        sample_posterior(model, chains=2, draws=500, progress=False, compile=False)


def test_an_exact_guide_has_no_tail() -> None:
    def model() -> None:
        pyro.sample("m", dist.Normal(0.0, 1.0))

    def guide() -> None:
        pyro.sample("m", dist.Normal(0 * pyro.param("s", torch.tensor(0.0)), 1.0))

    made = sample_posterior(model, method="svi", guide=guide, steps=5, draws=50, progress=False)
    assert "close to the posterior" in made.posterior.attrs["diagnosis"]  # type: ignore[attr-defined]


def test_threads_leave_the_default_type() -> None:
    def model() -> None:
        pyro.sample("m", dist.Normal(0.0, 1.0))

    density = log_density(model, compile=False)
    jobs: list[Callable[[], Any]] = [
        lambda: log_density(model, compile=False),
        lambda: [density.value_and_grad([0.1]) for _ in range(300)],
        lambda: log_density(model, compile=False),
    ]
    for _ in range(5):
        threads = [threading.Thread(target=job) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert torch.get_default_dtype() == torch.float32


ENDLESS = """
import pyro, pyro.distributions as dist, torch
from plausible.inference import sample_posterior

def model():
    with pyro.plate("d", 50):
        pyro.sample("m", dist.Normal(0.0, 1.0))

print("begins", flush=True)
sample_posterior(model, chains=2, draws=10**7, tune=100, compile=False)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_chains_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline()
    children: list[str] = []
    until = time.monotonic() + 60
    while len(children) < 2 and time.monotonic() < until:
        time.sleep(0.2)
        path = f"/proc/{parent.pid}/task/{parent.pid}/children"
        with open(path) as file:
            children = file.read().split()
    assert len(children) == 2
    time.sleep(1.0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 20
    while (left := [c for c in children if _runs(c)]) and time.monotonic() < until:
        time.sleep(0.2)
    for child in left:
        os.kill(int(child), signal.SIGKILL)
    assert not left


def _runs(process: str) -> bool:
    """Whether it is there and no mere entry of one that has ended."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
