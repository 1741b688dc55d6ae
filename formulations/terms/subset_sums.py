"""Kernels over all subsets of a few experts: the subset-sum (zeta) transform and sizes of sets.

References
----------
Bjoerklund, Husfeldt, Kaski, Koivisto, Fourier meets Moebius: fast subset convolution, STOC 2007.
"""

from __future__ import annotations

import numpy as np

from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import FloatArray, IntArray


@compiled
def subset_sums(sums: FloatArray, k: int) -> None:
    """Turn values of sets of k experts, numbered by their bits, into sums over all subsets; O(k 2^k)."""
    for bit in range(k):
        half = 1 << bit
        for start in range(half, 1 << k, 2 * half):
            for mask in range(start, start + half):
                sums[mask] += sums[mask - half]


@compiled
def set_sizes(k: int) -> IntArray:
    """(2^k,) how many bits each set has."""
    sizes = np.zeros(1 << k, np.int64)
    for bit in range(k):
        half = 1 << bit
        for mask in range(half):
            sizes[half + mask] = sizes[mask] + 1
    return sizes
