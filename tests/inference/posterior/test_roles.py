"""Latent sites that Pyro's reparametrisations rewrite stay latent, with the density they had."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pyro.infer.reparam as reparams
import pytest
import torch
from pyro import poutine
from pyro.infer.autoguide import AutoIAFNormal, AutoMultivariateNormal, AutoStructured
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor

from plausible.inference import fit, log_density, sample_posterior
from plausible.models import ELBO, ModelError

X = torch.tensor([0.3, -1.2, 0.7, 2.0])


def with_prior(prior: Callable[[], Any]) -> Callable[[Tensor], None]:
    def model(x: Tensor) -> None:
        z = pyro.sample("z", prior())
        pyro.sample("x", dist.Normal(z.reshape(4), 1.0).to_event(1), obs=x)

    return model


def schools(x: Tensor) -> None:
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    with pyro.plate("group", len(x)):
        z = pyro.sample("z", dist.Normal(m, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def coin(x: Tensor) -> None:
    z = pyro.sample("z", dist.Beta(0.5, 1.5))
    pyro.sample("x", dist.Binomial(10.0, z), obs=x)


def normal() -> Any:
    return dist.Normal(torch.zeros(4), torch.tensor([1.0, 2.0, 0.5, 1.0])).to_event(1)


def stable(skew: float) -> Callable[[], Any]:
    return lambda: dist.Stable(1.5, skew, torch.ones(4), torch.zeros(4)).to_event(1)


def heavy_walk() -> Any:
    unit = dist.Normal(torch.zeros(1), 1.0).to_event(1)
    step = dist.StudentT(4.0, torch.zeros(1), 1.0).to_event(1)
    return dist.LinearHMM(unit, torch.eye(1), step, torch.eye(1), unit, duration=4)


def transport() -> Any:
    guide = AutoIAFNormal(schools, hidden_dim=[8])
    guide(X)
    return reparams.NeuTraReparam(guide)._reparam_config


HAAR = dist.transforms.HaarTransform(dim=-1, cache_size=1)
COUNT = torch.tensor(7.0)
CASES: dict[str, tuple[Callable[[Tensor], None], Any, Callable[[], Any]]] = {
    "AutoReparam": (with_prior(normal), X, lambda: reparams.AutoReparam(centered=0.0)),
    "ConjugateReparam": (
        coin,
        COUNT,
        lambda: {"z": reparams.ConjugateReparam(dist.Beta(6.0, 4.0))},
    ),
    "DiscreteCosineReparam": (
        with_prior(normal),
        X,
        lambda: {"z": reparams.DiscreteCosineReparam()},
    ),
    "GumbelSoftmaxReparam": (
        with_prior(lambda: dist.RelaxedOneHotCategorical(torch.tensor(1.0), torch.ones(4) / 4)),
        X,
        lambda: {"z": reparams.GumbelSoftmaxReparam()},
    ),
    "HaarReparam": (with_prior(normal), X, lambda: {"z": reparams.HaarReparam()}),
    "LatentStableReparam": (
        with_prior(stable(0.1)),
        X,
        lambda: {"z": reparams.LatentStableReparam()},
    ),
    "LinearHMMReparam": (
        with_prior(heavy_walk),
        X,
        lambda: {"z": reparams.LinearHMMReparam(trans=reparams.StudentTReparam())},
    ),
    "LocScaleReparam": (with_prior(normal), X, lambda: {"z": reparams.LocScaleReparam()}),
    "MinimalReparam": (
        with_prior(lambda: dist.ProjectedNormal(torch.ones(4))),
        X,
        reparams.MinimalReparam,
    ),
    "NeuTraReparam": (schools, X, transport),
    "ProjectedNormalReparam": (
        with_prior(lambda: dist.ProjectedNormal(torch.ones(4))),
        X,
        lambda: {"z": reparams.ProjectedNormalReparam()},
    ),
    "SplitReparam": (with_prior(normal), X, lambda: {"z": reparams.SplitReparam([1, 3], -1)}),
    "StableReparam": (with_prior(stable(0.1)), X, lambda: {"z": reparams.StableReparam()}),
    "StudentTReparam": (
        with_prior(lambda: dist.StudentT(3.0, torch.zeros(4), 1.0).to_event(1)),
        X,
        lambda: {"z": reparams.StudentTReparam()},
    ),
    "SymmetricStableReparam": (
        with_prior(stable(0.0)),
        X,
        lambda: {"z": reparams.SymmetricStableReparam()},
    ),
    "TransformReparam": (
        with_prior(lambda: dist.LogNormal(torch.zeros(4), 1.0).to_event(1)),
        X,
        lambda: {"z": reparams.TransformReparam()},
    ),
    "UnitJacobianReparam": (
        with_prior(normal),
        X,
        lambda: {"z": reparams.UnitJacobianReparam(HAAR)},
    ),
}


@pytest.fixture(autouse=True)
def _own_store() -> Iterator[None]:
    with pyro.get_param_store().scope():
        yield


def of_pyro(model: Callable[..., Any], data: Tensor, values: dict[str, Any]) -> float:
    """Pyro's own potential, with the sign of a density, at constrained values in float64."""
    torch.set_default_dtype(torch.float64)
    try:
        _, potential, inverses, _ = initialize_model(model, (data.double(),))
        given = {name: inverses[name](torch.as_tensor(values[name])) for name in inverses}
        return -float(potential(given).detach())
    finally:
        torch.set_default_dtype(torch.float32)


