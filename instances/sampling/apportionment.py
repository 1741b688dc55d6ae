"""Apportionment: whole numbers in given proportions."""

from __future__ import annotations

import numpy as np

from slimbench.instances.problem.arrays import FloatArray, IntArray


def apportioned(seats: int, shares: FloatArray) -> IntArray:
    """(len(shares),) int64 that add up to ``seats``, by largest remainders (Hamilton), ties to the first."""
    quotas = np.round(seats * shares / shares.sum(), 9)  # the last bit must not decide a tie
    counts = np.floor(quotas).astype(np.int64)
    counts[np.argsort(counts - quotas, kind="stable")[: seats - int(counts.sum())]] += 1
    return np.asarray(counts)
