"""Posteriors against exact ones, their words, their names, and that nothing leaks."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import arviz as az
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import scipy.stats
import torch
from threshold_model import COUNTS, PUBLISHED, read_counts, threshold_test
from torch import Tensor
from toys import mean_model, normal_data

from plausible.inference import PosteriorWarning, diagnostics, sample_posterior
from plausible.models import DataError, ModelError, UnknownName

EFFECTS = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
QUICK: dict[str, Any] = {"draws": 300, "tune": 200, "compile": False}


def sampled(model: Callable[..., Any], data: Any = (), **more: Any) -> Any:
    return sample_posterior(model, data, **{**QUICK, **more})


def rates(successes: Tensor, trials: Tensor) -> None:
    share = pyro.sample("share", dist.Beta(2.0, 3.0))
    pyro.sample("successes", dist.Binomial(trials, share), obs=successes)


def counts(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(2.0, 0.5))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


# Exact posteriors. mean_model: prior N(0, 2²), unit noise, so precision 1/4 + n.
NORMAL = normal_data(20)
EXACT: dict[str, tuple[Callable[..., Any], Any, str, Any]] = {
    "normal": (
        mean_model,
        NORMAL,
        "mu",
        scipy.stats.norm(float(NORMAL.sum()) / 20.25, 20.25**-0.5),
    ),
    "beta": (
        rates,
        (torch.tensor(1.0), torch.tensor(3.0)),
        "share",
        scipy.stats.beta(2 + 1, 3 + 2),
    ),
    "gamma": (
        counts,
        torch.tensor([3.0, 5.0, 2.0, 4.0]),
        "rate",
        scipy.stats.gamma(2 + 14, scale=1 / (0.5 + 4)),
    ),
}


@functools.cache
def exactly_known(case: str) -> Any:
    """Draws of one of these, without a warning."""
    model, data, _, _ = EXACT[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error", PosteriorWarning)
        return sampled(model, data)


# Without the Jacobian, "beta" and "gamma" are off by far more.
@pytest.mark.parametrize("case", EXACT)
def test_draws_follow_the_exact_posterior(case: str) -> None:
    _, _, name, exact = EXACT[case]
    idata = exactly_known(case)
    assert idata.posterior.attrs["engine"] == "captured"
    draws = idata.posterior[name].values
    # 4.4 standard errors of a mean over so many effective draws: false once in 100,000 runs.
    error = 4.4 * exact.std() / float(az.ess(draws)) ** 0.5
    assert abs(draws.mean() - exact.mean()) < error
    for share in (0.05, 0.5, 0.95):
        below = (draws < exact.ppf(share)).astype(float)
        spread = (share * (1 - share) / float(az.ess(below))) ** 0.5
        assert abs(below.mean() - share) < 4.4 * spread


def centred(effects: Tensor, errors: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", 8):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.sample("effect", dist.Normal(theta, errors), obs=effects)


def non_centred(effects: Tensor, errors: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", 8):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        theta = pyro.deterministic("theta", mu + tau * z)
        pyro.sample("effect", dist.Normal(theta, errors), obs=effects)


def test_divergences_are_reported_in_words() -> None:
    few = {"chains": 2, "tune": 100, "draws": 150, "max_draws": 150, "target_accept": 0.3}
    with pytest.warns(PosteriorWarning, match="transitions diverged.*non-centred"):
        idata = sampled(centred, (EFFECTS, ERRORS), **few)
    found = diagnostics(idata)
    assert found.divergences == int(idata.sample_stats["diverging"].sum()) > 0
    assert f"{found.divergences} of 300 transitions diverged" in found.text
    assert idata.posterior.attrs["diagnosis"] == found.text == str(found)


@pytest.mark.parametrize("case", EXACT)
def test_a_model_without_trouble_is_said_to_have_none(case: str) -> None:
    found = diagnostics(exactly_known(case))
    assert found.warnings == () and found.divergences == 0 and found.r_hat < 1.01
    assert "No transition diverged" in found.text and "the chains agree" in found.text


@pytest.mark.filterwarnings("ignore::plausible.inference.PosteriorWarning")  # for want of draws
def test_dimensions_are_called_after_plates_and_labelled() -> None:
    few = {"chains": 2, "draws": 20, "tune": 20, "max_draws": 20}
    labels = list("ABCDEFGH")
    idata = sampled(non_centred, (EFFECTS, ERRORS), coords={"school": labels}, **few)
    assert idata.posterior["theta"].dims == ("chain", "draw", "school")
    assert list(idata.posterior["z"].coords["school"].values) == labels
    posterior = idata.posterior
    built = posterior["mu"] + posterior["tau"] * posterior["z"]
    np.testing.assert_allclose(posterior["theta"].values, built.values, rtol=1e-12)
    assert idata.observed_data["effect"].dims == ("school",)
    np.testing.assert_array_equal(idata.observed_data["effect"].values, EFFECTS.numpy())


def two_hills() -> None:
    """Modes 40 standard deviations apart, between which no chain moves."""
    place = pyro.sample("place", dist.Normal(0.0, 30.0))
    pyro.factor("hills", torch.logaddexp(-((place - 20) ** 2) / 2, -((place + 20) ** 2) / 2))


def test_chains_that_do_not_agree_are_extended_and_then_said_not_to() -> None:
    with pytest.warns(PosteriorWarning, match="have not converged: R-hat is .* after 300 draws"):
        idata = sampled(two_hills, draws=100, max_draws=300, chains=6)
    assert idata.posterior.sizes["draw"] == 300
    assert idata.sample_stats["diverging"].shape == (6, 300)
    assert diagnostics(idata).r_hat > 1.01


@pytest.mark.filterwarnings("ignore::plausible.inference.PosteriorWarning")
def test_a_run_that_is_extended_begins_with_the_same_draws() -> None:
    short = sampled(two_hills, draws=100, max_draws=100, chains=2, seed=3)
    long = sampled(two_hills, draws=100, max_draws=200, chains=2, seed=3)
    first = long.posterior["place"].values[:, :100]
    np.testing.assert_array_equal(first, short.posterior["place"].values)


@pytest.mark.filterwarnings("ignore::plausible.inference.PosteriorWarning")  # for want of draws
def test_a_seed_repeats_and_nothing_leaks() -> None:
    pyro.param("mine", torch.tensor(1.0))
    state = torch.get_rng_state()
    few = {"chains": 2, "draws": 50, "tune": 50, "max_draws": 50}
    one, same, other = (sampled(mean_model, NORMAL, seed=s, **few) for s in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert list(pyro.get_param_store().keys()) == ["mine"]
    values = one.posterior["mu"].values
    np.testing.assert_array_equal(values, same.posterior["mu"].values)
    assert not np.array_equal(values, other.posterior["mu"].values)
    assert not np.array_equal(values[0], values[1])
    pyro.clear_param_store()


def test_svi_reports_pareto_k() -> None:
    idata = sample_posterior(mean_model, NORMAL, method="svi", steps=600, draws=250)
    found = diagnostics(idata)
    # The guide's family holds the posterior, so weights are nearly constant.
    assert found.pareto_k < 0.7 and "close to the posterior" in found.text
    exact = EXACT["normal"][3]
    draws = idata.posterior["mu"].values
    assert draws.shape == (4, 250)
    # 4.4 standard errors of 1,000 draws, and a tenth of the sd for the guide's own distance
    assert abs(draws.mean() - exact.mean()) < (4.4 / 1000**0.5 + 0.1) * exact.std()


def test_svi_says_where_a_guide_is_too_narrow() -> None:
    def narrow(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(1.5))
        pyro.sample("mu", dist.Normal(loc, 0.02))

    with pytest.warns(PosteriorWarning, match="above 0.7: the guide is not close"):
        idata = sample_posterior(
            mean_model, NORMAL, method="svi", guide=narrow, steps=300, draws=250
        )
    assert diagnostics(idata).pareto_k > 0.7


def impossible() -> None:
    place = pyro.sample("place", dist.Normal(0.0, 1.0))
    pyro.factor("wall", torch.where(place.abs() < 1e6, -torch.inf, 0.0))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"chains": 0}, ModelError, "chains must be a whole number of at least 1, but is 0"),
        ({"draws": 3}, ModelError, "draws must be a whole number of at least 4"),
        ({"draws": 2.5}, ModelError, "draws must be"),
        ({"max_draws": 10}, ModelError, "max_draws must be"),
        ({"target_accept": 1.0}, ModelError, "between 0 and 1"),
        ({"method": "hmc"}, UnknownName, "Unknown method 'hmc'"),
        ({"guide": mean_model}, ModelError, "belongs to method='svi'"),
        ({"dims": {"nu": ["a"]}}, UnknownName, "Unknown site 'nu'. Did you mean 'mu'"),
        ({"dims": {"mu": ["a"]}}, ModelError, "has 0 dimensions"),
        ({"coords": {"data": [1, 2]}}, ModelError, "2 labels for the dimension 'data'"),
        ({"coords": {"datum": [1]}}, UnknownName, "Unknown dimension 'datum'"),
        ({"seed": -1}, ModelError, "seed must be"),
        ({"data": torch.tensor([float("nan")])}, DataError, "NaN"),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        sample_posterior(mean_model, **{"data": NORMAL, **arguments})


def test_a_density_that_is_zero_everywhere_names_the_site() -> None:
    with pytest.raises(ModelError, match="the log probability of 'wall' is not finite"):
        sampled(impossible)


def test_latent_sites_that_come_and_go_are_refused() -> None:
    def model() -> None:
        if pyro.sample("place", dist.Normal(0.0, 1.0)) > 0:
            pyro.sample("more", dist.Normal(0.0, 1.0))

    with pytest.raises(ModelError, match="'more' is drawn for some values of the others only"):
        sampled(model, chains=2)


@pytest.mark.slow
@pytest.mark.skipif(not COUNTS.exists(), reason="the counts are not at hand")
def test_the_threshold_test_gives_the_published_order() -> None:
    groups, counts = read_counts(COUNTS)
    names: Any = {"dims": {"threshold": ["group"]}, "coords": {"group": groups}}
    # A quarter of the draws that users get, whose means have errors far below .01.
    few: Any = {"chains": 2, "draws": 500}
    idata = sample_posterior(threshold_test, tuple(counts), **names, **few)
    found = diagnostics(idata)
    assert found.r_hat < 1.01 and found.divergences == 0, found.text
    means = {g: float(idata.posterior["threshold"].sel(group=g).mean()) for g in groups}
    assert means["Hispanic"] < means["Black"] < means["White"]
    for group, (middle, _, _) in PUBLISHED.items():
        # Other priors than those of the publication move thresholds by some .025, Black's most.
        assert abs(means[group] - middle) < 0.03


@pytest.mark.parametrize("method", ["nuts", "svi"])
def test_constants_of_the_context_reach_the_model(method: Any) -> None:
    """Seen failing with the context ignored: the prior is then a thousand times as wide."""

    def model(x: Tensor, *, width: float = 100.0) -> None:
        mu = pyro.sample("mu", dist.Normal(0.0, width))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(mu, 1.0), obs=x)

    x = normal_data(20) + 3.0
    idata = sampled(model, x, method=method, context={"width": 0.1}, steps=1500)
    exact = scipy.stats.norm(float(x.sum()) / 120, 120**-0.5)  # precision 1/0.1² + 20
    # 1,200 draws, of which an eighth count at worst: five standard errors of their mean.
    error = 5 * exact.std() / 150**0.5
    assert float(idata.posterior["mu"].mean()) == pytest.approx(exact.mean(), abs=error)
