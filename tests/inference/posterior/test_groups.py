"""The groups that ArviZ needs for checks and comparisons, against values by hand."""

import math
from typing import Any

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import scipy.stats
import torch
from pyro.ops.indexing import Vindex
from scipy.special import logsumexp
from torch import Tensor

from plausible.inference import diagnostics, sample_posterior
from plausible.models import ModelError

EFFECTS = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERRORS = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
QUICK: dict[str, Any] = {
    "chains": 2,
    "draws": 250,
    "tune": 150,
    "max_draws": 250,
    "compile": False,
    "progress": False,
}


def schools(effects: Tensor, errors: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", 8):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        theta = pyro.deterministic("theta", mu + tau * z)
        pyro.sample("effect", dist.Normal(theta, errors), obs=effects)


def line(x: Tensor, y: Tensor) -> None:
    weights = pyro.sample("weights", dist.Normal(torch.zeros(2), 3.0).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.StudentT(4.0, weights[0] + weights[1] * x, noise), obs=y)


def normal(x: Any, loc: Any, scale: Any = 1.0) -> Any:
    return scipy.stats.norm.logpdf(x, loc, scale)


def loo(log_likelihood: Any) -> float:
    """Sum over data of ln sum_s w_s p(x_i | s), by ArviZ's smoothing of the weights 1/p alone."""
    draws = log_likelihood.reshape(-1, log_likelihood.shape[-1]).T
    weights, _ = az.psislw(-draws)
    return float(logsumexp(np.asarray(weights) + draws, axis=1).sum())


def test_loo_of_eight_schools_is_that_by_hand() -> None:
    made: Any = sample_posterior(schools, (EFFECTS, ERRORS), target_accept=0.95, **QUICK)
    posterior = made.posterior
    theta = (posterior["mu"] + posterior["tau"] * posterior["z"]).values
    by_hand = normal(EFFECTS.numpy(), theta, ERRORS.numpy())
    np.testing.assert_allclose(made.log_likelihood["effect"].values, by_hand, rtol=1e-7)
    assert made.log_likelihood["effect"].dims == ("chain", "draw", "school")
    assert az.loo(made, reff=1.0).elpd_loo == pytest.approx(loo(by_hand), rel=1e-6)
    assert -31.5 < az.loo(made).elpd_loo < -30.0  # -30.8 is published for this model
    density = logsumexp(by_hand, axis=(0, 1)) - math.log(500)
    waic = float((density - by_hand.var((0, 1))).sum())
    assert az.waic(made).elpd_waic == pytest.approx(waic, rel=1e-6)


def test_loo_of_a_regression_is_that_by_hand() -> None:
    x = torch.linspace(-1.0, 1.0, 15)
    y = 0.5 + 2.0 * x + 0.3 * torch.sin(37.0 * x)
    made: Any = sample_posterior(line, (x, y), **QUICK)
    weights, noise = made.posterior["weights"].values, made.posterior["noise"].values
    mean = weights[..., :1] + weights[..., 1:] * x.numpy()
    by_hand = scipy.stats.t.logpdf(y.numpy(), 4.0, mean, noise[..., None])
    np.testing.assert_allclose(made.log_likelihood["y"].values, by_hand, rtol=1e-6, atol=1e-6)
    assert az.loo(made, reff=1.0).elpd_loo == pytest.approx(loo(by_hand), abs=1e-3)
    az.plot_ppc(made, num_pp_samples=5)
    plt.close("all")


def test_replicated_data_follow_the_closed_form() -> None:
    """x_i ~ N(m, 1), m ~ N(0, 2): a replicate is N(posterior mean, 1 + posterior variance)."""
    x = torch.tensor([0.7, 1.9, 1.2, 2.4])

    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 2.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(m, 1.0), obs=x)

    made: Any = sample_posterior(model, x, **{**QUICK, "chains": 4, "draws": 500, "max_draws": 500})
    variance = 1 / (1 / 4 + 4)
    exact = scipy.stats.norm(float(x.sum()) * variance, (1 + variance) ** 0.5)
    drawn = made.posterior_predictive["x"].values
    assert drawn.shape == (4, 500, 4) and made.posterior_predictive["x"].dims[2] == "data"
    # 2,000 draws, of which m has some 700 independent ones, which carry a fifth of the variance.
    assert scipy.stats.kstest(drawn[..., 0].ravel(), exact.cdf).statistic < 0.05
    assert np.corrcoef(drawn[..., 0].ravel(), drawn[..., 1].ravel())[0, 1] == pytest.approx(
        variance / (1 + variance), abs=0.1
    )


