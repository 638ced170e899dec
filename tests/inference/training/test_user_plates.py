"""Which plates run over the batch, and what their data weigh: exact, without noise."""

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro import poutine
from torch import Tensor

from plausible.inference import fit
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
