"""Predictions for new inputs follow the closed form, from draws and from guides."""

from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import scipy.stats
import torch
from pyro.infer.autoguide import AutoMultivariateNormal
from torch import Tensor, nn

from plausible.inference import fit, predict
from plausible.models import VAE, DataError, ModelError

X = torch.tensor([-1.0, 0.0, 0.5, 2.0])
Y = torch.tensor([-1.7, 0.3, 1.4, 4.1])
NEW = torch.tensor([-2.0, 0.0, 1.0, 3.0, 5.0])
SCALE = 0.5


def line(x: Tensor, y: Tensor | None = None) -> None:
    weights = pyro.sample("weights", dist.Normal(torch.zeros(2), 3.0).to_event(1))
    with pyro.plate("data", len(x)):
        mean = pyro.deterministic("mean", weights[0] + weights[1] * x)
        pyro.sample("y", dist.Normal(mean, SCALE), obs=y)


def exact() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the weights."""
    design = np.stack([np.ones(4), X.numpy()], 1)
    covariance = np.linalg.inv(np.eye(2) / 9 + design.T @ design / SCALE**2)
    return covariance @ design.T @ Y.numpy() / SCALE**2, covariance


def draws(count: int = 4000, chains: int = 2) -> dict[str, np.ndarray]:
    mean, covariance = exact()
    rows = np.random.default_rng(0).multivariate_normal(mean, covariance, count)
    return {"weights": rows.reshape(chains, count // chains, 2)}


def check(predictions: Any) -> None:
    """Hold predictions at NEW against N(b'x, s² + x'Cx), where s is the noise and C = cov(b)."""
    mean, covariance = exact()
    for i, x in enumerate(NEW.numpy()):
        row = np.array([1.0, x])
        variance = SCALE**2 + row @ covariance @ row
        normal = scipy.stats.norm(row @ mean, variance**0.5)
        # 4,000 draws: false once in 100,000 runs. Without the noise it is .1 and more.
        statistic = scipy.stats.kstest(predictions["y"].values[..., i].ravel(), normal.cdf)
        assert statistic.statistic < 2.4 / 4000**0.5


def test_predictions_from_draws_are_those_of_the_closed_form() -> None:
    made: Any = predict(line, NEW, draws())
    assert made.predictions["y"].dims == ("chain", "draw", "data")
    assert made.predictions["y"].shape == (2, 2000, 5)
    check(made.predictions)


def test_predictions_from_a_guide_are_those_of_the_closed_form() -> None:
    mean, covariance = (torch.tensor(x, dtype=torch.float32) for x in exact())

    def guide(x: Tensor, y: Tensor | None = None) -> None:
        pyro.sample("weights", dist.MultivariateNormal(mean, covariance))

    made: Any = predict(line, NEW, guide, draws=4000)
    assert made.predictions["y"].shape == (1, 4000, 5)
    check(made.predictions)


def test_observed_values_are_drawn_anew_and_what_is_computed_is_computed_anew() -> None:
    given = {**draws(200), "mean": np.zeros((2, 100, 4))}  # of other inputs, as draws hold it
    by_name = {"x": NEW, "y": None}
    for data in (NEW, NEW.numpy(), (NEW,), (NEW, None), (NEW, torch.zeros(5)), by_name):
        made: Any = predict(line, data, given, seed=3)
        mean = given["weights"][..., :1] + given["weights"][..., 1:] * NEW.numpy()
        np.testing.assert_allclose(made.predictions["mean"].values, mean, rtol=1e-6)
        assert made.predictions["y"].values.std() > 1.0
        assert set(made.predictions.data_vars) == {"mean", "y"}


def groups(counts: Tensor) -> None:
    centre = pyro.sample("centre", dist.Normal(0.0, 1.0))
    with pyro.plate("group", len(counts)):
        rate = pyro.sample("rate", dist.Normal(centre, 0.01))
        pyro.sample("count", dist.Normal(100.0 * rate, 1.0), obs=counts)


def test_latents_keep_their_values_for_as_many_groups_and_are_drawn_for_others() -> None:
    given = {"centre": np.full((1, 50), 2.0), "rate": np.full((1, 50, 3), 7.0)}
    same: Any = predict(groups, torch.zeros(3), given, coords={"group": ["a", "b", "c"]})
    assert set(same.predictions.data_vars) == {"count"}
    assert abs(same.predictions["count"].sel(group="b").values - 700.0).max() < 6.0
    new: Any = predict(groups, torch.zeros(2), given)
    assert set(new.predictions.data_vars) == {"rate", "count"}
    assert new.predictions["rate"].shape == (1, 50, 2)
    assert abs(new.predictions["rate"].values - 2.0).max() < 0.06
    error = new.predictions["count"].values - 100.0 * new.predictions["rate"].values
    assert 0.7 < error.std() < 1.3


def test_discrete_sites_are_given_or_drawn() -> None:
    def mixture(x: Tensor) -> None:
        centre = pyro.sample("centre", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            k = pyro.sample("k", dist.Categorical(torch.tensor([0.25, 0.75])))
            pyro.sample("x", dist.Normal(centre[k], 0.01), obs=x)

    given = {"centre": np.tile([-5.0, 5.0], (1, 2000, 1)), "k": np.zeros((1, 2000, 3), int)}
    same: Any = predict(mixture, torch.zeros(3), given)
    assert abs(same.predictions["x"].values + 5.0).max() < 0.06
    new: Any = predict(mixture, torch.zeros(1), given)
    share = (new.predictions["x"].values > 0).mean()
    assert abs(share - 0.75) < 4.4 * (0.25 * 0.75 / 2000) ** 0.5
    np.testing.assert_array_equal(new.predictions["x"].values > 0, new.predictions["k"].values)


def test_a_fit_predicts_by_its_guide_with_its_own_values() -> None:
    def guide(x: Tensor, y: Tensor | None = None) -> None:
        loc = pyro.param("loc", torch.tensor([0.1, 2.0]))
        pyro.sample("weights", dist.Normal(loc, 0.001).to_event(1))

    with pyro.get_param_store().scope():
        pyro.param("loc", torch.tensor([50.0, 50.0]))  # another model's
        run = fit(line, (X, Y), guide=guide, steps=1, batch_size=None)
        made: Any = predict(line, NEW, run, draws=500)
    expected = run.params["loc"][0] + run.params["loc"][1] * NEW
    means = made.predictions["mean"].mean(("chain", "draw")).values
    np.testing.assert_allclose(means, expected.numpy(), atol=0.001)


def test_a_fit_without_latents_predicts_with_its_trained_values() -> None:
    def model(x: Tensor) -> None:
        loc = pyro.param("loc", torch.tensor(5.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 0.1), obs=x)

    run = fit(model, X, steps=1, batch_size=None)
    made: Any = predict(model, torch.zeros(2), run, draws=200)
    assert made.predictions["x"].shape == (1, 200, 2)
    assert abs(float(made.predictions["x"].mean()) - float(run.params["loc"])) < 4.4 * 0.1 / 20


def test_an_autoguide_predicts_for_another_number_of_data() -> None:
    guide = AutoMultivariateNormal(line)
    run = fit(line, (X, Y), guide=guide, steps=2, batch_size=None)
    with torch.no_grad():
        guide.loc.copy_(torch.tensor([1.0, -1.0]))
        guide.scale = torch.full((2,), 1e-4)
    for posterior in (guide, run):
        made: Any = predict(line, NEW, posterior, draws=100)
        means = made.predictions["mean"].values
        np.testing.assert_allclose(means, np.tile(1.0 - NEW.numpy(), (1, 100, 1)), atol=0.01)


def test_a_model_with_a_guide_of_its_own_needs_no_posterior() -> None:
    vae = VAE((6,), latent_size=2, hidden=(8,))
    x = torch.rand(3, 6).round()
    run = fit(vae, x, steps=1, batch_size=3)
    for made in (predict(vae, x, draws=7), predict(vae, x, run, draws=7)):
        given: Any = made
        assert next(iter(given.predictions.values())).shape == (1, 7, 3, 6)
    assert all(p.dtype == torch.float32 for p in vae.parameters())


def test_nothing_of_the_callers_is_changed_and_a_seed_repeats() -> None:
    state, given = torch.get_rng_state(), draws(20)
    one, same, other = (predict(line, NEW, given, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    values = [made.predictions["y"].values for made in (one, same, other)]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> None:
        scale = pyro.sample("scale", dist.HalfNormal(1.0))
        pyro.deterministic("kept", self.drop(torch.ones(100)))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.0, scale), obs=x)


def test_modules_predict_in_evaluation_mode() -> None:
    module = Noisy()
    made: Any = predict(module, X, {"scale": np.ones((1, 5))})
    assert (made.predictions["kept"].values == 1.0).all() and module.training


@pytest.mark.parametrize(
    ("data", "posterior", "error", "words"),
    [
        (NEW, None, ModelError, "posterior is a NoneType"),
        (NEW, 3, ModelError, "posterior is a int"),
        (NEW, {"weights": np.zeros(2)}, ModelError, r"each of shape \(chains, draws"),
        (
            NEW,
            {"weights": np.zeros((1, 5, 2)), "b": np.zeros((2, 5))},
            ModelError,
            "same number of both",
        ),
        (NEW, {"slope": np.zeros((1, 5, 2))}, ModelError, r"No draw.*\['slope'\].*weights"),
        ("x", draws(4), DataError, "is a str"),
        ((), draws(4), ModelError, "missing 1 required positional argument"),
        ((NEW, torch.zeros(3, 7)), lambda y: None, ModelError, "does not run on data of shape"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    data: Any, posterior: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        predict(line, data, posterior)
