"""Coefficient reduction: a knapsack row of large numbers as one of small integers with the same 0-1 points.

Sizes of files are numbers of nine or ten digits, and often share no divisor. Solvers compare rows to a
relative 1e-9, so they cannot tell a full server from one that is a byte over; seen: wrong optima called
optimal by SCIP and CBC (16 of 120 and 7 of 240 random instances), and feasible models called infeasible.
"""

from __future__ import annotations

import functools
import math
from typing import Final

import numpy as np
import scipy  # which loads its parts when they are used

from slimbench.instances.problem.arrays import FloatArray, IntArray

SMALL: Final = 2**10  # numbers up to this are small enough
LARGEST: Final = 2**20  # of a weight or a room: a unit too much is over 1e-6 of a row, a thousand tolerances
POINTS: Final = 2**17  # count vectors looked at for one row; more take over a second
ROUNDS: Final = 60  # of separation; it takes a handful


@functools.lru_cache(maxsize=1024)
def small_weights(
    sizes: tuple[int, ...], counts: tuple[int, ...], capacity: int
) -> tuple[tuple[int, ...], int] | None:
    """Weights w and a room r, all at most ``LARGEST``, that admit the same numbers of items as the sizes do.

    For integers k with 0 <= k[i] <= counts[i]: sum of w[i] k[i] <= r exactly if sum of sizes[i] k[i] <=
    capacity. The numbers of all kinds but one are enumerated; of the last kind the most that still fit and
    one more are all that matters. In floating point only candidates are made: the sizes themselves in ever
    finer units, or a separating plane of least norm; each is rounded to integers and accepted only if it
    separates all points in integer arithmetic, so a row is exact or it is not given.

    Parameters
    ----------
    sizes : (m,) int > 0, all different
    counts : (m,) int > 0
    capacity : int >= 0, less than sum of sizes * counts

    Returns
    -------
    weights, room : (m,) int and int, or None if there are too many points, or no such weights were found

    References
    ----------
    Bradley, Hammer, Wolsey, Coefficient reduction for inequalities in 0-1 variables, Mathematical
    Programming 7, 1974; Lawson, Hanson, Solving Least Squares Problems, 1974, chapter 23 (least distance).
    """
    divisor = math.gcd(*sizes)
    sizes, capacity = tuple(size // divisor for size in sizes), capacity // divisor
    as_they_are = (sizes, capacity) if max(*sizes, capacity) <= LARGEST else None
    if max(*sizes, capacity) <= SMALL or (points := _border(sizes, counts, capacity)) is None:
        return as_they_are
    inside, outside = points
    in_proportion = _rounded(np.array(sizes, np.float64), inside, outside)
    if in_proportion is not None and in_proportion[1] <= SMALL:
        return in_proportion
    found = [row for row in (_separated(inside, outside), in_proportion, as_they_are) if row is not None]
    return min(found, key=lambda row: row[1], default=None)


def _separated(inside: IntArray, outside: IntArray) -> tuple[tuple[int, ...], int] | None:
    """Weights by a plane of least norm between the points, taken in where the plane is still wrong."""
    near_inside, near_outside = inside[:1], outside[:1]
    for _ in range(ROUNDS):
        plane = _separating(near_inside, near_outside)
        if plane is None:
            return None
        if found := _rounded(plane, inside, outside):
            return found
        near_inside = np.vstack([near_inside, inside[np.argmax(inside @ plane)]])
        near_outside = np.vstack([near_outside, outside[np.argmin(outside @ plane)]])
    return None


def _border(
    sizes: tuple[int, ...], counts: tuple[int, ...], capacity: int
) -> tuple[IntArray, IntArray] | None:
    """Count vectors (., m) that fit, none left out that no other one contains, and of those that do not.

    Any other vector that fits lies below one of the first, any other that does not above one of the second.
    """
    reach = [min(count, capacity // size) for size, count in zip(sizes, counts, strict=True)]
    last = int(np.argmax(reach))
    others = [i for i in range(len(sizes)) if i != last]
    # one more than fits alone stands for all that are more
    spans = [min(counts[i], reach[i] + 1) + 1 for i in others]
    if math.prod(spans) > POINTS:
        return None
    grid = np.indices(spans).reshape(len(others), -1).T
    room = capacity - grid @ np.array([sizes[i] for i in others], np.int64)
    most = np.minimum(room // sizes[last], counts[last])
    fits = room >= 0

    def vectors(rows: IntArray, of_last: IntArray) -> IntArray:
        return np.insert(rows, last, of_last, axis=1)

    inside = vectors(grid[fits], most[fits])
    more = fits & (most < counts[last])
    nothing = np.zeros(int((~fits).sum()), np.int64)
    outside = np.vstack([vectors(grid[more], most[more] + 1), vectors(grid[~fits], nothing)])
    return inside, outside


def _rounded(plane: FloatArray, inside: IntArray, outside: IntArray) -> tuple[tuple[int, ...], int] | None:
    """The coarsest integer multiple of a plane that separates the points; None if none up to LARGEST does."""
    scale = 1.0 / max(float(plane.max()), 1e-300)
    while scale * plane.max() <= LARGEST:
        weights = np.rint(scale * plane).astype(np.int64)
        room = int((inside @ weights).max())
        if room > LARGEST:
            return None
        if room < int((outside @ weights).min()):
            return tuple(weights.tolist()), room
        scale *= 2
    return None


def _separating(inside: IntArray, outside: IntArray) -> FloatArray | None:
    """Weights w >= 0 (m,) of least norm with w k + 1 <= w k' for all k inside and k' outside, nearly."""
    kinds = inside.shape[1]
    constraints = np.vstack(
        [
            np.hstack([-inside, np.ones((len(inside), 1))]),  # r - w k >= 0
            np.hstack([outside, -np.ones((len(outside), 1))]),  # w k' - r >= 1
            np.eye(kinds, kinds + 1),
        ]
    )
    least = np.concatenate([np.zeros(len(inside)), np.ones(len(outside)), np.zeros(kinds)])
    target = np.append(np.zeros(kinds + 1), 1.0)
    matrix = np.vstack([constraints.T, least])
    try:
        residual = matrix @ scipy.optimize.nnls(matrix, target)[0] - target
    except RuntimeError:  # too many iterations
        return None
    if residual[-1] > -1e-12:  # nothing separates them, as far as floating point tells
        return None
    return np.asarray(np.maximum(residual[:kinds] / -residual[-1], 0.0))
