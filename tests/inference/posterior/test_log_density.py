"""The log density equals Pyro's own, with Jacobians, plates, masks, scales and sums over sites."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.mcmc.util import initialize_model
from pyro.nn import PyroModule
from torch import Tensor, nn

from plausible.inference import log_density
from plausible.models import DataError, ModelError

X = torch.tensor([0.3, -1.2, 0.7, 2.0, -0.1])


def transforms(x: Tensor) -> None:
    pyro.sample("weights", dist.Dirichlet(torch.ones(4)))
    pyro.sample("share", dist.Beta(2.0, 3.0))
    width = pyro.sample("width", dist.Uniform(-1.0, 3.0))
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    pyro.sample("above", dist.Pareto(1.5, 3.0))
    pyro.sample("x", dist.Normal(width, scale).expand([5]).to_event(1), obs=x)


def correlations(x: Tensor) -> None:
    factor = pyro.sample("factor", dist.LKJCholesky(3, 2.0))
    with pyro.plate("rows", 2):
        pyro.sample("z", dist.MultivariateNormal(torch.zeros(3), scale_tril=factor))
    pyro.sample("x", dist.Normal(factor[1, 0], 1.0).expand([5]).to_event(1), obs=x)


def weighted(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
    with pyro.plate("data", 5):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        seen = torch.tensor([True, True, False, True, False])
        with poutine.mask(mask=seen), poutine.scale(scale=0.5):
            pyro.sample("x", dist.Normal(loc * rate, 1.0), obs=x)
    pyro.factor("tilt", -loc.abs())
    pyro.deterministic("double", 2 * loc)


def nested(x: Tensor) -> None:
    with pyro.plate("columns", 3, dim=-1):
        loc = pyro.sample("loc", dist.StudentT(4.0))
        with pyro.plate("rows", 5, dim=-2):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x[:, None].expand(5, 3))


def mixture(x: Tensor) -> None:
    share = pyro.sample("share", dist.Beta(2.0, 2.0))
    with pyro.plate("component", 2):
        loc = pyro.sample("loc", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        kind = pyro.sample("kind", dist.Bernoulli(share))
        pyro.sample("x", dist.Normal(torch.where(kind == 1, loc[1], loc[0]), 1.0), obs=x)


def summed_mixture(x: Tensor) -> None:
    """The same, with the sum over components written out."""
    share = pyro.sample("share", dist.Beta(2.0, 2.0))
    with pyro.plate("component", 2):
        loc = pyro.sample("loc", dist.Normal(0.0, 3.0))
    first = (1 - share).log() + dist.Normal(loc[0], 1.0).log_prob(x)
    second = share.log() + dist.Normal(loc[1], 1.0).log_prob(x)
    with pyro.plate("data", len(x)):
        pyro.factor("x", torch.logaddexp(first, second))


def of_pyro(model: Callable[..., Any], values: dict[str, Any]) -> float:
    """Pyro's own potential, with the sign of a density, at constrained values in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        _, potential, inverses, _ = initialize_model(model, (X.double(),))
        given = {name: inverses[name](torch.as_tensor(values[name])) for name in inverses}
        return -float(potential(given))
    finally:
        torch.set_default_dtype(torch.float32)


# Without the Jacobian, all but "nested" fail.
@pytest.mark.parametrize("model", [transforms, correlations, weighted, nested, mixture])
def test_the_density_is_that_of_pyro(model: Callable[..., Any]) -> None:
    density = log_density(model, X, compile=False)
    for seed in range(3):
        vector = np.random.default_rng(seed).normal(size=density.size)
        expected = of_pyro(model, density.constrain(vector))
        assert abs(density.value_and_grad(vector)[0] - expected) < 1e-10 * max(1, abs(expected))
        assert abs(float(density(torch.tensor(vector))) - expected) < 1e-10 * max(1, abs(expected))


@pytest.mark.parametrize("model", [transforms, correlations, weighted, mixture])
def test_the_gradient_is_that_of_finite_differences(model: Callable[..., Any]) -> None:
    density = log_density(model, X, compile=False)
    vector = np.random.default_rng(1).normal(size=density.size)
    _, gradient = density.value_and_grad(vector)
    step = 1e-5  # a central difference is off by some 1e-10 · the third derivative
    for i, direction in enumerate(np.eye(density.size)):
        high, _ = density.value_and_grad(vector + step * direction)
        low, _ = density.value_and_grad(vector - step * direction)
        assert abs((high - low) / (2 * step) - gradient[i]) < 1e-6 * (1 + abs(gradient[i]))


