"""Array types, read-only arrays, and the one place that sets compiler options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(function: _Kernel) -> _Kernel:
    """Compile a kernel on first use; the machine code is cached on disk beside its source."""
    return cast(_Kernel, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def frozen(values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A contiguous read-only array of ``dtype``; the caller's own array stays as it is."""
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def offsets_of(counts: npt.NDArray[np.integer[Any]]) -> IntArray:
    """CSR offsets (len(counts) + 1,) int64 of consecutive pieces with these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def padded_groups(offsets: IntArray, members: npt.NDArray[np.integer[Any]]) -> IndexArray:
    """CSR groups as a rectangle (groups, largest group) int32, filled up with -1 on the right."""
    sizes = np.diff(offsets)
    width = int(sizes.max(initial=0))
    columns = np.arange(width)
    table = np.full((len(sizes), width), -1, np.int32)
    table[columns[None, :] < sizes[:, None]] = members
    return table
