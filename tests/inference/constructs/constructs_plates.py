"""Constructs of programs: parameters, plates, scales, masks, factors, objectives on them."""

import pyro
import pyro.distributions as dist
import torch
from construct import FAST, Construct, MeanField, Table, normals, uniforms
from pyro import poutine
from pyro.distributions import constraints
from pyro.infer import RenyiELBO, Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.nn import PyroModule, PyroParam, PyroSample
from torch import Tensor, nn

from plausible.models import ELBO, Annealing, ImportanceWeighted, MaximumLikelihood, Renyi

__all__ = ["TABLE", "groups", "rows_guide", "rows_model"]

TABLE = Table()


def rows_model(x: Tensor) -> None:
    """mu ~ N(0, 4), z_i ~ N(mu, 1), x_i ~ N(z_i, 1)."""
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(mu, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def rows_guide(x: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.3))
    scale = pyro.param("scale", torch.tensor(0.5), constraint=constraints.positive)
    slope = pyro.param("slope", torch.tensor(0.2))
    width = pyro.param("width", torch.tensor(0.4), constraint=constraints.unit_interval)
    pyro.sample("mu", dist.Normal(loc, scale))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Normal(slope * x, width))


@TABLE.row("constrained parameters")
def constrained() -> Construct:
    def model(x: Tensor) -> None:
        weights = pyro.param("weights", torch.ones(3) / 3, constraint=constraints.simplex)
        noise = pyro.param("noise", torch.tensor(0.8), constraint=constraints.greater_than(0.1))
        shift = pyro.sample("shift", dist.MultivariateNormal(torch.zeros(2), torch.eye(2)))
        parts = dist.Normal(torch.arange(3.0).type_as(x) + shift[0], noise)
        with pyro.plate("data", len(x)):
            mixture = dist.MixtureSameFamily(dist.Categorical(weights), parts)
            pyro.sample("x", mixture, obs=x)

    def guide(x: Tensor) -> None:
        loc = pyro.param("loc", torch.zeros(2))
        root = pyro.param("root", torch.eye(2), constraint=constraints.lower_cholesky)
        pyro.sample("shift", dist.MultivariateNormal(loc, scale_tril=root))

    return Construct(model, (normals(20),), TraceMeanField_ELBO(), guide)


class Heteroscedastic(PyroModule):
    def __init__(self) -> None:
        super().__init__()
        self.linear = PyroModule[nn.Linear](2, 1)
        self.scale = PyroParam(torch.tensor(2.0), constraint=constraints.positive)

    def forward(self, x: Tensor, y: Tensor) -> None:
        mean = self.linear(x)[:, 0]
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, self.scale), obs=y)


@TABLE.row("PyroModule, nothing latent")
def pyro_module() -> Construct:
    data = (normals(21, 2), normals(21, seed=2))
    return Construct(
        Heteroscedastic(), data, Trace_ELBO(), objective=MaximumLikelihood(FAST), batch_size=8
    )


class Bayesian(PyroModule):
    def __init__(self) -> None:
        super().__init__()
        self.linear = PyroModule[nn.Linear](2, 1)
        self.linear.weight = PyroSample(lambda _: dist.Normal(torch.zeros(1, 2), 1.0).to_event(2))
        self.linear.bias = PyroSample(lambda _: dist.Normal(torch.zeros(1), 5.0).to_event(1))

    def forward(self, x: Tensor, y: Tensor) -> None:
        sigma = pyro.sample("sigma", dist.LogNormal(0.0, 1.0))
        mean = self.linear(x)[:, 0]
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(mean, sigma), obs=y)


@TABLE.row("PyroSample")
def pyro_sample() -> Construct:
    model = Bayesian()
    data = (normals(21, 2), normals(21, seed=2))
    return Construct(model, data, MeanField(), AutoNormal(model), batch_size=8)


@TABLE.row("minibatches, short last batch")
def minibatches() -> Construct:
    return Construct(rows_model, (normals(21),), TraceMeanField_ELBO(), rows_guide, batch_size=8)


@TABLE.row("subsampled plate")
def subsampled() -> Construct:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x), subsample_size=6) as rows:
            z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x[rows])

    def guide(x: Tensor) -> None:
        slope = pyro.param("slope", torch.tensor(0.2))
        with pyro.plate("data", len(x), subsample_size=6) as rows:
            pyro.sample("z", dist.Normal(slope * x[rows], 0.7))
        pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 0.5))

    return Construct(model, (normals(20),), Trace_ELBO(), guide)


@TABLE.row("plate run through one by one")
def one_by_one() -> Construct:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
        for i in pyro.plate("data", len(x)):
            z = pyro.sample(f"z_{i}", dist.Normal(mu, 1.0))
            pyro.sample(f"x_{i}", dist.Normal(z, 1.0), obs=x[i])

    def guide(x: Tensor) -> None:
        slope = pyro.param("slope", torch.tensor(0.2))
        pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 0.5))
        for i in pyro.plate("data", len(x)):
            pyro.sample(f"z_{i}", dist.Normal(slope * x[i] + 0.1 * i, 0.7))

    return Construct(model, (normals(6),), TraceMeanField_ELBO(), guide)


