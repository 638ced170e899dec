"""Sources that read rows when a batch asks for them: map-style datasets, and streams."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from plausible.inference.inputs.arrays import as_tensor, as_tensors
from plausible.models.errors import DataError

__all__ = ["DatasetSource", "Stream", "of_loader"]


class DatasetSource:
    """A map-style dataset: rows are read one by one, in the order in which `fit` asks for them.

    Args:
        dataset: has a length, and at every position from 0 a tensor, an array, a number, or a tuple
            or dictionary of these.
        collate: from a list of its items to a batch; stacks them by default.
        size: data per batch, as a DataLoader has it; None leaves that to `fit`.

    Raises:
        DataError: if there are no data, or they are not numbers.
    """

    def __init__(
        self,
        dataset: Any,
        collate: Callable[[list[Any]], Any] | None = None,
        size: int | None = None,
    ) -> None:
        self.dataset, self.collate, self.batch_size = dataset, collate or _stacked, size
        self.device = torch.device("cpu")
        if len(dataset) == 0:
            raise DataError("The dataset is empty: its length is 0.")
        self.names = as_tensors(self.collate([dataset[0]]))[1]

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, index: Tensor) -> tuple[Tensor, ...]:
        """The data at these positions, on the source's device."""
        parts, names = as_tensors(self.collate([self.dataset[i] for i in index.tolist()]))
        return tuple(x.to(self.device) for x in _in_order(parts, names, self.names))

    def to(self, device: torch.device) -> "DatasetSource":
        moved = DatasetSource.__new__(DatasetSource)
        moved.__dict__.update(self.__dict__, device=device)
        return moved


def of_loader(loader: "DataLoader[Any]") -> DatasetSource:
    """The dataset that a DataLoader reads, with its batch size and its way to put items together.

    Raises:
        DataError: if the loader weighs or orders data in a way of its own, or has no length.
    """
    if isinstance(loader.dataset, IterableDataset):
        raise DataError(
            "This DataLoader reads an IterableDataset, which does not say how many data it has: "
            "pass Stream(loader, total=N)."
        )
    sampler: Any = loader.sampler
    plain = type(sampler) in (SequentialSampler, RandomSampler) and len(sampler) == len(
        loader.dataset  # type: ignore[arg-type]
    )
    if loader.batch_size is None or not plain or getattr(sampler, "replacement", False):
        raise DataError(
            f"This DataLoader draws by a {type(sampler).__name__} or a batch sampler of its own, "
            "and fit draws every datum once an epoch, in an order that depends on its seed alone. "
            "Pass the dataset itself, or weigh data by poutine.scale in the model."
        )
    collate = None if loader.collate_fn is default_collate else loader.collate_fn
    return DatasetSource(loader.dataset, collate, loader.batch_size)


def _stacked(items: list[Any]) -> Any:
    """Items of one form put together: every field along a new first dimension."""
    first = items[0]
    if isinstance(first, Mapping):
        return {name: _column([item[name] for item in items]) for name in first}
    if isinstance(first, tuple | list):
        return tuple(_column(list(values)) for values in zip(*items, strict=True))
    return (_column(items),)


def _column(values: list[Any]) -> Tensor:
    numbers = isinstance(values[0], bool | int | float)
    rows = [torch.tensor(x) if numbers else as_tensor(x, "An item of the dataset") for x in values]
    shapes = sorted({tuple(x.shape) for x in rows})
    if len(shapes) > 1:
        raise DataError(
            f"Items of the dataset have shapes {', '.join(map(str, shapes))}, which cannot be "
            "stacked. Pad them, or pass a DataLoader whose collate_fn puts them together."
        )
    return torch.stack(rows)


