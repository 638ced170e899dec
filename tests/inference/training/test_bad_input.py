"""Bad input is one clear sentence of a typed error, before any work is done or lost."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from pyro.infer.autoguide import AutoNormal
from torch import Tensor, nn

from plausible.inference import Progress, fit, load
from plausible.inference.training.checkpoints import read_checkpoint
from plausible.models import (
    ELBO,
    VAE,
    Adam,
    CheckpointError,
    DataError,
    MaximumLikelihood,
    ModelError,
    Objective,
    PlausibleError,
    Player,
    TrainingError,
    UnknownName,
)

X = torch.rand(30, 1, 4, 4, generator=toys.seeded(0))
NAN, INF = float("nan"), float("inf")


def with_value(value: float, row: int = 29) -> Tensor:
    x = X.clone()
    x[row, 0, 1, 2] = value
    return x


class Short:
    """A source that hands out less than it was asked for."""

    def __len__(self) -> int:
        return 30

    def batch(self, index: Tensor) -> tuple[Tensor]:
        return (X[:3],)

    def to(self, device: torch.device) -> "Short":
        return self


class Bare(Short):
    """A source that forgets the tuple."""

    def batch(self, index: Tensor) -> Any:
        return X[index]


class Nothing(Short):
    def __len__(self) -> int:
        return 0


class Darker(Short):
    """A source whose data lie outside the support."""

    def batch(self, index: Tensor) -> tuple[Tensor]:
        return (X[index] - 1,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X[:, 0], r"takes data of shape \(N, 1, 4, 4\), but got \(30, 4, 4\)"),
        (X[..., :3], r"but got \(30, 1, 4, 3\)"),
        ((X * 255).to(torch.uint8), r"floating-point data, but got torch.uint8.*\.float\(\)"),
        (X.long(), r"floating-point data, but got torch.int64"),
        (with_value(1.5), r"1 of 480 values are others, for example 1.5"),
        (with_value(-0.1), r"1 of 480 values are others, for example -0.1"),
        (with_value(NAN), r"1 of 480 values that are NaN or infinite"),
        (with_value(INF), r"1 of 480 values that are NaN or infinite"),
        (X[:0], r"empty: shape \(0, 1, 4, 4\)"),
        (torch.tensor(0.5), r"scalar; data need a leading dimension"),
        ((X, X), r"one tensor of data, but got 2"),
        ((X, X[:7]), r"30 and 7 rows.*context="),
        ((), r"one tensor of data, but got 0"),
        (np.where(X == X[0, 0, 0, 0], np.nan, X), r"1 of 480 values that are NaN or infinite"),
        ((X, "labels"), r"Tensor 1 of the data is a str; it must be a tensor, array or frame"),
        ([[0.1, 0.2]], r"The data tensor is a list"),
        ("digits", r"is a str"),
        (None, r"is a NoneType"),
        (X.to_sparse(), r"sparse_coo; data are dense"),
        (Short(), r"asked for 8 data, but returned tensors of shapes \(3, 1, 4, 4\)"),
        (Bare(), r"must return a tuple of tensors, but returned Tensor"),
        (Nothing(), r"source is empty"),
        (Darker(), r"128 of 128 values are others|values are others"),
    ],
)
def test_data_that_do_not_fit_are_refused(data: Any, message: str, tmp_path: Path) -> None:
    vae = toys.tiny_vae("continuous-bernoulli")
    before = [p.detach().clone() for p in vae.parameters()]
    with pytest.raises(DataError, match=message) as caught:
        fit(vae, data, batch_size=8, steps=3, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert all(torch.equal(p, b) for p, b in zip(vae.parameters(), before, strict=True))


def test_double_precision_data_for_a_single_precision_model_names_both(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"\(8, 1, 4, 4\) \(torch.float64\).*dtype"):
        vae = toys.tiny_vae("continuous-bernoulli")
        fit(vae, X.double(), batch_size=8, steps=3, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Values that a user's own model cannot score, in rows that the first batch does not hold.


def counts(x: Tensor) -> None:
    rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Poisson(rate), obs=x)


def coins(x: Tensor) -> None:
    p = pyro.sample("p", dist.Beta(1.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Bernoulli(p), obs=x)


def labels(x: Tensor) -> None:
    p = pyro.sample("p", dist.Dirichlet(torch.ones(3)))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Categorical(p), obs=x)


def shares(x: Tensor) -> None:
    a = pyro.sample("a", dist.Gamma(2.0, 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Dirichlet(a.expand(3)), obs=x)


def column(values: Any, bad: Any) -> Tensor:
    x = torch.as_tensor(values).repeat(25, *[1] * (torch.as_tensor(values).dim() - 1))
    order_of_the_first_epoch = torch.randperm(len(x), generator=toys.seeded(0))
    x[order_of_the_first_epoch[-1]] = torch.as_tensor(bad, dtype=x.dtype)
    return x


# Seen failing without `check_supports`: a Bernoulli "3" and a share that sums to 2 train silently.
@pytest.mark.parametrize("batch_size", [10, None])
@pytest.mark.parametrize(
    ("model", "x"),
    [
        (counts, column([0.0, 1.0, 4.0, 2.0], -1.0)),
        (counts, column([0.0, 1.0, 4.0, 2.0], 0.5)),
        (coins, column([0.0, 1.0, 1.0, 0.0], 3.0)),
        (labels, column([0, 1, 2, 0], 3)),
        (shares, column([[0.2, 0.3, 0.5]] * 4, [0.5, 0.5, 1.0])),
    ],
)
def test_values_outside_the_support_of_a_users_site_are_refused(
    model: Any, x: Tensor, batch_size: int | None, tmp_path: Path
) -> None:
    with pytest.raises(PlausibleError, match="support") as caught:
        guide = AutoNormal(model)
        fit(model, x, guide=guide, batch_size=batch_size, steps=9, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and "'x'" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_supports_that_differ_between_rows_are_not_mistaken() -> None:
    def model(x: Tensor, high: Tensor) -> None:
        scale = pyro.sample("scale", dist.Gamma(2.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Uniform(-scale, high + 1), obs=x)

    high = torch.arange(40.0)
    for size in (1, 8):
        guide = AutoNormal(model, init_loc_fn=pyro.infer.autoguide.init_to_value(values={}))
        assert fit(model, (high * 0.9, high), guide=guide, batch_size=size, steps=3).steps == 3


# Arguments.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"precision": "float16"}, UnknownName, "Unknown precision 'float16'.*bf16, float32"),
        ({"precision": 16}, UnknownName, "Unknown precision '16'"),
        ({"device": "gpu"}, UnknownName, "Unknown device 'gpu'.*cuda"),
        ({"device": "cpu:3"}, UnknownName, "Unknown device 'cpu:3'"),
        ({"device": torch.device("meta")}, UnknownName, "Unknown device 'meta'"),
        ({"compile": "always"}, ModelError, "compile='always'"),
        ({"epochs": 0}, ModelError, "epochs must be a whole number of at least 1, but is 0"),
        ({"epochs": 1.5}, ModelError, "epochs must be a whole number .* 1.5"),
        ({"steps": -3}, ModelError, "steps must be a whole number .* -3"),
        ({"steps": True}, ModelError, "steps must be a whole number .* True"),
        ({"steps": "10"}, ModelError, "steps must be a whole number .* '10'"),
        ({"steps": NAN}, ModelError, "steps must be a whole number .* nan"),
        ({"epochs": 2, "steps": 3}, ModelError, r"not both \(got 2 and 3\)"),
        ({"batch_size": 0}, ModelError, "batch_size must be a positive whole number.* 0"),
        ({"batch_size": -1}, ModelError, "batch_size must be a positive whole number.* -1"),
        ({"batch_size": 2.5}, ModelError, "batch_size must be a positive whole number.* 2.5"),
        ({"batch_size": True}, ModelError, "batch_size must be a positive whole number.* True"),
        ({"batch_size": "all"}, ModelError, "batch_size must be a positive whole number.* 'all'"),
        ({"seed": -1}, ModelError, r"seed must be a whole number from 0 to 2\*\*63"),
        ({"seed": 0.5}, ModelError, "seed must be a whole number"),
        ({"seed": 2**64}, ModelError, "seed must be a whole number"),
        ({"checkpoint_seconds": -1}, ModelError, "checkpoint_seconds must be"),
        ({"checkpoint_seconds": NAN}, ModelError, "checkpoint_seconds must be"),
        ({"callbacks": print}, ModelError, r"callbacks is a list.*\[callback\]"),
        ({"callbacks": ["plot"]}, ModelError, "callbacks is a list of functions"),
        ({"context": [1]}, ModelError, "context is a dictionary .* list"),
        ({"context": {"scale": 2.0}}, ModelError, "does not take .*the context scale"),
        ({"objective": "elbo"}, ModelError, r"must be an Objective.*'elbo'"),
        ({"objective": MaximumLikelihood}, ModelError, "Pass an instance of the class"),
        ({"resume": "nowhere"}, CheckpointError, "no checkpoint at nowhere"),
        ({"out": "/dev/null/run"}, CheckpointError, "Nothing can be written to .*out="),
        ({"guide": 3}, ModelError, "The guide is a int"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(
    arguments: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    given = {"batch_size": 8, "out": tmp_path / "run", **arguments}
    if "epochs" not in given:
        given.setdefault("steps", 2)
    with pytest.raises(error, match=message) as caught:
        fit(toys.tiny_vae("continuous-bernoulli"), X, **given)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_a_gpu_that_is_not_there_is_named() -> None:
    for device in ("cuda", "cuda:1", torch.device("cuda", 0)):
        with pytest.raises(ModelError, match=r"PyTorch sees no GPU\. Use 'auto' or 'cpu'"):
            fit(toys.tiny_vae(), X.round(), device=device, steps=1)


def test_whole_numbers_of_numpy_and_large_seeds_are_taken(tmp_path: Path) -> None:
    result = fit(
        toys.tiny_vae("normal"),
        X,
        steps=np.int64(3),
        batch_size=np.int32(8),
        seed=2**62 + 1,
        objective=ELBO(optimizer=Adam(lr=np.float64(1e-3))),
        out=tmp_path,
    )
    assert result.steps == 3 and read_checkpoint(tmp_path)["settings"]["batch_size"] == 8
    assert type(load(tmp_path)) is VAE


def test_a_batch_size_above_the_data_is_all_of_them() -> None:
    assert fit(toys.tiny_vae("normal"), X, batch_size=1000, epochs=2).steps == 2


# Batches that a model cannot take.


def test_a_short_last_batch_that_the_model_cannot_take_is_found_before_training(
    tmp_path: Path,
) -> None:
    """29 = 3 x 8 + 5 rows are fine; 25 = 3 x 8 + 1 leave one row, too few for batch norm."""
    x, y = toys.normal_data(29, 2), toys.normal_data(29)
    assert fit(toys.Noisy(), (x, y), batch_size=8, epochs=1).steps == 4
    with pytest.raises(ModelError, match=r"on 1 of 25 data .*Expected more than 1 value"):
        fit(toys.Noisy(), (x[:25], y[:25]), batch_size=8, epochs=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_that_fails_later_names_the_step_and_the_checkpoint(tmp_path: Path) -> None:
    calls = []

    def model(x: Tensor) -> None:
        calls.append(1)
        if len(calls) == 8:  # two runs look for plates
            raise IndexError("seventh\nheaven")
        toys.mean_model(x)

    with pytest.raises(TrainingError) as caught:
        x = toys.normal_data(9)
        fit(model, x, guide=toys.mean_guide, steps=50, out=tmp_path, checkpoint_seconds=0)
    assert isinstance(caught.value.__cause__, IndexError)
    assert str(caught.value) == (
        "Step 7 failed on data of shape (9,): IndexError: seventh heaven. "
        f"The last good checkpoint is {tmp_path / 'checkpoint.pt'}."
    )
    assert read_checkpoint(tmp_path)["step"] == 6


# Losses that are not finite.


class Fragile(nn.Module):
    """A regression whose scale is the square of a parameter, which a large step makes absurd."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(self.slope.exp() * x, 1.0), obs=x)


