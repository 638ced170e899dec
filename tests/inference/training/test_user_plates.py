"""Which plates run over the batch, and what their data weigh: exact, without noise."""

import math
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro import poutine
from pyro.infer import config_enumerate
from pyro.ops.indexing import Vindex
from torch import Tensor

from plausible.inference import fit, log_density
from plausible.inference.program import as_program
from plausible.models import (
    ELBO,
    Adam,
    ImportanceWeighted,
    MaximumLikelihood,
    ModelError,
)
from plausible.models.objectives.batch import Batch
from plausible.models.objectives.plates import find_layout

# Scales of minibatches, without noise: with a point for a guide and steps of length zero, the
# losses of an epoch of equal batches average to the loss of all data, to float error.


def level(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, 1.0).expand([8]).to_event(1), obs=x)


def level_features(x: Tensor) -> None:
    """A plate over 8 features, and batches of 8 data."""
    features = pyro.plate("features", 8, dim=-1)
    with features:
        mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x), dim=-2), features:
        pyro.sample("x", dist.Normal(mu, 1.0), obs=x)


def level_sequential(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    for i in pyro.plate("data", len(x)):
        pyro.sample(f"x_{i}", dist.Normal(mu, 1.0).expand([8]).to_event(1), obs=x[i])


def level_factor(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.factor("x", -0.5 * (x - mu).square().sum(-1))


def level_unsized(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data"):
        pyro.sample("x", dist.Normal(mu, 1.0).expand([8]).to_event(1), obs=x)


def level_local_unsized(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data"):
        z = pyro.sample("z", dist.Normal(mu.expand(len(x)), 1.0))
        pyro.sample("x", dist.Normal(z[:, None], 1.0).expand([len(x), 8]).to_event(1), obs=x)


def switched_unsized(x: Tensor) -> None:
    """As Pyro's semi-supervised VAE: a plate without a size, a discrete site that is summed out."""
    with pyro.plate("data"):
        k = pyro.sample("k", dist.Categorical(torch.tensor([0.2, 0.8]).expand(len(x), 2)))
        loc = torch.stack([torch.zeros_like(x), x * 0.5])
        pyro.sample("x", dist.Normal(Vindex(loc)[k, torch.arange(len(x))], 1.0).to_event(1), obs=x)


def level_deterministic(x: Tensor) -> None:
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    centred = pyro.deterministic("centred", x - mu)  # grows with the batch, but has no density
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(0.0, 1.0).expand([8]).to_event(1), obs=centred)


def level_named_tensors(x: Tensor, y: Tensor, *, scale: Tensor, label: str) -> None:
    assert label == "constants are passed by name" and x.shape[0] == y.shape[0]
    mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mu, scale).expand([8]).to_event(1), obs=x)
        with poutine.scale(scale=0.5):
            pyro.sample("y", dist.Poisson(mu.exp()), obs=y)


def point_guide(*data: Tensor, **constants: Any) -> None:
    point = pyro.param("point", torch.tensor(0.7))
    pyro.sample("mu", dist.Delta(point))


def point_features_guide(x: Tensor) -> None:
    point = pyro.param("point", torch.linspace(0, 1, 8))
    with pyro.plate("features", 8, dim=-1):
        pyro.sample("mu", dist.Delta(point))


def point_local_guide(x: Tensor) -> None:
    point = pyro.param("point", torch.tensor(0.7))
    pyro.sample("mu", dist.Delta(point))
    with pyro.plate("data", len(x)):
        pyro.sample("z", dist.Delta(point * x[:, 0]))


def point_local_unsized_guide(x: Tensor) -> None:
    point = pyro.param("point", torch.tensor(0.7))
    pyro.sample("mu", dist.Delta(point))
    with pyro.plate("data"):
        pyro.sample("z", dist.Delta(point * x[:, 0]))


@config_enumerate
def switched_unsized_guide(x: Tensor) -> None:
    slope = pyro.param("slope", torch.tensor(0.7))
    with pyro.plate("data"):
        pyro.sample("k", dist.Categorical(logits=torch.stack([slope * x[:, 0], -x[:, 1]], -1)))


COUNTS = torch.randint(0, 9, (40,), generator=toys.seeded(7)).float()
STILL = ELBO(optimizer=Adam(lr=1e-30))


# Seen failing when only one batch size is tried: the feature plate is scaled by N/B too.
@pytest.mark.parametrize(
    ("model", "guide", "more"),
    [
        (level, point_guide, {}),
        (level_features, point_features_guide, {}),
        (level_sequential, point_guide, {}),
        (level_factor, point_guide, {}),
        (toys.level_local, point_local_guide, {}),
        (level_deterministic, point_guide, {}),
        (level_unsized, point_guide, {}),
        (level_local_unsized, point_local_unsized_guide, {}),
        (switched_unsized, switched_unsized_guide, {}),
        (
            level_named_tensors,
            point_guide,
            {
                "data": (toys.ROWS, COUNTS),
                "context": {
                    "scale": torch.tensor(1.3),
                    "label": "constants are passed by name",
                },
            },
        ),
    ],
)
def test_losses_of_minibatches_average_to_the_loss_of_all_data(
    model: Any, guide: Any, more: dict[str, Any]
) -> None:
    given = {"data": toys.ROWS, **more, "guide": guide, "objective": STILL}
    whole = fit(model, **given, steps=1).loss[0]
    batches = fit(model, **given, epochs=1, batch_size=8).loss
    assert len(batches) == 5
    assert batches.mean().item() == pytest.approx(whole.item(), rel=1e-5)
    singles = fit(model, **given, epochs=1, batch_size=1).loss
    assert singles.mean().item() == pytest.approx(whole.item(), rel=1e-5)


def test_what_all_data_share_in_a_plate_without_a_size_is_refused_in_minibatches() -> None:
    """Scaled by N/B it would count N/B times, where it counts once with all data."""

    def model(x: Tensor) -> None:
        with pyro.plate("data"):
            mu = pyro.sample("mu", dist.Normal(1.0, 1.0))
            pyro.sample("x", dist.Normal(mu, 1.0).expand([len(x), 8]).to_event(1), obs=x)

    assert fit(model, toys.ROWS, guide=point_guide, steps=1).steps == 1
    with pytest.raises(ModelError, match=r"'mu' lies in the plate 'data', which has no size"):
        fit(model, toys.ROWS, guide=point_guide, batch_size=8, steps=1)


# Seen failing without `is_validated`: minibatches are refused, as `log_density` refuses them.
@pytest.mark.parametrize("wrap", [lambda fn: fn, lambda fn: fn.expand([8]).mask(True)])
def test_validate_args_false_on_a_site_holds_in_minibatches_as_in_the_full_batch(wrap: Any) -> None:
    x = toys.ROWS.sigmoid()

    def model(x: Tensor) -> None:
        p = pyro.sample("mu", dist.Beta(2.0, 2.0))
        pixel = wrap(dist.Bernoulli(p.expand(8), validate_args=False))
        with pyro.plate("data", len(x)):
            pyro.sample("x", pixel.to_event(1), obs=x)

    batches = fit(model, x, guide=point_guide, objective=STILL, batch_size=8, epochs=1).loss
    prior = dist.Beta(2.0, 2.0).log_prob(torch.tensor(0.7)) / 40
    exact = -(x * math.log(0.7) + (1 - x) * math.log(0.3)).sum() / 40 - prior
    assert batches.mean().item() == pytest.approx(exact.item(), rel=1e-5)
    assert log_density(model, x, compile=False).names == ("mu",)


def test_the_feature_plate_is_no_batch_plate_though_it_has_its_size() -> None:
    program = as_program(level_features, point_features_guide)
    with pyro.get_param_store().scope():
        layout = find_layout(
            program, Batch((toys.ROWS[:8],), {}, 40), Batch((toys.ROWS[:7],), {}, 40)
        )
    assert layout.plates == {"data"} and layout.dim == -2 and layout.nesting == 2


def row_model(rows: Tensor) -> None:
    loc = pyro.param("loc", torch.tensor(0.3))
    with pyro.plate("data", len(toys.ROWS), subsample=rows):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=toys.ROWS[rows, 0])


