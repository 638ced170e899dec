"""Where batches come from: tensors held on the device, or a source that makes them."""

import zlib
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["Source", "TensorSource", "as_source", "first_batch", "permutation"]


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

    Raises:
        DataError: for no rows, rows that differ in number, or values that are not finite.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
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
        moved.tensors = tuple(x.to(device) for x in self.tensors)
        return moved

    def checksum(self) -> int:
        """A number that changes with the data, for recognising them when a run is resumed."""
        value = 0
        for x in self.tensors:
            content: Any = x.detach().cpu().contiguous().view(torch.uint8).numpy()
            value = zlib.crc32(content, value)
        return value


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """x[index], several times faster."""
    numbers = x.reshape(-1) if x.numel() == len(x) else x
    return numbers.index_select(0, index).reshape(len(index), *x.shape[1:])


def as_source(data: object) -> Source:
    """Turn a tensor, a tuple of tensors or a source into a source.

    Raises:
        DataError: for anything else, empty data, or values that are not finite.
    """
    if isinstance(data, Tensor):
        return TensorSource((data,))
    if isinstance(data, (tuple, list)):
        for x in data:
            if not isinstance(x, Tensor):
                raise DataError(
                    f"Data are tensors, but one is a {type(x).__name__}. "
                    "Convert it with torch.as_tensor, or pass constants through context=."
                )
        return TensorSource(data)
    if isinstance(data, Source):
        if len(data) == 0:
            raise DataError("The data source is empty: its length is 0.")
        return data
    hint = " Convert it with torch.as_tensor." if hasattr(data, "__array__") else ""
    raise DataError(
        f"Data are a tensor, a tuple of tensors, or a source with `__len__`, `batch(index)` and "
        f"`to(device)`; got {type(data).__name__}.{hint}"
    )


def first_batch(source: Source, index: Tensor) -> tuple[Tensor, ...]:
    """What a source hands out for these positions, checked.

    Raises:
        DataError: unless it is a tuple of tensors with one row for each position.
    """
    batch = source.batch(index)
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


def permutation(size: int, seed: int, epoch: int) -> Tensor:
    """The order of the data in one epoch, a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed(((seed << 20) + epoch) % 2**63)
    return torch.randperm(size, generator=generator, device="cpu")
