"""Sorting inside kernels: numba compiles its own sorts anew for every type, which takes seconds."""

from __future__ import annotations

import numpy as np

from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import FloatArray, IntArray


@compiled
def descending_order(values: FloatArray) -> IntArray:
    """(n,) int64, positions of the values from largest to smallest, ties by position; O(n log n).

    Merge sort from the bottom up.
    """
    n = len(values)
    order, merged = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        order[i] = i
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle, stop = min(start + width, n), min(start + 2 * width, n)
            left, right = start, middle
            for at in range(start, stop):
                if left < middle and (right >= stop or values[order[left]] >= values[order[right]]):
                    merged[at] = order[left]
                    left += 1
                else:
                    merged[at] = order[right]
                    right += 1
        order, merged = merged, order
        width *= 2
    return order
