"""Columns of some rows of a trace as arrays, whatever file they come from; nothing is checked here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from slimbench.instances.problem.arrays import IntArray, csr_rows, offsets_of


class NotPlainError(Exception):
    """A column is not what a trace has there, or not in the plainest form: its rows are for a closer look."""


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

    def converted(self, convert: Callable[[Any], Any]) -> Coded:
        """The same rows, each value converted: once, however many rows have it."""
        return Coded([convert(value) for value in self.values], self.codes)


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
    layers : (rows,) int64
    experts : Lists
    weights : (rows,) int64, optional
        Number of weights, -1 where there are none.
    """

    names: dict[str, Coded]
    layers: IntArray
    experts: Lists
    weights: IntArray | None = None
