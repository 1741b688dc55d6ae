"""Sample tokens of a trace by a hash of their names, the same in every format and order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.traces.columns import Coded

HashArray = npt.NDArray[np.uint64]

_NOTHING: Final = np.uint64(0x6E6F7468696E6721)  # any number: the hash of an empty cell
_FRACTION_BITS: Final = 53  # of a float64


def token_places(seed: int, names: Iterable[Coded | None], n_rows: int) -> FloatArray:
    """(n_rows,) float64 in [0, 1): each token's place on a line on which they are spread evenly.

    Rows of the same names have the same place, on every platform. A name that is an integer as text counts as
    that integer, so that a CSV file and a Parquet file of the same tokens agree.

    Parameters
    ----------
    seed : int, >= 0
    names : iterable of Coded or None
        Columns that name a token together, in an order that is always the same; None is an empty column.
    n_rows : int

    References
    ----------
    The mixing is SplitMix64's: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014.
    """
    state = np.full(n_rows, _text_hash(str(seed)), np.uint64)
    for column in names:
        state ^= _NOTHING if column is None else _hashes(column.values)[column.codes]
        state = _mixed(state)
    return np.asarray((state >> np.uint64(64 - _FRACTION_BITS)) * 2.0**-_FRACTION_BITS, np.float64)


def _mixed(state: HashArray) -> HashArray:
    """SplitMix64's next number of each state."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _hashes(values: list[Any]) -> HashArray:
    integers = np.array([_integer(value) for value in values], object)
    texts = np.array([integer is None for integer in integers])
    hashes = np.empty(len(values), np.uint64)
    hashes[~texts] = _mixed(integers[~texts].astype(np.int64).view(np.uint64))
    hashes[texts] = [_NOTHING if values[i] is None else _text_hash(values[i]) for i in np.flatnonzero(texts)]
    return hashes


def _integer(value: Any) -> int | None:
    """The value as a 64-bit integer, if it is one or is written exactly as one."""
    if type(value) is str and value.removeprefix("-").isdecimal() and str(int(value[:20])) == value:
        value = int(value)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _text_hash(text: Any) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(str(text).encode(), digest_size=8).digest(), "little"))