class Stream:
    """Data that come one batch after the other, in an order of their own, more than memory holds.

    `fit` cuts batches of its own size from what comes. A pass gives all N data once, and every
    epoch begins a new one. A resumed run reads up to where it stopped; it is the same run where
    every pass gives the same.

    Args:
        batches: what can be iterated over time and again, a DataLoader for example, or a function
            without arguments that returns an iterator, such as a generator function. It gives
            tensors or arrays with one leading dimension, or tuples or dictionaries of them.
        total: number N of data of a pass, by which minibatches are weighed.

    Raises:
        DataError: unless batches can be asked for again, and `total` is a positive whole number.
    """

    def __init__(self, batches: Iterable[Any] | Callable[[], Iterator[Any]], total: int) -> None:
        if isinstance(batches, IterableDataset):
            raise DataError(
                "An IterableDataset gives single items; a Stream takes batches: "
                "Stream(DataLoader(dataset, batch_size=...), total=N)."
            )
        if isinstance(batches, Iterator):
            raise DataError(
                f"A {type(batches).__name__} can be run once only, and every epoch runs it anew: "
                "pass the function that makes it, Stream(function, total=N)."
            )
        if not callable(batches) and not isinstance(batches, Iterable):
            raise DataError(f"A Stream takes batches, but got {type(batches).__name__}.")
        if not isinstance(total, int) or isinstance(total, bool) or total < 1:
            raise DataError(f"total is the number of data of a pass, but is {total!r}.")
        self._batches, self._total, self.device = batches, total, torch.device("cpu")
        self._start = self._stop = 0
        self._rows: tuple[Tensor, ...] = ()
        self._given: tuple[str, ...] = ()
        self._iterator: Iterator[Any] = iter(())
        self._begin()
        self._read()
        self.names = self._given

    def __len__(self) -> int:
        return self._total

    def batch(self, index: Tensor) -> tuple[Tensor, ...]:
        """The data at these positions of a pass, which follow one another."""
        first, last = int(index[0]), int(index[-1]) + 1
        if first < self._start:
            self._begin()
        while self._stop < last:
            self._drop(first)
            self._read()
        self._drop(first)
        rows = _in_order(self._rows, self._given, self.names)
        return tuple(x[: last - first].to(self.device) for x in rows)

    def to(self, device: torch.device) -> "Stream":
        self.device = device
        return self

    def _begin(self) -> None:
        """A new pass."""
        if self._stop == self._total and next(self._iterator, None) is not None:
            raise DataError(f"The stream gave more than its total of {self._total:,} data.")
        batches = self._batches() if callable(self._batches) else self._batches
        self._iterator = iter(batches)
        self._rows = ()
        self._start = self._stop = 0

    def _read(self) -> None:
        """Append the next batch that comes."""
        given = next(self._iterator, None)
        if given is None:
            raise DataError(
                f"The stream ended after {self._stop:,} of its total of {self._total:,} data."
            )
        parts, names = as_tensors(given)
        if not parts or len({x.shape[:1] for x in parts}) > 1 or not parts[0].dim():
            shapes = ", ".join(str(tuple(x.shape)) for x in parts) or "of no tensor"
            raise DataError(f"The stream gave a batch {shapes}; its tensors need the same rows.")
        if not self._rows:
            self._rows, self._given = parts, names
        else:
            parts = _in_order(parts, names, self._given)
            if len(parts) != len(self._rows):
                raise DataError(
                    f"The stream gave {len(parts)} tensors, after batches of {len(self._rows)}."
                )
            self._rows = tuple(map(_joined, self._rows, parts))
        self._stop += len(parts[0])
        if self._stop > self._total:
            raise DataError(f"The stream gave more than its total of {self._total:,} data.")

    def _drop(self, first: int) -> None:
        """Forget what lies before this position."""
        count = min(first, self._stop) - self._start
        self._rows = tuple(x[count:] for x in self._rows)
        self._start += count


def _in_order(
    parts: tuple[Tensor, ...], names: tuple[str, ...], wanted: tuple[str, ...]
) -> tuple[Tensor, ...]:
    """Named parts in the order of other names."""
    if names == wanted:
        return parts
    if sorted(names) != sorted(wanted):
        raise DataError(f"A batch has the names {names}, but the first one had {wanted}.")
    return tuple(parts[names.index(name)] for name in wanted)


def _joined(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([x, y]) if len(x) else y
