"""Combinations of parameters: every pair of values takes seconds, all of them take minutes."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from typing import Any

import pytest


def pairwise(*factors: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Some rows of the product in which every two values of different factors meet.

    Each row is one of those that meet the first pair left, and of them one that meets most other pairs left.
    """
    values = [list(factor) for factor in factors]
    size = min(2, len(values))

    def meets(row: Iterable[int]) -> set[Any]:
        return set(itertools.combinations(enumerate(row), size))

    left = set().union(*map(meets, itertools.product(*(range(len(column)) for column in values))))
    rows = []
    while left:
        places: list[Iterable[int]] = [range(len(column)) for column in values]
        for column, value in min(left):
            places[column] = [value]
        row = max(itertools.product(*places), key=lambda row: len(meets(row) & left))
        left -= meets(row)
        rows.append(row)
    return [tuple(column[i] for column, i in zip(values, row, strict=True)) for row in sorted(rows)]


def grid(*factors: Iterable[Any], slow: Collection[Any] = ()) -> list[Any]:
    """All rows of the product, for ``parametrize``; those that ``pairwise`` leaves out are marked slow.

    Rows with a value of ``slow`` are slow, too, and no pair of others depends on them.
    """
    values = [list(factor) for factor in factors]
    few = pairwise(*([value for value in column if value not in slow] for column in values))
    return [
        pytest.param(*row, marks=() if row in few else pytest.mark.slow, id="-".join(map(str, row)))
        for row in itertools.product(*values)
    ]
