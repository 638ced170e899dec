"""Data as people have them, as tensors: arrays, frames, and columns by name."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plausible.models.errors import DataError

__all__ = ["as_tensor", "as_tensors"]

_SIGNED = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}  # PyTorch computes with those


def as_tensors(data: Any) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Tensors of data that are held in memory, and their names.

    Args:
        data: what `as_tensor` takes, a tuple or list of such, or a dictionary of such by name.

    Returns:
        The tensors; their names, none unless data were a dictionary.

    Raises:
        DataError: for anything else.
    """
    if isinstance(data, Mapping):
        for name in data:
            if not isinstance(name, str):
                raise DataError(
                    f"A dictionary of data names the model's arguments, but one name is {name!r}."
                )
        return tuple(as_tensor(x, f"{name!r}") for name, x in data.items()), tuple(data)
    if isinstance(data, tuple | list):
        many = len(data) > 1
        return tuple(
            as_tensor(x, f"Tensor {i} of the data" if many else "The data tensor")
            for i, x in enumerate(data)
        ), ()
    return (as_tensor(data, "The data tensor"),), ()


def as_tensor(x: Any, which: str = "The data tensor") -> Tensor:
    """A tensor as it is; an array or frame as a tensor.

    Floats take PyTorch's default type (float32 unless it was set); whole numbers and booleans keep
    theirs, but unsigned ones of more than 8 bits become signed. A frame is a matrix, one column for
    each of its own.

    Args:
        x: a tensor, anything with `__array__` such as an array or a column of a table, or a frame
            of pandas or Polars.
        which: what an error calls it.

    Raises:
        DataError: for anything else, and for columns or arrays of other things than numbers.
    """
    if isinstance(x, Tensor):
        return x
    columns = _columns(x)
    if columns is not None:
        arrays = [_numbers(column, f"{which}, column {name!r},") for name, column in columns]
        if not arrays:
            raise DataError(f"{which} is a frame without columns.")
        return _tensor(np.column_stack(arrays), which)
    if isinstance(x, str | bytes) or not hasattr(x, "__array__"):
        hint = " Call its .collect() first." if hasattr(x, "collect") else ""
        raise DataError(
            f"{which} is a {type(x).__name__}; it must be a tensor, array or frame.{hint}"
        )
    return _tensor(_numbers(x, which), which)


def _columns(x: Any) -> Iterator[tuple[Any, Any]] | None:
    """Names and columns of a frame, known by what it offers: no library is imported to ask."""
    if type(x).__module__.partition(".")[0] == "pandas" and hasattr(x, "columns"):
        return iter(x.items())
    if hasattr(x, "iter_columns") and hasattr(x, "columns"):
        return ((column.name, column) for column in x.iter_columns())
    return None


def _numbers(x: Any, which: str) -> Any:
    """An array of numbers or booleans, missing ones as NaN."""
    if isinstance(x, np.ma.MaskedArray) and np.ma.getmaskarray(x).any():
        raise DataError(f"{which} has masked values. Remove or impute them first.")
    array = np.asarray(x)
    plain = getattr(getattr(x, "dtype", None), "numpy_dtype", None)  # pandas' nullable numbers
    if array.dtype.kind == "O" and plain is not None and plain.kind in "biuf":
        array = x.to_numpy(dtype=float, na_value=np.nan) if x.hasnans else x.to_numpy(dtype=plain)
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{which} has the type {array.dtype}, but data are numbers. Encode categories as whole "
            "numbers from 0 (pandas.factorize), and dates as times since one of them."
        )
    return array


def _tensor(array: Any, which: str) -> Tensor:
    if array.dtype.kind == "f":
        default = str(torch.get_default_dtype()).removeprefix("torch.")
        array = array.astype("float32" if default == "bfloat16" else default, copy=False)
    elif array.dtype.name in _SIGNED:
        signed = array.astype(_SIGNED[array.dtype.name])
        if bool((signed < 0).any()):
            raise DataError(f"{which} has whole numbers above 2**63 - 1, which no tensor holds.")
        array = signed
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    array = np.ascontiguousarray(array).reshape(array.shape)
    return torch.from_numpy(array if array.flags.writeable else array.copy())