@TABLE.row("positions of a whole plate")
def positions() -> Construct:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(torch.zeros(4), 2.0).to_event(1))
        with pyro.plate("data", len(x)) as rows:
            pyro.sample("x", dist.Normal(mu[rows % 4] + 0.1 * rows, 1.0), obs=x[rows])

    return Construct(model, (normals(20),), TraceMeanField_ELBO(), AutoNormal(model))


@TABLE.row("nested plates")
def nested() -> Construct:
    def model(x: Tensor) -> None:
        with pyro.plate("columns", x.shape[1], dim=-1):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
            with pyro.plate("data", len(x), dim=-2):
                pyro.sample("x", dist.Normal(mu, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        loc = pyro.param("loc", torch.zeros(x.shape[1]), event_dim=0)
        with pyro.plate("columns", x.shape[1], dim=-1):
            pyro.sample("mu", dist.Normal(loc, 0.5))

    return Construct(model, (normals(20, 3),), TraceMeanField_ELBO(), guide)


@TABLE.row("poutine.scale, number and tensor")
def scales() -> Construct:
    weight = torch.linspace(0.5, 1.5, 20)

    def model(x: Tensor) -> None:
        with poutine.scale(scale=0.3):
            mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)), poutine.scale(scale=weight):
            pyro.sample("x", dist.Normal(mu, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(0.1))
        with poutine.scale(scale=0.3):
            pyro.sample("mu", dist.Normal(loc, 0.5))

    return Construct(model, (normals(20),), TraceMeanField_ELBO(), guide)


@TABLE.row("masks")
def masks() -> Construct:
    def model(x: Tensor, seen: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            with poutine.mask(mask=seen):
                z = pyro.sample("z", dist.Normal(mu, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0).mask(x < 1.0), obs=x)

    def guide(x: Tensor, seen: Tensor) -> None:
        pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 0.5))
        slope = pyro.param("slope", torch.tensor(0.2))
        with pyro.plate("data", len(x)), poutine.mask(mask=seen):
            pyro.sample("z", dist.Normal(slope * x, 0.7))

    x = normals(21)
    return Construct(model, (x, x > -0.5), TraceMeanField_ELBO(), guide, batch_size=8)


@TABLE.row("factor")
def factor() -> Construct:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.factor("fit", -(x - mu).abs())

    return Construct(model, (normals(21),), TraceMeanField_ELBO(), AutoNormal(model), batch_size=8)


@TABLE.row("several particles")
def particles() -> Construct:
    elbo = TraceMeanField_ELBO(num_particles=3)
    objective = ELBO(particles=3, optimizer=FAST)
    data = (normals(21),)
    return Construct(rows_model, data, elbo, rows_guide, objective=objective, batch_size=8)


@TABLE.row("KL annealing")
def annealing() -> Construct:
    objective = ELBO(beta=Annealing(0.1, 1.0, 30), optimizer=FAST)
    data = (normals(21),)
    return Construct(rows_model, data, None, rows_guide, objective=objective, batch_size=8)


@TABLE.row("importance weighted")
def importance_weighted() -> Construct:
    def model(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(0.5))
        with pyro.plate("data", x.shape[-1]):
            z = pyro.sample("z", dist.Normal(loc, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        slope = pyro.param("slope", torch.tensor(0.2))
        with pyro.plate("data", x.shape[-1]):
            pyro.sample("z", dist.Normal(slope * x, 0.8))

    elbo = RenyiELBO(0.0, num_particles=3, vectorize_particles=True, max_plate_nesting=1)
    return Construct(model, (normals(20),), elbo, guide, ImportanceWeighted(3, FAST))


@TABLE.row("Renyi, one weight for all latents")
def renyi() -> Construct:
    elbo = RenyiELBO(0.5, num_particles=3)
    return Construct(
        rows_model, (normals(20),), elbo, rows_guide, Renyi(0.5, particles=3, optimizer=FAST)
    )


def groups(trials: Tensor, successes: Tensor) -> None:
    """Group j has logit mu + tau e_j; successes are binomial."""
    mu = pyro.sample("mu", dist.Normal(0.0, 1.5))
    tau = pyro.sample("tau", dist.HalfNormal(1.0))
    with pyro.plate("groups", len(trials)):
        e = pyro.sample("e", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Binomial(trials, logits=mu + tau * e), obs=successes)


@TABLE.row("hierarchical binomial logit")
def hierarchical() -> Construct:
    trials = (10 + 50 * uniforms(30)).round()
    successes = (trials * uniforms(30, seed=2)).round()
    return Construct(groups, (trials, successes), MeanField(), AutoNormal(groups))