def test_every_reparametrisation_of_pyro_is_among_the_cases() -> None:
    assert set(reparams.__all__) == {*CASES, "StructuredReparam"}


@pytest.mark.parametrize("name", CASES)
def test_rewritten_sites_are_latent_and_the_density_is_that_of_pyro(name: str) -> None:
    """Where roles go by one spelling, eight of the cases observe `z` or `m`."""
    model, data, config = CASES[name]
    configured = config()
    rewritten = poutine.reparam(model, configured)
    density = log_density(rewritten, data, compile=False)
    latent = {*density.names, *density.deterministic}
    assert "z" in latent and list(density.observed) == ["x"]
    vector = np.random.default_rng(0).normal(size=density.size) / 2
    values = density.constrain(vector)
    if name in ("ConjugateReparam", "SplitReparam"):  # the density of the model as it was
        expected = log_density(model, data, compile=False).value_and_grad(vector)[0]
    elif name == "NeuTraReparam":
        given = log_density(model, data, compile=False)
        expected = given.value_and_grad(given.unconstrain(values))[0]
        flow = configured.__self__.guide.get_transform()
        point = torch.tensor(vector, dtype=torch.float32)
        expected += float(flow.log_abs_det_jacobian(point, flow(point)).detach())
    else:
        expected = of_pyro(rewritten, data, values)
    assert abs(density.value_and_grad(vector)[0] - expected) < 1e-6 * abs(expected)


@pytest.mark.slow
def test_a_transported_model_has_the_posterior_of_the_original() -> None:
    """NeuTra with a trained autoregressive guide, and the exact posterior of the groups' mean.

    x_i ~ N(m, 2) given m, so that m has precision 1 + 4/2.
    """
    guide = AutoIAFNormal(schools, hidden_dim=[8])
    fit(schools, X, guide=guide, steps=200, batch_size=None)
    transported = reparams.NeuTraReparam(guide).reparam(schools)
    made: Any = sample_posterior(
        transported, X, chains=2, draws=500, tune=300, compile=False, progress=False
    )
    assert set(made.observed_data.data_vars) == {"x"}
    drawn = made.posterior["m"].values
    mean, sd = float(X.sum()) / 2 / 3, 3**-0.5
    # Some 500 independent draws: 4.4 standard errors.
    assert abs(drawn.mean() - mean) < 4.4 * sd / 500**0.5
    assert abs(drawn.std() / sd - 1) < 4.4 / (2 * 500) ** 0.5
    assert made.posterior["z"].dims == ("chain", "draw", "group")


def test_what_pyro_narrows_is_refused() -> None:
    """Pyro's own NUTS, with a trained guide, has an sd of .52 for a mean whose sd is .71."""
    guide = AutoStructured(schools)
    guide(X)
    with pytest.raises(ModelError, match="'m' is rewritten by Pyro's StructuredReparam"):
        log_density(reparams.StructuredReparam(guide).reparam(schools), X, compile=False)


@pytest.mark.parametrize(
    ("prior", "reparam"),
    [
        (normal, reparams.LocScaleReparam(0.0)),
        (lambda: dist.LogNormal(torch.zeros(4), 1.0).to_event(1), reparams.TransformReparam()),
    ],
)
def test_a_reparametrisation_of_latent_sites_is_refused_for_an_observed_one(
    prior: Any, reparam: Any
) -> None:
    def model(x: Tensor) -> None:
        pyro.sample("m", dist.Normal(0.0, 1.0))
        pyro.sample("x", prior(), obs=x.exp())

    with pytest.raises(ModelError, match=r"'x' observes data.*are for latent sites"):
        log_density(poutine.reparam(model, {"x": reparam}), X, compile=False)


def test_neutra_whose_first_site_lies_in_a_plate_is_refused() -> None:
    """Pyro adds the Jacobian of all sites to each element of the first."""

    def model(x: Tensor) -> None:
        with pyro.plate("group", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    guide = AutoMultivariateNormal(model)
    guide(X)
    transported = reparams.NeuTraReparam(guide).reparam(model)
    with pytest.raises(ModelError, match=r"'z'.*once for each of its 4 elements"):
        log_density(transported, X, compile=False)


def test_a_rewritten_prior_is_weighed_with_the_latents() -> None:
    """With beta=0 the bound is the likelihood alone; what is left of a prior belongs to beta."""
    split = poutine.reparam(with_prior(normal), {"z": reparams.SplitReparam([1, 3], -1)})

    def guide(x: Tensor) -> None:
        shift = pyro.param("shift", torch.tensor(1.0))
        for i, part in enumerate(x.split([1, 3])):
            pyro.sample(f"z_split_{i}", dist.Delta(part + shift).to_event(1))

    run = fit(split, X, guide=guide, steps=1, batch_size=None, objective=ELBO(beta=0.0))
    expected = -dist.Normal(0.0, 1.0).log_prob(torch.ones(())) * 4
    assert abs(float(run.loss[0]) - float(expected) / 4) < 1e-5
