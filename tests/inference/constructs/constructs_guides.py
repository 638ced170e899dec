"""Constructs of guides: Pyro's automatic ones, score functions, enumeration, other draws."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from construct import Construct, MeanField, Table, normals, uniforms
from constructs_plates import groups
from pyro import poutine
from pyro.distributions import constraints
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO, config_enumerate
from pyro.infer.autoguide import (
    AutoDelta,
    AutoDiagonalNormal,
    AutoGaussian,
    AutoGuideList,
    AutoIAFNormal,
    AutoLowRankMultivariateNormal,
    AutoMultivariateNormal,
    AutoNormal,
    AutoStructured,
)
from torch import Tensor

__all__ = ["TABLE"]

TABLE = Table()


def schools(y: Tensor) -> None:
    """Eight schools, non-centred: mu, tau > 0 and an effect for each."""
    mu = pyro.sample("mu", dist.Normal(0.0, 2.0))
    tau = pyro.sample("tau", dist.HalfCauchy(1.0))
    with pyro.plate("data", len(y)):
        e = pyro.sample("e", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(mu + tau * e, 1.0), obs=y)


def _some_each(model: Any) -> AutoGuideList:
    guide = AutoGuideList(model)
    guide.append(AutoDelta(poutine.block(model, expose=["mu"])))
    guide.append(AutoDiagonalNormal(poutine.block(model, expose=["tau", "e"])))
    return guide


def _structured(model: Any) -> AutoStructured:
    conditionals = {"mu": "normal", "tau": "delta", "e": "mvn"}
    return AutoStructured(model, conditionals=conditionals, dependencies={"e": {"mu": "linear"}})


def _guided(guide: Callable[[Any], Any], elbo: Callable[[], Any]) -> Construct:
    return Construct(schools, (normals(8),), elbo(), guide(schools))


# Guides of one joint draw hand it on as Deltas with a density: only a sampled KL counts that.
for kind, elbo in (
    (AutoNormal, MeanField),
    (AutoDelta, Trace_ELBO),
    (AutoDiagonalNormal, Trace_ELBO),
    (AutoMultivariateNormal, Trace_ELBO),
    (AutoLowRankMultivariateNormal, Trace_ELBO),
    (AutoIAFNormal, Trace_ELBO),
    (AutoGaussian, Trace_ELBO),
):
    TABLE.row(kind.__name__)(partial(_guided, kind, elbo))
TABLE.row("AutoGuideList")(partial(_guided, _some_each, Trace_ELBO))
TABLE.row("AutoStructured")(partial(_guided, _structured, Trace_ELBO))


@TABLE.row("guide of the whole, full rank, on counts")
def full_rank_counts() -> Construct:
    trials = (10 + 50 * uniforms(12)).round()
    successes = (trials * uniforms(12, seed=2)).round()
    return Construct(groups, (trials, successes), Trace_ELBO(), AutoMultivariateNormal(groups))


@TABLE.row("score function, Bernoulli")
def bernoulli_guide() -> Construct:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(3.0 * k, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        slope = pyro.param("slope", torch.tensor(0.1))
        with pyro.plate("data", len(x)):
            pyro.sample("k", dist.Bernoulli(logits=slope * x))

    return Construct(model, (normals(21),), Trace_ELBO(), guide, batch_size=8)


@TABLE.row("score function, Categorical beside a normal")
def categorical_guide() -> Construct:
    def model(x: Tensor) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(torch.ones(3) / 3))
            pyro.sample("x", dist.Normal(mu + k, 1.0), obs=x)

    def guide(x: Tensor) -> None:
        pyro.sample("mu", dist.Normal(pyro.param("loc", torch.tensor(0.1)), 0.5))
        slopes = pyro.param("slopes", torch.tensor([0.1, 0.2, -0.3]))
        with pyro.plate("data", len(x)):
            pyro.sample("k", dist.Categorical(logits=slopes * x[:, None]))

    return Construct(model, (normals(20),), Trace_ELBO(), guide)


@TABLE.row("enumerated in the model")
def enumerated() -> Construct:
    @config_enumerate
    def model(x: Tensor) -> None:
        weights = pyro.param("weights", torch.ones(3) / 3, constraint=constraints.simplex)
        with pyro.plate("parts", 3):
            loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(weights))
            pyro.sample("x", dist.Normal(loc[k], 0.7), obs=x)

    guide = AutoNormal(poutine.block(model, hide=["k"]))
    return Construct(model, (normals(20),), TraceEnum_ELBO(max_plate_nesting=1), guide)


@TABLE.row("enumerated in the guide")
def enumerated_guide() -> Construct:
    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Bernoulli(0.3))
            pyro.sample("x", dist.Normal(3.0 * k, 1.0), obs=x)

    @config_enumerate
    def guide(x: Tensor) -> None:
        slope = pyro.param("slope", torch.tensor(0.1))
        with pyro.plate("data", len(x)):
            pyro.sample("k", dist.Bernoulli(logits=slope * x))

    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    return Construct(model, (normals(21),), elbo, guide, batch_size=8)


@TABLE.row("enumerated hidden Markov model")
def hidden_markov() -> Construct:
    @config_enumerate
    def model(x: Tensor) -> None:
        logits = pyro.param("transition", 0.9 * torch.eye(4))
        with pyro.plate("states", 4):
            loc = pyro.sample("loc", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            k: Any = 0
            for t in pyro.markov(range(x.shape[1])):
                k = pyro.sample(f"k_{t}", dist.Categorical(logits=logits[k]))
                pyro.sample(f"x_{t}", dist.Normal(loc[k], 0.7), obs=x[:, t])

    guide = AutoNormal(poutine.block(model, expose=["loc"]))
    return Construct(model, (normals(50, 10),), TraceEnum_ELBO(max_plate_nesting=1), guide)


@TABLE.row("Gamma, Beta and Dirichlet draws")
def gammas() -> Construct:
    def model(x: Tensor) -> None:
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        share = pyro.sample("share", dist.Beta(2.0, 2.0))
        weights = pyro.sample("weights", dist.Dirichlet(torch.ones(3)))
        parts = dist.Gamma(1.0 + torch.arange(3.0).type_as(x) + share, rate)
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(weights), parts), obs=x)

    def guide(x: Tensor) -> None:
        def positive(name: str, *shape: int) -> Tensor:
            value = torch.full(shape, 2.0)
            made: Tensor = pyro.param(name, value, constraint=constraints.positive)
            return made

        pyro.sample("rate", dist.Gamma(positive("a"), positive("b")))
        pyro.sample("share", dist.Beta(positive("c"), positive("d")))
        pyro.sample("weights", dist.Dirichlet(positive("e", 3)))

    return Construct(model, (uniforms(20),), TraceMeanField_ELBO(), guide)


@TABLE.row("LogNormal and StudentT draws")
def log_normal() -> Construct:
    def model(x: Tensor) -> None:
        scale = pyro.sample("scale", dist.LogNormal(0.0, 1.0))
        loc = pyro.sample("loc", dist.StudentT(3.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.StudentT(4.0, loc, scale), obs=x)

    def guide(x: Tensor) -> None:
        centre = pyro.param("centre", torch.tensor(0.1))
        width = pyro.param("width", torch.tensor(0.3), constraint=constraints.positive)
        pyro.sample("scale", dist.LogNormal(centre, width))
        pyro.sample("loc", dist.StudentT(5.0, pyro.param("where", torch.tensor(0.2)), 0.4))

    return Construct(model, (normals(21),), TraceMeanField_ELBO(), guide, batch_size=8)