def test_a_learning_rate_far_too_large_stops_with_step_site_and_checkpoint(tmp_path: Path) -> None:
    model = Fragile()
    objective = MaximumLikelihood(optimizer=Adam(lr=1e6))

    def turn(progress: Progress) -> None:
        """Adam's first step goes down; send it up, where exp overflows."""
        with torch.no_grad():
            model.slope.abs_() if progress.step == 3 else model.slope.fill_(0.5)

    with pytest.raises(TrainingError) as caught:
        fit(
            model,
            toys.normal_data(9),
            objective=objective,
            steps=50,
            out=tmp_path,
            checkpoint_seconds=0,
            callbacks=[turn],
        )
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("The loss of step 4 is not finite: the log probability of site 'x'")
    assert f"last good checkpoint is {tmp_path / 'checkpoint.pt'}" in message
    saved = load(tmp_path, model=Fragile())
    assert read_checkpoint(tmp_path)["step"] == 3 and bool(saved.slope.isfinite())


def test_the_weights_stay_those_of_the_last_good_step() -> None:
    """Seen failing when the optimiser takes the step: the weights are NaN, and are blamed."""
    x = toys.normal_data(9)
    weights = []

    def model(x: Tensor) -> None:
        scale = pyro.param("scale", torch.tensor(1.0))
        weights.append(scale.item())
        factor = NAN if len(weights) == 6 else 1.0
        with pyro.plate("data", len(x)):
            pyro.sample("broken", dist.Normal(0.0, 1.0), obs=scale * x * factor)

    with pytest.raises(TrainingError, match=r"step 5 is not finite: no single site is"):
        fit(model, x, steps=9)
    assert len(weights) == 7 and math.isfinite(weights[-1])  # the last call looked for the culprit
    assert weights[-1] == weights[-2]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("guide", "the value of site 'z' in the guide"),
        ("model", "the log probability of site 'x' in the model"),
        ("draw", "the log probability of site 'x' in the model"),  # seen by the step's own draws
    ],
)
def test_the_site_that_is_not_finite_is_named(where: str, message: str) -> None:
    calls = []

    def model(x: Tensor) -> None:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            bad = where == "model" and len(calls) > 5
            bad = bad or (where == "draw" and len(calls) > 5 and bool(torch.rand(()) < 0.2))
            pyro.sample("x", dist.Normal(z * (NAN if bad else 1.0), 1.0), obs=x)

    def guide(x: Tensor) -> None:
        calls.append(1)
        loc = pyro.param("loc", torch.tensor(0.0))
        with pyro.plate("data", len(x)):
            bad = where == "guide" and len(calls) > 5
            pyro.sample("z", dist.Normal(loc * (NAN if bad else 1.0), 1.0).expand([len(x)]))

    with pytest.raises(TrainingError, match=message):
        fit(model, toys.normal_data(9), guide=guide, steps=200)


