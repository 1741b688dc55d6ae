"""Array types, read-only arrays, and arrays of pieces (CSR)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
IndexArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

DENSE: Final = 8  # key spaces up to so many times the keys are counted; larger ones are sorted


def frozen(values: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A contiguous read-only array of ``dtype``; the caller's own array stays as it is."""
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def offsets_of(counts: npt.NDArray[np.integer[Any]]) -> IntArray:
    """CSR offsets (len(counts) + 1,) int64 of consecutive pieces with these lengths."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def padded_groups(offsets: IntArray, members: npt.NDArray[np.integer[Any]]) -> IndexArray:
    """CSR groups as a rectangle (groups, largest group) int32, filled up with -1 on the right."""
    sizes = np.diff(offsets)
    width = int(sizes.max(initial=0))
    if 0 < len(members) == width * len(sizes):
        return members.reshape(-1, width).astype(np.int32)
    columns = np.arange(width)
    table = np.full((len(sizes), width), -1, np.int32)
    table[columns[None, :] < sizes[:, None]] = members
    return table


def csr_rows(offsets: IntArray, rows: npt.NDArray[np.integer[Any]]) -> tuple[IntArray, IntArray]:
    """For rows (R,) of CSR: position of each entry's row in ``rows``, and the entry, both (.,) int64."""
    counts = np.diff(offsets)[rows]
    position = np.repeat(np.arange(len(counts)), counts)
    entry = np.arange(len(position))
    entry += np.repeat(offsets[rows] - offsets_of(counts)[:-1], counts)
    return position, entry


def distinct(keys: IntArray, bound: int) -> tuple[IntArray, IntArray]:
    """Distinct keys in ascending order, and (len(keys),) int64 the place of each key among them.

    Parameters
    ----------
    keys : (.,) int64, 0 <= key < bound
    bound : int
        Where it is small, or the keys ascend, nothing is sorted: O(len(keys) + bound).
    """
    if (keys[1:] > keys[:-1]).all():
        return keys, np.arange(len(keys))
    if bound <= DENSE * len(keys):
        seen = np.zeros(bound, np.bool_)
        seen[keys] = True
        return np.flatnonzero(seen), (np.cumsum(seen) - 1)[keys]
    order = np.argsort(keys)
    ordered = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    places = np.empty(len(keys), np.int64)
    places[order] = np.cumsum(first) - 1
    return ordered[first], places


def distinct_rows(
    columns: Iterable[npt.NDArray[np.integer[Any]]], base: int, n_rows: int
) -> tuple[IntArray, IntArray]:
    """Distinct rows in lexicographic order: for each a row that shows it, and (n_rows,) the places of all.

    Parameters
    ----------
    columns : (n_rows,) int each, 0 <= digit < base
        First to last; read as one number in that base, and numbered anew where it would outgrow int64.
    base : int, at most 2^31
    n_rows : int
    """
    keys, bound = np.zeros(n_rows, np.int64), 1
    for digits in columns:
        if bound * base >= 2**63:
            values, keys = distinct(keys, bound)
            bound = len(values)
        keys = keys * base + digits
        bound *= base
    values, places = distinct(keys, bound)
    shown = np.empty(len(values), np.int64)
    shown[places] = np.arange(n_rows)
    return shown, places
