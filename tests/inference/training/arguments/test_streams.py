"""Streams: batches that come one after the other, cut into batches of another size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import toys
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from plausible.inference import Stream, Validation, fit
from plausible.models import ELBO, Adam, DataError

X = torch.randn(40, 3, generator=toys.seeded(1))
STILL = ELBO(optimizer=Adam(1e-30))


def normal(x: Tensor) -> None:
    loc = pyro.param("loc", torch.zeros(3))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(loc, 1.0).to_event(1), obs=x)


def losses(data: Any, model: Any = normal, **more: Any) -> Tensor:
    arguments = {"batch_size": 7, "epochs": 2, "compile": False, **more}
    return fit(model, data, **arguments).loss


def batches() -> Iterator[Any]:
    for start in range(0, 40, 9):
        yield {"x": X[start : start + 9].double().numpy()}


class Singles(IterableDataset[Tensor]):
    def __iter__(self) -> Iterator[Tensor]:
        return iter(X)


STREAMS: dict[str, Any] = {
    "generator function": batches,
    "list of batches": [X[:1], X[1:30], X[30:]],
    "DataLoader": DataLoader(Singles(), batch_size=6),
    "arrays": lambda: iter(np.array_split(X.numpy(), 13)),
}


@pytest.mark.parametrize("form", STREAMS)
def test_a_stream_is_cut_into_batches_in_its_own_order(form: str) -> None:
    given = losses(Stream(STREAMS[form], total=40), objective=STILL)
    parts = [-dist.Normal(0.0, 1.0).log_prob(part).sum(1).mean() for part in X.split(7)]
    torch.testing.assert_close(given, torch.stack(parts * 2))


def test_a_resumed_stream_goes_on_where_it_stopped(tmp_path: Path) -> None:
    more: dict[str, Any] = {"batch_size": 7, "compile": False}
    whole = fit(normal, Stream(batches, 40), steps=10, **more)
    fit(normal, Stream(batches, 40), steps=4, out=tmp_path, **more)
    resumed = fit(normal, Stream(batches, 40), steps=10, resume=tmp_path, **more)
    assert torch.equal(resumed.loss, whole.loss)
    assert torch.equal(resumed.params["loc"], whole.params["loc"])


def test_a_stream_validates_and_is_scaled_by_its_total() -> None:
    guide = toys.mean_guide
    x = X[:, 0]

    def stream() -> Stream:
        return Stream(lambda: iter(x.split(11)), 40)

    more: dict[str, Any] = {"guide": guide, "objective": STILL, "model": toys.mean_model}
    streamed = losses(stream(), validation=Validation(stream(), every=3), **more)
    held = losses(x, batch_size=40, steps=1, epochs=None, **more)
    # The draws of the guide differ from step to step, by 1/40 of the KL term's and data's spread.
    assert streamed[:6].mean().item() == pytest.approx(held.item(), abs=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stream(batches(), 40), "A generator can be run once only.*function"),
        (lambda: Stream(Singles(), 40), r"gives single items; .*DataLoader\(dataset"),
        (lambda: Stream(3, 40), "takes batches, but got int"),
        (lambda: Stream(batches, 0), "total is the number of data of a pass, but is 0"),
        (lambda: Stream(batches, 50), "ended after 40 of its total of 50"),
        (lambda: Stream(batches, 39), "gave more than its total of 39"),
        (lambda: Stream(lambda: iter([*X.split(40), X[:1]]), 40), "gave more than its total of 40"),
        (lambda: Stream([X, (X, X)], 80), "gave 2 tensors, after batches of 1"),
        (lambda: Stream([{"x": X}, {"y": X}], 80), r"the names \('y',\), but the first .*\('x',\)"),
        (lambda: Stream([(X, X[:7])], 40), "need the same rows"),
        (lambda: batches(), r"a generator runs once.*Stream\(function_that_makes_it, total=N\)"),
        (lambda: batches, r"which can be called\. A guide is passed as guide=.*Stream"),
        (Singles, r"IterableDataset does not say how many.*Stream\(DataLoader"),
        (lambda: DataLoader(Singles(), 4), r"IterableDataset.*Stream\(loader, total=N\)"),
    ],
)
def test_a_stream_that_cannot_be_cut_is_a_sentence(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        losses(make())
    assert "\n" not in str(caught.value)