def mixture(x: Tensor) -> None:
    m = pyro.sample("m", dist.Normal(0.0, 1.0))
    with pyro.plate("data", len(x)):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.2, 0.5, 0.3])))
        pyro.deterministic("centre", m + 2.0 * k)
        pyro.sample("x", dist.Normal(m + 2.0 * k, 1.0), obs=x)


def test_a_mixture_is_summed_out_of_the_likelihood_and_drawn_for_the_posterior() -> None:
    x = torch.tensor([0.3, 1.9, 4.1])
    made: Any = sample_posterior(mixture, x, **QUICK)
    posterior = made.posterior
    k = np.arange(3)
    joint = np.log([0.2, 0.5, 0.3]) + normal(
        x.numpy()[:, None], posterior["m"].values[..., None, None] + 2.0 * k
    )
    density = logsumexp(joint, axis=-1)
    np.testing.assert_allclose(made.log_likelihood["x"].values, density, rtol=1e-6)
    chances = np.exp(joint - density[..., None]).mean((0, 1))
    for value in k:
        share = (posterior["k"].values == value).mean((0, 1))
        # The error given the chances of 500 draws, each another's: 4.4 sd.
        assert (abs(share - chances[:, value]) < 4.4 * (0.25 / 500) ** 0.5).all()
    assert posterior["k"].dims == ("chain", "draw", "data")
    centre = posterior["m"].values[..., None] + 2.0 * posterior["k"].values
    np.testing.assert_allclose(posterior["centre"].values, centre)
    assert "(m)" in diagnostics(made).text  # what was drawn given the rest is not judged


def test_chains_of_states_are_drawn_together_and_the_likelihood_is_at_the_draw() -> None:
    step = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    x = torch.tensor([0.1, 1.6, 3.0])

    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(3.0, 0.01))
        k: Any = torch.tensor(0)
        for t in pyro.markov(range(3)):
            k = pyro.sample(f"k_{t}", dist.Categorical(Vindex(step)[k]))
            pyro.sample(f"x_{t}", dist.Normal(m * k, 1.0), obs=x[t])

    made: Any = sample_posterior(model, x, **QUICK)
    posterior = made.posterior
    drawn = np.stack([posterior[f"k_{t}"].values for t in range(3)], -1)
    paths = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    before = np.concatenate([np.zeros((8, 1), int), paths[:, :2]], 1)
    weight = np.log(step.numpy()[before, paths]).sum(1) + normal(x.numpy(), 3.0 * paths).sum(1)
    chances = np.exp(weight - logsumexp(weight))
    for path, chance in zip(paths, chances, strict=True):
        share = (drawn == path).all(-1).mean()
        assert abs(share - chance) < 4.4 * (chance * (1 - chance) / 500) ** 0.5 + 0.01
    expected = normal(1.6, posterior["m"].values * posterior["k_1"].values)
    np.testing.assert_allclose(made.log_likelihood["x_1"].values, expected, rtol=1e-6)


