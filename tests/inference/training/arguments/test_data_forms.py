"""Data as people have them: every form gives the run of the tensors that it holds."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    TensorDataset,
    WeightedRandomSampler,
)

from plausible.inference import fit, log_density, log_likelihood
from plausible.inference.data import DynamicBinarisation
from plausible.models import (
    ELBO,
    Adam,
    CheckpointError,
    DataError,
    ModelError,
    PlausibleError,
    Regressor,
)

X = torch.randn(40, 3, generator=toys.seeded(1))
Y = torch.randint(0, 5, (40,), generator=toys.seeded(2))
STILL = ELBO(optimizer=Adam(1e-30))


def normal(x: Tensor) -> None:
    loc = pyro.param("loc", torch.zeros(3))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0).to_event(1), obs=x)


def losses(data: Any, model: Any = normal, **more: Any) -> Tensor:
    arguments = {"batch_size": 7, "epochs": 2, "compile": False, **more}
    return fit(model, data, **arguments).loss


class Rows(Dataset[Tensor]):
    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> Tensor:
        return X[i]


def frozen(array: Any) -> Any:
    array.flags.writeable = False
    return array


def put_together(items: list[Any]) -> Tensor:
    return torch.stack([item[0] for item in items])


FORMS: dict[str, Any] = {
    "float64 array": X.double().numpy(),
    "read-only array": frozen(X.numpy().copy()),
    "array of another machine's bytes": X.numpy().astype(">f4"),
    "array with turned columns": np.ascontiguousarray(X.numpy()[:, ::-1])[:, ::-1],
    "pandas frame": pd.DataFrame(X.double().numpy(), columns=["a", "b", "c"]),
    "pandas frame of one name": pd.DataFrame(X.numpy(), columns=["a", "a", "a"]),
    "pandas frame of nullable numbers": pd.DataFrame(X.double().numpy()).astype("Float64"),
    "TensorDataset": TensorDataset(X),
    "Dataset": Rows(),
    "DataLoader": DataLoader(TensorDataset(X), batch_size=7, shuffle=True),
    "DataLoader of a Dataset": DataLoader(Rows(), batch_size=7),
    "DataLoader with collate_fn": DataLoader(TensorDataset(X), 7, collate_fn=put_together),
    "tuple of one": (X.numpy(),),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_run_of_the_tensor(form: str) -> None:
    assert torch.equal(losses(FORMS[form]), losses(X))
    size = {"batch_size": "auto"} if "Loader" in form else {}
    assert torch.equal(losses(FORMS[form], **size), losses(X))


def test_polars_frames_are_matrices_too() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X.double().numpy())
    assert torch.equal(losses(frame), losses(X))
    with pytest.raises(DataError, match=r"is a LazyFrame.*\.collect\(\)"):
        losses(frame.lazy())


class PolarsLike:
    """What a frame offers that is not pandas', for machines without Polars."""

    columns = ("a", "b", "c")

    def iter_columns(self) -> Iterator[Any]:
        return iter([pd.Series(X[:, i].double().numpy(), name=n) for i, n in enumerate("abc")])


def test_frames_are_known_by_what_they_offer() -> None:
    assert torch.equal(losses(PolarsLike()), losses(X))


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (np.zeros(4), torch.float32),
        (np.zeros(4, np.float16), torch.float32),
        (np.zeros(4, np.uint8), torch.uint8),
        (np.zeros(4, np.int16), torch.int16),
        (np.zeros(4, np.uint16), torch.int32),
        (np.zeros(4, np.uint64), torch.int64),
        (np.zeros(4, bool), torch.bool),
        (pd.Series([1, 2, 3, 4], dtype="Int64"), torch.int64),
        (pd.Series([True, False, True, True], dtype="boolean"), torch.bool),
        (pd.DataFrame({"a": [1, 2, 3, 4], "b": [0.5, 1.0, 1.5, 2.0]}), torch.float32),
        (pd.DataFrame({"a": [1, 2, 3, 4], "b": [True, False, True, True]}), torch.int64),
        (torch.zeros(4, dtype=torch.float64), torch.float64),
        (TensorDataset(torch.zeros(4, dtype=torch.float64)), torch.float64),
        ([*map(float, range(4))], None),
    ],
)
def test_what_becomes_of_types_is_as_the_docstring_says(given: Any, dtype: Any) -> None:
    seen = []

    def model(x: Tensor) -> None:
        seen.append(x.dtype)
        pyro.factor("f", -pyro.param("a", torch.tensor(0.5)).square() - x.sum() * 0.0)

    if dtype is None:
        with pytest.raises(DataError, match=r"a list of numbers is torch.tensor\(data\)"):
            fit(model, given, steps=1)
    else:
        fit(model, given, steps=1)
        assert set(seen) == {dtype}