def test_a_discrete_site_is_summed_out_exactly() -> None:
    density = log_density(mixture, X, compile=False)
    written = log_density(summed_mixture, X, compile=False)
    assert density.enumerated == ("kind",) and density.names == ("share", "loc")
    for seed in range(3):
        vector = np.random.default_rng(seed).normal(size=3)
        value, gradient = density.value_and_grad(vector)
        expected, slope = written.value_and_grad(vector)
        assert abs(value - expected) < 1e-12 * abs(expected)
        np.testing.assert_allclose(gradient, slope, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("compiled_here")
def test_compiled_code_gives_what_pyro_gives() -> None:
    density = log_density(weighted, X)
    assert density.backend.engine == "compiled", density.backend.reason
    vector = np.random.default_rng(0).normal(size=density.size)
    value, gradient = density.value_and_grad(vector)
    point = torch.tensor(vector, requires_grad=True)
    reference = density(point)
    reference.backward()
    assert abs(value - float(reference)) < 1e-12 * abs(value)
    assert point.grad is not None
    np.testing.assert_allclose(gradient, point.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_values_return_from_the_vector_they_lead_to() -> None:
    density = log_density(transforms, X, compile=False)
    vectors = np.random.default_rng(0).normal(size=(2, 3, density.size))
    values = density.constrain(vectors)
    assert values["weights"].shape == (2, 3, 4) and values["share"].shape == (2, 3)
    np.testing.assert_allclose(values["weights"].sum(-1), 1.0, rtol=1e-14)
    assert (values["above"] > 1.5).all() and (abs(values["width"] - 1.0) < 2.0).all()
    one = {name: value[1, 2] for name, value in values.items()}
    np.testing.assert_allclose(density.unconstrain(one), vectors[1, 2], rtol=1e-9)


def test_shapes_and_dimensions_follow_the_plates() -> None:
    density = log_density(nested, X, compile=False)
    assert density.dims["loc"] == ("columns",) and density.shapes["loc"] == (3,)
    correlated = log_density(correlations, X, compile=False)
    assert correlated.dims["factor"] == ("factor_dim_0", "factor_dim_1")
    assert correlated.dims["z"] == ("rows", "z_dim_0")
    assert correlated.size == 3 + 6 and correlated.hierarchical
    assert log_density(weighted, X, compile=False).deterministic == ("double",)


def test_a_support_that_depends_on_a_latent_site_is_followed() -> None:
    def model() -> None:
        top = pyro.sample("top", dist.Exponential(1.0))
        pyro.sample("inside", dist.Uniform(0.0, top))

    density = log_density(model, compile=False)
    u, v = 0.4, -0.3
    top, share = np.exp(u), 1 / (1 + np.exp(-v))
    # exp(-top) · top for the first site; a uniform's 1/top · top · s(1 - s) for the second
    expected = -top + u + np.log(share * (1 - share))
    assert abs(density.value_and_grad([u, v])[0] - expected) < 1e-12


def test_control_flow_on_values_falls_back_and_says_so() -> None:
    def model(x: Tensor) -> None:
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        scale = 1.0 if loc > 0 else 2.0
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, scale), obs=x)

    density = log_density(model, X)
    assert density.backend.engine == "eager"
    assert "decides by the value of a tensor" in density.backend.reason
    for loc, scale in ((0.5, 1.0), (-0.5, 2.0)):
        there = torch.tensor(loc, dtype=torch.float64)
        expected = dist.Normal(0.0, 1.0).log_prob(there)
        expected += dist.Normal(there, scale).log_prob(X.double()).sum()
        assert abs(density.value_and_grad([loc])[0] - float(expected)) < 1e-6


class Regression(PyroModule):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> None:
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        mean = self.drop(self.linear(x[:, None]))[:, 0]
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mean, scale), obs=x)


def test_a_module_is_copied_and_stays_as_it_is() -> None:
    module = Regression()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    density = log_density(module, X, compile=False)
    assert density.backend.engine == "captured", density.backend.reason
    value, _ = density.value_and_grad([0.2])
    assert np.isfinite(value) and module.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
    assert all(torch.equal(value, before[n]) for n, value in module.state_dict().items())


def test_nothing_of_the_callers_is_changed() -> None:
    pyro.param("kept", torch.tensor(1.5))

    def model(x: Tensor) -> None:
        shift = pyro.param("kept", torch.tensor(0.0))
        fresh = pyro.param("fresh", torch.tensor(1.0))
        loc = pyro.sample("loc", dist.Normal(shift, fresh))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    state = torch.get_rng_state()
    density = log_density(model, X, compile=False)
    value, _ = density.value_and_grad([0.5])
    density.constrain(np.zeros((2, 1)))
    assert torch.equal(state, torch.get_rng_state())
    assert list(pyro.get_param_store().keys()) == ["kept"]
    there = torch.tensor(0.5, dtype=torch.float64)
    expected = dist.Normal(1.5, 1.0).log_prob(there)
    expected += dist.Normal(there, 1.0).log_prob(X.double()).sum()
    assert abs(value - float(expected)) < 1e-6  # constants of the test are float32
    pyro.clear_param_store()


def poisson(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(1.0, 1.0))
    count = pyro.sample("count", dist.Poisson(rate))
    pyro.sample("x", dist.Normal(count, 1.0).expand([5]).to_event(1), obs=x)


def subsampled(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x), subsample_size=2) as index:
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x[index])


def scaled_mixture(x: Tensor) -> None:
    with poutine.scale(scale=2.0):
        mixture(x)


def nothing_latent(x: Tensor) -> None:
    pyro.sample("x", dist.Normal(0.0, 1.0).expand([5]).to_event(1), obs=x)


def outside(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Exponential(rate), obs=x)


def broadcast(x: Tensor) -> None:
    loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x[:, None])


@pytest.mark.parametrize(
    ("model", "data", "error", "words"),
    [
        (poisson, X, ModelError, "'count' .Poisson. has infinitely many values"),
        (subsampled, X, ModelError, "plate 'data', which takes 2 of 5 rows"),
        (scaled_mixture, X, ModelError, "'kind' lies inside a poutine.scale"),
        (nothing_latent, X, ModelError, "has no latent site"),
        (outside, X, DataError, "'x' observes values outside its support"),
        (broadcast, X, ModelError, "does not run on data of shape"),
        (nested, X[:3], ModelError, r"does not run on data of shape \(3,\)"),
        (weighted, torch.tensor([1.0, float("nan")]), DataError, "1 of 2 values that are NaN"),
        (weighted, np.array(["a"] * 5), DataError, "has the type <U1, but data are numbers"),
        (weighted, (X, 2.0), DataError, "Tensor 1 of the data is a float"),
    ],
)
def test_what_cannot_be_sampled_is_refused(
    model: Callable[..., Any], data: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        log_density(model, data)