def test_a_state_that_all_data_share_is_drawn_given_the_rest() -> None:
    """z ~ Bernoulli(.5), m ~ N(3z, 1) and x_i ~ N(m + z, 1): the chances of z at each draw of m."""
    x = torch.tensor([2.1, 3.0])

    def model(x: Tensor) -> None:
        z = pyro.sample("z", dist.Bernoulli(0.5))
        m = pyro.sample("m", dist.Normal(3.0 * z, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(m + z, 1.0), obs=x)

    made: Any = sample_posterior(model, x, **QUICK)
    m, z = made.posterior["m"].values, made.posterior["z"].values
    odds = normal(m, 3.0) - normal(m, 0.0)
    odds += (normal(x.numpy(), m[..., None] + 1.0) - normal(x.numpy(), m[..., None])).sum(-1)
    chances = 1 / (1 + np.exp(-odds))
    assert abs(z.mean() - chances.mean()) < 4.4 * (chances * (1 - chances)).mean() ** 0.5 / 500**0.5
    expected = normal(x.numpy(), (m + z)[..., None])
    np.testing.assert_allclose(made.log_likelihood["x"].values, expected, rtol=1e-6)


def test_several_numbers_of_one_event_have_one_density_and_masks_hide_theirs() -> None:
    x = torch.tensor([[0.5, 1.0], [2.0, -1.0], [0.0, 0.3]])
    seen = torch.tensor([True, False, True])

    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("row", 3), pyro.poutine.mask(mask=seen):
            pyro.sample("x", dist.Normal(m, 1.0).expand([3, 2]).to_event(1), obs=x)

    made: Any = sample_posterior(model, x, **QUICK)
    given = made.log_likelihood["x"]
    assert given.dims == ("chain", "draw", "row")
    by_hand = normal(x.numpy(), made.posterior["m"].values[..., None, None]).sum(-1)
    np.testing.assert_allclose(given.values, by_hand * seen.numpy(), rtol=1e-9, atol=1e-12)
    assert made.posterior_predictive["x"].shape == (2, 250, 3, 2)


def test_models_that_decide_by_values_get_the_groups_too() -> None:
    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        scale = 1.0 if m > 0 else 2.0
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(m, scale), obs=x)

    x = torch.tensor([0.1, 0.4])
    few = {**QUICK, "draws": 20, "tune": 50, "max_draws": 20}
    made: Any = sample_posterior(model, x, **few)
    m = made.posterior["m"].values[..., None]
    expected = normal(x.numpy(), m, np.where(m > 0, 1.0, 2.0))
    np.testing.assert_allclose(made.log_likelihood["x"].values, expected, rtol=1e-9)


def test_draws_from_a_guide_have_the_groups() -> None:
    made: Any = sample_posterior(
        schools, (EFFECTS, ERRORS), method="svi", steps=50, chains=1, draws=50, progress=False
    )
    expected = normal(EFFECTS.numpy(), made.posterior["theta"].values, ERRORS.numpy())
    np.testing.assert_allclose(made.log_likelihood["effect"].values, expected, rtol=1e-5)


class Unsampled(dist.Normal):
    def rsample(self, sample_shape: Any = ()) -> Tensor:
        raise NotImplementedError("no draws")

    sample = rsample


def test_what_cannot_be_replicated_is_left_out_with_its_reason() -> None:
    def model(x: Tensor) -> None:
        m = pyro.sample("m", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", Unsampled(m + torch.zeros(2), 1.0), obs=x)

    x, few = torch.zeros(2), {**QUICK, "draws": 20, "tune": 50, "max_draws": 20}
    made: Any = sample_posterior(model, x, **few)
    assert "log_likelihood" in made.groups() and "posterior_predictive" not in made.groups()
    assert "no draws" in made.posterior.attrs["left_out"]
    with pytest.raises(ModelError, match=r"no draws.*predictive=False"):
        sample_posterior(model, x, predictive=True, **few)
    none: Any = sample_posterior(model, x, predictive=False, **few)
    assert "log_likelihood" not in none.groups() and "left_out" not in none.posterior.attrs