class Items(Dataset[Any]):
    """Numbers and arrays by name, as Python has them: floats of 64 bits, in another order."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"y": int(Y[i]), "x": X[i].double().numpy()}


def regression(x: Tensor, y: Tensor, *, scale: float = 1.0) -> None:
    weights = pyro.sample("w", dist.Normal(torch.zeros(3), 1.0).to_event(1))
    with pyro.plate("data", len(x)):
        pyro.sample("y", dist.Normal(x @ weights, scale), obs=y)


def turned_guide(y: Tensor, x: Tensor, **constants: Any) -> None:
    """Takes its data in another order than the model, which names tell apart."""
    assert x.shape[1:] == (3,) and y.dim() == 1
    pyro.sample("w", dist.Normal(pyro.param("loc", torch.zeros(3)), 0.1).to_event(1))


def guide(x: Tensor, y: Tensor, **constants: Any) -> None:
    turned_guide(y, x)


NAMED: dict[str, Any] = {
    "tensors": {"y": Y, "x": X},
    "frame and column": {"y": pd.Series(Y.numpy()), "x": pd.DataFrame(X.numpy())},
    "Dataset": Items(),
    "DataLoader": DataLoader(Items(), batch_size=7),
}


@pytest.mark.parametrize("form", NAMED)
def test_data_by_name_are_passed_by_keyword(form: str, tmp_path: Path) -> None:
    more = {"model": regression, "context": {"scale": 2.0}}
    by_position = losses((X, Y), guide=guide, **more)
    by_name = losses(NAMED[form], guide=turned_guide, **more)
    assert torch.equal(by_name, by_position)


def test_our_models_take_names_in_any_order_and_no_others() -> None:
    def trained(data: Any, **more: Any) -> Tensor:
        torch.manual_seed(0)
        return losses(data, model=Regressor((3,)), **more)

    named = {"y": Y.float(), "x": X}
    assert torch.equal(trained(named), trained((X, Y.float())))
    assert torch.equal(trained(named, validation=named), trained((X, Y.float())))
    with pytest.raises(ModelError, match="have the names x, label, but the `model` of Regressor"):
        trained({"x": X, "label": Y.float()})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DataLoader(Rows(), 7, sampler=WeightedRandomSampler(torch.ones(40), 40)),
            "draws by a WeightedRandomSampler.*every datum once an epoch",
        ),
        (lambda: DataLoader(Rows(), batch_size=None), "batch sampler of its own"),
        (lambda: Dataset(), "is a Dataset; it must be"),
        (lambda: np.array(["a", "b"]), "has the type <U1, but data are numbers.*factorize"),
        (lambda: np.array([2**63], np.uint64), r"above 2\*\*63 - 1"),
        (lambda: np.ma.masked_less(X.numpy(), 0), "has masked values"),
        (lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "column 'b', has the type"),
        (lambda: pd.DataFrame({"a": pd.Categorical(["x", "y"])}), "column 'a', has the type"),
        (lambda: pd.DataFrame({"a": [1.0, None]}), "1 of 2 values that are NaN"),
        (lambda: pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")}), "1 of 2 .* NaN"),
        (lambda: pd.DataFrame(index=range(3)), "frame without columns"),
        (lambda: {1: X}, "names the model's arguments, but one name is 1"),
        (lambda: [torch.zeros(2, 2), "x"][1:], "is a str"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        losses(make())
    assert "\n" not in str(caught.value)


class Broken(Rows):
    def __getitem__(self, i: int) -> Tensor:
        if i != 0:
            raise KeyError(f"image_{i}")
        return X[i]


class Ragged(Rows):
    def __getitem__(self, i: int) -> Tensor:
        return X[i, : 1 + i % 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Broken(), r"fails when it is asked for 7 data: KeyError: 'image_"),
        (Ragged(), r"shapes \(1,\), \(2,\), which cannot be stacked.*collate_fn"),
    ],
)
def test_a_dataset_that_fails_is_named_before_training(data: Any, message: str) -> None:
    with pytest.raises(PlausibleError, match=message):
        losses(data)


def test_a_source_with_a_checksum_is_known_again(tmp_path: Path) -> None:
    def trained(pixels: Tensor, **more: Any) -> Any:
        return fit(toys.tiny_vae(), DynamicBinarisation(pixels), batch_size=8, **more)

    pixels = toys.bytes_of_images()
    trained(pixels, steps=2, out=tmp_path)
    with pytest.raises(CheckpointError, match=r"had checksum=\d+, but now it is \d+"):
        trained(pixels.flip(0), steps=4, resume=tmp_path)
    assert trained(pixels.clone(), steps=4, resume=tmp_path).steps == 4


def test_densities_and_held_out_likelihoods_take_the_same_forms() -> None:
    """Arrays keep their digits there, as densities are computed in float64."""
    x = X.double().numpy() + np.pi * 1e-12
    named = {"y": Y.numpy(), "x": pd.DataFrame(x)}
    at = np.array([0.1, -0.2, 0.3])
    given = log_density(regression, named, compile=False).value_and_grad(at)[0]
    exact = dist.Normal(torch.from_numpy(x @ at), 1.0).log_prob(Y).sum()
    exact += (
        dist.Normal(torch.zeros(3, dtype=torch.float64), 1.0).log_prob(torch.from_numpy(at)).sum()
    )
    assert given == pytest.approx(exact.item(), rel=1e-14)
    torch.manual_seed(0)
    regressor, y = Regressor((3,)), Y.float()
    held_out = log_likelihood(regressor, pd.DataFrame(X.double().numpy()), pd.Series(y.numpy()))
    assert torch.equal(held_out, log_likelihood(regressor, X, y))


def test_no_library_of_frames_is_imported_to_ask() -> None:
    code = (
        "import sys, numpy; from plausible.inference.inputs.arrays import as_tensors;"
        "as_tensors((numpy.zeros(3), numpy.zeros((3, 2))));"
        "assert not {'pandas', 'polars'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
