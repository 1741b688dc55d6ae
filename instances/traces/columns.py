"""Rows of a trace as arrays, one a column, whatever file they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from slimbench.instances.problem.arrays import BoolArray, IntArray, csr_rows, offsets_of


class Coded(NamedTuple):
    """A column of few different values: row r has ``values[codes[r]]``.

    Attributes
    ----------
    values : list, in the order of their first row; None is a value
    codes : (rows,) int64
    """

    values: list[Any]
    codes: IntArray

    @classmethod
    def of(cls, column: Iterable[Any], rows: int) -> Coded:
        """The column ``column`` of ``rows`` Python values."""
        numbers: dict[Any, int] = {}
        codes = np.fromiter(
            (numbers.setdefault(value, len(numbers)) for value in column), np.int64, count=rows
        )
        return cls(list(numbers), codes)

    def missing(self) -> BoolArray:
        """(rows,) bool, where there is nothing."""
        return np.array([value is None for value in self.values], np.bool_)[self.codes]


class Lists(NamedTuple):
    """A column of lists: ``sizes`` (rows,) int64, and all their ``members`` one after another, int64."""

    sizes: IntArray
    members: IntArray

    @classmethod
    def of(cls, column: Sequence[Sequence[int]]) -> Lists:
        """The column of Python lists."""
        sizes = np.fromiter(map(len, column), np.int64, count=len(column))
        return cls(sizes, np.fromiter(chain.from_iterable(column), np.int64, count=int(sizes.sum())))

    def rows(self, codes: IntArray) -> Lists:
        """The lists of these numbers, in this order."""
        _, entries = csr_rows(offsets_of(self.sizes), codes)
        return Lists(self.sizes[codes], self.members[entries])


@dataclass(frozen=True)
class TraceColumns:
    """Rows as columns.

    Parameters
    ----------
    names : dict of Coded
        By column: ``model``, and of ``user``, ``task``, ``prompt``, ``token`` those that the file has; text
        or integers, and None where there is nothing.
    layers : (rows,) int64, >= 0
    experts : Lists
        Of integers >= 0.
    weights : (rows,) int64, optional
        Number of weights, -1 where there are none.
    first : int
        Number of the first row in the file.
    lines : sequence of int, optional
        Lines of the rows, for files whose faults are told by line.
    dropped : int
        Rows of a routing log that were dropped as its warm-up, up to here.
    """

    names: dict[str, Coded]
    layers: IntArray
    experts: Lists
    weights: IntArray | None = None
    first: int = 1
    lines: Sequence[int] | None = None
    dropped: int = 0

    def place(self, row: int) -> str:
        """The row's place in the file, as messages name it."""
        return f"row {self.first + row}" if self.lines is None else f"line {self.lines[row]}"
