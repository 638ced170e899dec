"""Networks that output a distribution: their losses, their units, their engines, their refusals."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from plausible.inference import fit, load
from plausible.models import (
    SGD,
    Classifier,
    ConditionalNetwork,
    DataError,
    MaximumLikelihood,
    MixtureDensityNetwork,
    ModelError,
    Normal,
    Regressor,
    UnknownName,
)
from plausible.models.networks.image_to_image import ImageToImage
from plausible.models.objectives.batch import Batch


def nats(model: ConditionalNetwork, x: Tensor, y: Tensor) -> Tensor:
    """The loss that `fit` minimises."""
    objective = MaximumLikelihood()
    batch = Batch((x, y), {}, len(x))
    layout = objective.prepare(model, batch, None)
    (player,) = objective.players()
    with torch.no_grad():
        return player.loss(model, Batch((x, y), {}, len(x), layout), objective.state(model))


def test_loss_of_a_classifier_is_the_cross_entropy() -> None:
    x, y = torch.randn(50, 7), torch.randint(5, (50,))
    model = Classifier((7,), 5)
    assert float(nats(model, x, y)) == pytest.approx(
        float(F.cross_entropy(model.network(x), y)), abs=1e-6
    )


def test_loss_of_two_classes_is_the_binary_cross_entropy() -> None:
    x, y = torch.randn(50, 7), torch.randint(2, (50,))
    model = Classifier((7,))
    outputs = model.network(x).squeeze(-1)
    expected = F.binary_cross_entropy_with_logits(outputs, y.float())
    assert float(nats(model, x, y)) == pytest.approx(float(expected), abs=1e-6)


def test_loss_of_a_regressor_is_half_the_squared_error_and_a_constant() -> None:
    x, y = torch.randn(50, 3), torch.randn(50, 2)
    model = Regressor((3,), (2,))
    squared = 0.5 * F.mse_loss(model.network(x), y, reduction="sum") / 50
    constant = torch.tensor(2 * torch.pi).log()
    assert float(nats(model, x, y)) == pytest.approx(float(squared + constant), abs=1e-6)


def test_loss_of_predicted_scales_is_torchs_gaussian_loss() -> None:
    x, y = torch.randn(50, 3), torch.randn(50)
    model = Regressor((3,), (), "diagonal-normal")
    one = model.predict(x)
    expected = F.gaussian_nll_loss(one.mean, y, one.variance, full=True, eps=0.0)
    assert float(nats(model, x, y)) == pytest.approx(float(expected), abs=1e-6)


def test_maximum_likelihood_with_a_fixed_scale_is_least_squares() -> None:
    # Seen failing with a Laplace likelihood.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    noise = torch.randn(200, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5]) + 0.3 + noise
    model = Regressor((3,), (), Normal(2.0), hidden=())
    fit(model, (x, y), steps=400, batch_size=None, objective=MaximumLikelihood(SGD(2.0)))
    inputs = torch.cat([x, torch.ones(200, 1)], dim=1)
    exact = torch.linalg.lstsq(inputs, y.unsqueeze(1)).solution.squeeze()
    (layer,) = model.network.layers
    fitted = torch.cat([layer.weight.detach().squeeze(), layer.bias.detach()])
    assert torch.allclose(fitted, exact, atol=1e-5)


@pytest.mark.parametrize("likelihood", ["normal", "laplace", "diagonal-normal"])
@pytest.mark.parametrize("unit", [1e4, 1e-4])
def test_standardised_models_score_in_the_unit_of_the_data(likelihood: str, unit: float) -> None:
    # Seen failing without the factor of the scale in the density.
    x, y = torch.randn(100, 2).double(), torch.randn(100).double()
    plain = Regressor((2,), (), likelihood).double()
    moved = Regressor((2,), (), likelihood).double()
    moved.load_state_dict(plain.state_dict())
    plain.standardise(x, y)
    moved.standardise(x * unit + 5 * unit, y * unit - unit)
    assert torch.allclose(plain.mean(x) * unit - unit, moved.mean(x * unit + 5 * unit))
    if likelihood == "diagonal-normal":  # the others have a scale in the data's unit
        log_unit = torch.tensor(unit).double().log()
        expected = plain.log_prob(x, y) - log_unit
        assert torch.allclose(moved.log_prob(x * unit + 5 * unit, y * unit - unit), expected)


def test_columns_that_never_change_keep_their_unit() -> None:
    x, y = torch.tensor([[0.1, 1.0], [0.1, 3.0]]), torch.tensor([7.1, 7.1])
    model = Regressor((2,), (), "diagonal-normal").standardise(x, y)
    assert model.x_scale.tolist() == [1.0, 1.0]
    assert float(model.y_scale) == 1.0 and float(model.y_loc) == pytest.approx(7.1)
    assert model.log_prob(x, y).isfinite().all()


@pytest.mark.parametrize(
    "model",
    [
        lambda: Regressor((2,), (3,), "diagonal-normal"),
        lambda: MixtureDensityNetwork((2,), (3,), 4, "full"),
        lambda: MixtureDensityNetwork((2,), (3,), 1000, shared=True),
    ],
)
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize("unit", [1e4, 1e-8])
def test_training_on_one_datum_or_in_strange_units_stays_finite(
    model: Any, rows: int, unit: float
) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(rows, 2) * unit, torch.randn(rows, 3) * unit + unit
    fitted = model().standardise(x, y)
    fit(fitted, (x, y), steps=20, batch_size=None)
    assert fitted.log_prob(x, y).isfinite().all()


def test_predictions_of_images_have_a_mean_and_a_scale_for_every_pixel() -> None:
    shape = (3, 11, 8)
    model = Regressor((1, 11, 8), shape, "diagonal-normal", "convolutional")
    x = torch.rand(2, 1, 11, 8)
    assert model.mean(x).shape == model.scale(x).shape == (2, *shape)
    low, high = model.interval(x, 0.9)
    assert low.shape == (2, *shape) and (low < high).all()
    assert model.sample(x, 4).shape == (4, 2, *shape)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (37, 50), (128, 64)])
def test_image_to_image_network_keeps_any_size(size: tuple[int, int]) -> None:
    network = ImageToImage((2, *size), (3, *size), channels=4)
    assert network(torch.rand(5, 2, *size)).shape == (5, 3, *size)
    assert network(torch.rand(2, *size)).shape == (3, *size)


def test_image_to_image_outputs_start_of_the_order_of_their_inputs() -> None:
    network = ImageToImage((3, 32, 32), (3, 32, 32))
    with torch.no_grad():
        spread = float(network(torch.randn(8, 3, 32, 32)).std())
    assert 0.3 < spread < 3


@pytest.mark.parametrize(("x_shape", "y_shape"), [((1, 12, 12), (4,)), ((4,), (1, 12, 12))])
def test_convolutions_take_images_on_either_side(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...]
) -> None:
    model = Regressor(x_shape, y_shape, network="convolutional", hidden=(16,))
    assert model.sample(torch.rand(3, *x_shape)).shape == (1, 3, *y_shape)


def test_intervals_are_the_quantiles_of_the_normal() -> None:
    model = Regressor((1,), (2,), Normal(3.0))
    x = torch.randn(4, 1)
    low, high = model.interval(x, 0.95)
    assert torch.allclose(high - low, torch.full((4, 2), 2 * 1.959964 * 3.0), atol=1e-4)


def test_probabilities_of_two_and_of_many_classes_sum_to_one() -> None:
    x = torch.randn(6, 3)
    for classes in (2, 4):
        model = Classifier((3,), classes)
        probabilities = model.probabilities(x)
        assert probabilities.shape == (6, classes)
        assert torch.allclose(probabilities.sum(-1), torch.ones(6))
        assert model.classify(x).equal(probabilities.argmax(-1))
        labels = model.sample(x, 500)
        assert labels.dtype == torch.int64 and 0 <= int(labels.min()) <= int(labels.max()) < classes


def test_components_start_apart_and_all_alive() -> None:
    # Seen failing with the initial biases of a linear layer.
    torch.manual_seed(0)
    model = MixtureDensityNetwork((1,), (), 20)
    weights, centres, scales = model.components(torch.randn(100, 1))
    assert weights.min() > 0.01
    assert (centres.mean(0).squeeze().diff() > 0).all()
    assert 1.5 < centres.mean(0).max() < 2.5 and 0.03 < scales.min()


def small(kind: str) -> tuple[ConditionalNetwork, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    images = torch.rand(64, 1, 8, 8)
    cases: dict[str, Any] = {
        "two classes": lambda: (Classifier((3,)), (x, (x[:, 0] > 0).long())),
        "classes": lambda: (Classifier((3,), 4), (x, torch.randint(4, (64,)))),
        "convolutional classes": lambda: (
            Classifier((1, 8, 8), 3, "convolutional", (8,)),
            (images, torch.randint(3, (64,))),
        ),
        "least squares": lambda: (Regressor((3,), (2,)), (x, torch.randn(64, 2))),
        "learned scale": lambda: (Regressor((3,), (), Normal("learned")), (x, torch.randn(64))),
        "predicted scale": lambda: (Regressor((3,), (), "diagonal-normal"), (x, torch.randn(64))),
        "images": lambda: (
            Regressor((1, 8, 8), (1, 8, 8), "diagonal-normal", "convolutional"),
            (images, torch.rand(64, 1, 8, 8)),
        ),
        "mixture": lambda: (MixtureDensityNetwork((3,), (), 5), (x, torch.randn(64))),
        "shared": lambda: (MixtureDensityNetwork((3,), (2,), 5, shared=True), (x, x[:, :2])),
        "full": lambda: (MixtureDensityNetwork((3,), (2,), 3, "full"), (x, x[:, :2])),
    }
    return cases[kind]()


KINDS = (
    "two classes",
    "classes",
    "convolutional classes",
    "least squares",
    "learned scale",
    "predicted scale",
    "images",
    "mixture",
    "shared",
    "full",
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_model_runs_as_a_graph_with_the_numbers_of_pyro(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The captured graph is what the compiler gets, and what runs until it is ready."""
    monkeypatch.setattr("plausible.inference.engines.choice._CAPTURE_PAYS", 0)
    losses = {}
    for compile in ("auto", False):
        model, data = small(kind)
        run = fit(model, data, steps=12, batch_size=32, compile=compile, seed=3)
        assert run.backend.engine == ("eager" if compile is False else "captured")
        losses[compile] = next(iter(run.losses.values()))
    # nothing is drawn at random, so that only threads may round differently
    assert torch.allclose(losses["auto"], losses[False], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_here")
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_compiles(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # One round a call: several are compiled for a mixture density network in `test_compiled.py`.
    monkeypatch.setattr("plausible.inference.engines.phases._UNROLLED", ())
    model, data = small(kind)
    run = fit(model, data, steps=12, batch_size=32, compile=True, seed=3)
    assert run.backend.engine == "compiled", run.backend.reason


def test_nothing_can_be_standardised_by_no_data() -> None:
    with pytest.raises(DataError, match="no data to standardise by"):
        Regressor((2,), ()).standardise(torch.empty(0, 2), torch.empty(0))


def test_standardised_models_are_loaded_as_they_were(tmp_path: Any) -> None:
    x, y = torch.randn(40, 2) * 100 + 7, torch.randn(40) * 3 - 50
    torch.manual_seed(0)
    model = MixtureDensityNetwork((2,), (), 3, hidden=(8,)).standardise(x, y)
    fit(model, (x, y), steps=3, out=tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert isinstance(loaded, MixtureDensityNetwork)
    assert loaded.log_prob(x, y).equal(model.log_prob(x, y))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(4, 3),), r"inputs and outputs, \(x, y\), but got 1 tensor\."),
        ((torch.zeros(4, 2), torch.zeros(4)), r"inputs of shape \(N, 3\), but got \(4, 2\)"),
        ((torch.zeros(4, 3), torch.zeros(4, 1)), r"outputs of shape \(N\), but got \(4, 1\)"),
        ((torch.zeros(4, 3), torch.zeros(5)), "4 inputs and 5 outputs"),
        ((torch.zeros(0, 3), torch.zeros(0)), "0 inputs and 0 outputs"),
        ((torch.full((4, 3), torch.nan), torch.zeros(4)), "12 of 12 numbers in the inputs"),
        ((torch.zeros(4, 3), torch.full((4,), torch.nan)), "4 of 4 values are NaN"),
        ((torch.zeros(4, 3), torch.zeros(4).long()), "floating-point outputs"),
        ((torch.zeros(4, 3).long(), torch.zeros(4)), "floating-point inputs"),
    ],
)
def test_data_that_do_not_fit_are_refused(data: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Regressor((3,)).check(*data)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([0, 1, 2, 3]), "labels from 0 to 2; 1 of 4 are others, for example 3"),
        (torch.tensor([0.0, 1.0, 1.0, 0.0]), r"Labels are integers, but got torch.float32"),
        (torch.tensor([True, False, True, True]), "Labels are integers, but got torch.bool"),
    ],
)
def test_labels_that_are_none_are_refused(y: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Classifier((2,), 3).check(torch.zeros(4, 2), y)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ModelError, match="classes must be a whole number from 2 up"):
        Classifier((3,), 1)
    with pytest.raises(UnknownName, match="Did you mean 'convolutional'"):
        Classifier((1, 8, 8), 3, "convolution")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="are images"):
        Regressor((3,), (2,), network="convolutional")
    with pytest.raises(ModelError, match="level between 0 and 1, but got 95"):
        Regressor((3,)).interval(torch.zeros(1, 3), 95)
    with pytest.raises(ModelError, match="positive number of draws"):
        Regressor((3,)).sample(torch.zeros(1, 3), 0)
    with pytest.raises(ModelError, match=r"keeps the size of an image"):
        Regressor((1, 8, 8), (1, 16, 16), network="convolutional")
