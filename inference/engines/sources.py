"""Where batches come from: tensors held on the device, or a source that makes them.

A source may have `names`, by which the model takes its tensors as keywords, and a `batch_size`.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from plausible.inference.inputs.arrays import as_tensors
from plausible.inference.inputs.datasets import DatasetSource, Stream, of_loader
from plausible.inference.program import in_order
from plausible.models.errors import DataError, PlausibleError, reason_of

__all__ = [
    "Source",
    "TensorSource",
    "as_source",
    "checksum",
    "first_batch",
    "order_of",
    "permutation",
]


@runtime_checkable
class Source(Protocol):
    """A data set that hands out batches by index.

    A source that draws at random uses PyTorch's generator only, and keeps nothing between batches,
    so that a resumed run replays.
    """

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> tuple[Tensor, ...]:
        """The data at these positions (a LongTensor on the source's device)."""
        ...

    def to(self, device: torch.device) -> "Source":
        """The source with its tensors on this device."""
        ...


class TensorSource:
    """Tensors with one leading dimension, sliced together.

    Args:
        tensors: the data.
        names: by which the model takes them as keywords; none where it takes them by position.
        size: data per batch, where the data say so.

    Raises:
        DataError: for no rows, rows that differ in number, or values that are not finite.
    """

    def __init__(
        self, tensors: Sequence[Tensor], names: tuple[str, ...] = (), size: int | None = None
    ) -> None:
        self.names, self.batch_size = names, size
        with torch.inference_mode(False):  # tensors of that mode cannot be trained on
            self.tensors = tuple(x.clone() if x.is_inference() else x for x in tensors)
        for position, x in enumerate(self.tensors):
            which = f"Tensor {position} of the data" if len(self.tensors) > 1 else "The data tensor"
            if x.layout is not torch.strided:
                raise DataError(f"{which} is {x.layout}; data are dense: convert with .to_dense().")
            if x.dim() == 0:
                raise DataError(
                    f"{which} is a scalar; data need a leading dimension, one row each."
                )
            if x.shape[0] == 0:
                raise DataError(f"{which} is empty: shape {tuple(x.shape)} has no rows.")
            if x.dtype.is_floating_point and not bool(x.isfinite().all()):
                bad = int((~x.isfinite()).sum())
                raise DataError(
                    f"{which} has {bad:,} of {x.numel():,} values that are NaN or infinite. "
                    "Remove or impute them first."
                )
        rows = [x.shape[0] for x in self.tensors]
        if len(set(rows)) > 1:
            raise DataError(
                f"The data tensors have {' and '.join(map(str, rows))} rows; they need the same "
                "number. Pass constants through context= instead."
            )

    def __len__(self) -> int:
        return self.tensors[0].shape[0] if self.tensors else 1

    def batch(self, index: Tensor) -> tuple[Tensor, ...]:
        return tuple(_rows(x, index) for x in self.tensors)

    def to(self, device: torch.device) -> "TensorSource":
        moved = object.__new__(TensorSource)
        moved.names, moved.batch_size = self.names, self.batch_size
        moved.tensors = tuple(x.to(device) for x in self.tensors)
        return moved

    def checksum(self) -> int:
        """A number that changes with the data, for recognising them when a run is resumed."""
        return checksum(self.tensors)


def checksum(tensors: Sequence[Tensor]) -> int:
    """A number that changes with the content of tensors."""
    value = 0
    for x in tensors:
        content: Any = x.detach().cpu().contiguous().view(torch.uint8).numpy()
        value = zlib.crc32(content, value)
    return value


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """x[index], several times faster."""
    numbers = x.reshape(-1) if x.numel() == len(x) else x
    return numbers.index_select(0, index).reshape(len(index), *x.shape[1:])


def as_source(data: Any, model: Any = None) -> Source:
    """Turn data, in whatever form `fit` takes them, into a source.

    Args:
        data: see `fit`.
        model: its arguments give the order of data that come by name.

    Raises:
        DataError: for anything else, empty data, or values that are not finite.
    """
    source = _source(data)
    if len(source) == 0:
        raise DataError("The data source is empty: its length is 0.")
    names = getattr(source, "names", ())
    if names and in_order(model, names) != names:
        if isinstance(source, TensorSource):
            named = dict(zip(names, source.tensors, strict=True))
            names = in_order(model, names)
            return TensorSource([named[name] for name in names], names, source.batch_size)
        source.names = in_order(model, names)  # type: ignore[attr-defined]
    return source


def _source(data: Any) -> Source:
    if isinstance(data, TensorDataset):
        return TensorSource(data.tensors)
    if isinstance(data, DataLoader):
        if isinstance(data.dataset, TensorDataset) and data.collate_fn is default_collate:
            return TensorSource(data.dataset.tensors, size=of_loader(data).batch_size)
        return of_loader(data)
    if isinstance(data, Source):
        return data
    if hint := _kind(data):
        raise DataError(f"Data are tensors, arrays, frames, a Dataset or a source; {hint}")
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not _holds_numbers(data):
        return DatasetSource(data)
    tensors, names = as_tensors(data)
    return TensorSource(tensors, names)


def _holds_numbers(data: Any) -> bool:
    """Whether something that is read by position is itself an array, a frame or a part of data."""
    held = isinstance(data, Tensor | tuple | list | Mapping | str | bytes)
    return held or hasattr(data, "__array__")


def _kind(data: Any) -> str | None:
    """What to do with something that cannot be read by position; None for what can."""
    if isinstance(data, IterableDataset):
        return (
            "an IterableDataset does not say how many it has: "
            "Stream(DataLoader(dataset, batch_size=...), total=N)."
        )
    if isinstance(data, Iterator):
        return (
            f"a {type(data).__name__} runs once and does not say how many data it gives: "
            "Stream(function_that_makes_it, total=N)."
        )
    if isinstance(data, Sequence) and not isinstance(data, str | bytes) and len(data):
        if all(isinstance(x, bool | int | float) for x in data):
            return "a list of numbers is torch.tensor(data)."
    if isinstance(data, type) or (callable(data) and not hasattr(data, "__getitem__")):
        return (
            f"got {data!r}, which can be called. A guide is passed as guide=, and a function that "
            "makes batches as Stream(function, total=N)."
        )
    return None


def first_batch(source: Source, index: Tensor) -> tuple[Tensor, ...]:
    """What a source hands out for these positions, checked.

    Raises:
        DataError: unless it is a tuple of tensors with one row for each position.
    """
    try:
        batch = source.batch(index)
    except (PlausibleError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"The data source fails when it is asked for {len(index):,} data: "
            f"{type(error).__name__}: {reason_of(error)}."
        ) from error
    if not isinstance(batch, tuple) or not all(isinstance(x, Tensor) for x in batch):
        raise DataError(
            f"The data source's batch() must return a tuple of tensors, but returned "
            f"{type(batch).__name__}."
        )
    shapes = [tuple(x.shape) for x in batch]
    if any(shape[:1] != (len(index),) for shape in shapes):
        raise DataError(
            f"The data source's batch() was asked for {len(index)} data, but returned tensors of "
            f"shapes {', '.join(map(str, shapes))}."
        )
    return batch


def order_of(source: Source, seed: int, epoch: int) -> Tensor:
    """The order of a source's data in one epoch; a stream has its own."""
    if isinstance(source, Stream):
        return torch.arange(len(source), device="cpu")
    return permutation(len(source), seed, epoch)


def permutation(size: int, seed: int, epoch: int) -> Tensor:
    """The order of the data in one epoch, a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed(((seed << 20) + epoch) % 2**63)
    return torch.randperm(size, generator=generator, device="cpu")