def test_losses_of_rows_that_pyro_scales_are_nats_per_datum_too() -> None:
    still = MaximumLikelihood(optimizer=Adam(1e-30))
    batches = fit(row_model, torch.arange(40), objective=still, batch_size=8, epochs=1).loss
    exact = -dist.Normal(0.3, 1.0).log_prob(toys.ROWS[:, 0]).mean()
    assert batches.mean().item() == pytest.approx(exact.item(), rel=1e-5)


def features_and_locals(x: Tensor) -> None:
    features = pyro.plate("features", 8, dim=-1)
    with pyro.plate("data", len(x), dim=-2):
        z = pyro.sample("z", dist.Normal(torch.zeros(len(x), 1), 1.0))
        pyro.deterministic("double", 2 * z)
        with features:
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def features_and_locals_guide(x: Tensor) -> None:
    slope = pyro.param("slope", torch.tensor(0.1))
    with pyro.plate("data", len(x), dim=-2):
        pyro.sample("z", dist.Normal(slope * x.sum(-1, keepdim=True), 0.5))


def test_importance_weights_of_data_are_not_taken_for_those_of_features() -> None:
    """Eight data of eight features: which plate is the data's cannot be seen from one size."""
    arguments = {"guide": features_and_locals_guide, "objective": ImportanceWeighted(500)}
    with pytest.raises(ModelError, match="more than one, could be the data's"):
        fit(features_and_locals, toys.ROWS[:8], **arguments, steps=1)
    still = ImportanceWeighted(500, optimizer=Adam(1e-30))
    arguments["objective"] = still
    losses = fit(features_and_locals, toys.ROWS, **arguments, batch_size=8, epochs=1).loss
    covariance = torch.eye(8) + 1.0
    exact = -dist.MultivariateNormal(torch.zeros(8), covariance).log_prob(toys.ROWS).mean()
    # The bound's gap with 500 draws of a guide this near is below 0.005 nats; weights of features
    # would not even be near.
    assert losses.mean().item() == pytest.approx(exact.item(), abs=0.02)


def test_a_sequential_plate_has_no_importance_weights() -> None:
    def guide(x: Tensor) -> None:
        for i in pyro.plate("data", len(x)):
            pyro.sample(f"z_{i}", dist.Normal(pyro.param("loc", torch.tensor(0.0)), 1.0))

    def model(x: Tensor) -> None:
        for i in pyro.plate("data", len(x)):
            z = pyro.sample(f"z_{i}", dist.Normal(0.0, 1.0))
            pyro.sample(f"x_{i}", dist.Normal(z, 1.0).expand([8]).to_event(1), obs=x[i])

    assert fit(model, toys.ROWS, guide=guide, batch_size=8, steps=2).steps == 2
    with pytest.raises(ModelError, match="no importance weights"):
        fit(model, toys.ROWS, guide=guide, objective=ImportanceWeighted(2), batch_size=8, steps=2)