def test_a_gradient_that_is_not_finite_names_the_parameter(tmp_path: Path) -> None:
    def model(x: Tensor) -> None:
        width = pyro.param("width", torch.tensor(0.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(0.0, 1.0 + width.abs().sqrt()), obs=x)

    message = r"'pyro.param/width' (was not finite before it|not finite: its gradient)"
    for steps in (1, 9):
        with pytest.raises(TrainingError, match=message):
            fit(model, toys.normal_data(9), steps=steps, out=tmp_path / str(steps))
        assert not list((tmp_path / str(steps)).iterdir())


class Overflowing(Objective):
    """Two losses that are finite, but whose sum is not."""

    def players(self) -> tuple[Player, ...]:
        def loss(model: Any, batch: Any, state: Any) -> Tensor:
            return 3e38 + 0.0 * model.shift.sum()

        return tuple(Player(name, lambda m, s: m.parameters(), loss) for name in ("one", "two"))


def test_large_losses_are_not_taken_for_infinite_ones() -> None:
    x = toys.normal_data(9, 1)
    assert fit(toys.Shifted(), x, objective=Overflowing(), steps=3).steps == 3


# Objectives of a user's own that do not keep to the contract.


def player(loss: Any) -> Objective:
    class Own(Objective):
        def players(self) -> tuple[Player, ...]:
            return (Player("own", lambda m, s: m.parameters(), loss),)

    return Own()


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda m, b, s: 1.0, "own must be a scalar tensor, but is .*float"),
        (lambda m, b, s: m.shift * b.args[0], r"own must be a scalar tensor, but is of shape \(9,"),
        (lambda m, b, s: b.args[0].sum(), "own does not depend on any parameter"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fit(toys.Shifted(), toys.normal_data(9, 1), objective=player(loss), steps=2)


def test_players_of_one_name_or_none_are_refused() -> None:
    class Twins(Objective):
        def __init__(self, count: int) -> None:
            self.count = count

        def players(self) -> tuple[Player, ...]:
            return (Player("own", lambda m, s: [m.shift], lambda m, b, s: m.shift),) * self.count

    for count in (0, 2):
        with pytest.raises(ModelError, match="players of different names"):
            fit(toys.Shifted(), toys.normal_data(9, 1), objective=Twins(count), steps=2)


# Memory.


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize("saved", [False, True])
def test_memory_that_runs_out_is_a_sentence(error: Exception, saved: bool, tmp_path: Path) -> None:
    def model(x: Tensor) -> None:
        if not saved or any(tmp_path.iterdir()):
            raise error
        toys.mean_model(x)

    arguments = {"guide": toys.mean_guide, "batch_size": 4, "out": tmp_path}
    with pytest.raises(TrainingError, match=r"Memory ran out in step \d with 4 data per step") as e:
        fit(model, toys.normal_data(9), **arguments, steps=9, checkpoint_seconds=0)
    assert ("last good checkpoint" in str(e.value)) == saved


def test_an_absurd_allocation_is_a_sentence() -> None:
    def model(x: Tensor) -> None:
        pyro.param("scale", torch.tensor(1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(torch.zeros(2**50), 1.0).to_event(1), obs=x)

    with pytest.raises(TrainingError, match="Memory ran out in step 1 with 9 data"):
        fit(model, toys.normal_data(9), steps=2)
    with pytest.raises(TrainingError, match=r"Memory ran out .* fewer steps"):
        fit(toys.mean_model, toys.normal_data(9), guide=toys.mean_guide, steps=10**15)


# Callbacks.


def test_a_callback_that_raises_is_passed_on_and_the_run_is_saved(tmp_path: Path) -> None:
    def explode(progress: Progress) -> None:
        if progress.step == 5:
            raise LookupError("mine")

    x = toys.normal_data(9)
    with pytest.raises(LookupError, match="mine") as caught:
        fit(toys.mean_model, x, guide=toys.mean_guide, steps=9, out=tmp_path, callbacks=[explode])
    assert caught.value.__notes__ == [
        f"The run up to step 5 was saved in {tmp_path / 'checkpoint.pt'}."
    ]
    resumed = fit(toys.mean_model, x, guide=toys.mean_guide, steps=9, resume=tmp_path)
    whole = fit(toys.mean_model, x, guide=toys.mean_guide, steps=9)
    assert torch.equal(resumed.loss, whole.loss)


def test_a_failed_callback_that_raises_our_own_error_saves_too(tmp_path: Path) -> None:
    def explode(progress: Progress) -> None:
        raise DataError("from an evaluation")

    with pytest.raises(DataError, match="from an evaluation"):
        x = toys.normal_data(9)
        fit(toys.mean_model, x, guide=toys.mean_guide, steps=9, out=tmp_path, callbacks=[explode])
    assert read_checkpoint(tmp_path)["step"] == 1
