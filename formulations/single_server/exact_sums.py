"""Upper bounds raised to a grid on which every sum and every comparison is exact."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import numpy as np

from slimbench.formulations.tolerances import CONCAVITY
from slimbench.instances.problem.arrays import FloatArray, IntArray

STEPS: Final = 2.0**50  # in the largest sum; a double tells eight times as many apart


def raised_to_grid(curves: FloatArray, starts: IntArray, error: float) -> FloatArray:
    """Curves nowhere below the given ones, which max-plus convolution joins without any rounding.

    All values are multiples of one power of two, of which no sum of curves has more than 2^51, so sums,
    differences and comparisons are exact in doubles, in any order. SMAWK and the merging of slopes then get
    exactly what they are proven for, and the joined curve is the convolution of these curves, not nearly so;
    ``max_plus`` then needs no tolerance. A curve that is concave up to rounding becomes
    concave by sorting its increments, which lowers no value, and each is rounded up; of other curves every
    value is rounded up. So a value rises by at most two steps and ``error`` for each expert.

    Parameters
    ----------
    curves : (.,) float64, seconds per token, never falling from 0
        Curve i is ``curves[starts[i]:starts[i + 1]]``.
    error : float
        How far a given value may lie below the bound that it stands for.

    Returns
    -------
    (.,) float64
    """
    pieces = [slice(first, last) for first, last in pairwise(starts)]
    total = sum(float(curves[piece][-1]) for piece in pieces) + len(curves) * error
    if total <= 0:
        return curves
    step = 2.0 ** (math.floor(math.log2(total / STEPS)) + 1)
    raised = np.zeros_like(curves)
    for piece in pieces:
        own = curves[piece]
        increments = np.diff(own)
        growth, largest = np.diff(increments).max(initial=0.0), np.abs(increments).max(initial=0.0)
        if growth <= CONCAVITY * largest:
            raised[piece][1:] = np.cumsum(_up(-np.sort(-increments) + error, step))
        else:
            raised[piece][1:] = _up(own[1:] + error, step)
    return raised


def _up(values: FloatArray, step: float) -> FloatArray:
    """The next multiples of a power of two, and one more for what the values themselves are rounded by."""
    return np.asarray((np.ceil(values / step) + 1.0) * step)
