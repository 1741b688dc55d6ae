"""Max-plus convolution: h[k] = max over i + j = k of f[i] + g[j].

Joining two layers' saving profiles is this operation. Profiles with falling increments (concave ones)
join by merging their slopes; an arbitrary with a concave one by SMAWK; the rest pair by pair, in blocks.

Sums of sorted savings are concave but for rounding, so a *saving* may be joined with a tolerance: every value
is one that some split has, at worst a little less than the best split's. An *upper bound* may not: the value
of a split that is nearly best is no bound. Bounds are first raised to a grid on which all sums are exact
(``exact_sums``) and then joined with tolerance 0, where increments that grow at all are seen as growing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from slimbench.formulations.tolerances import CONCAVITY
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import FloatArray, IndexArray, IntArray

BLOCK: Final = 1024  # cells of a result that are worked on together: 16 kB
FASTEST, EVERY_PAIR, EVERY_PAIR_LAST = range(3)
"""Methods of joining curves one after another: by their shapes, or by every pair, where of equal splits the
one with the fewest experts of the earlier curves is taken, or with the fewest of the last one: then room is
left over, not filled with experts that add nothing."""


@compiled
def is_concave(f: FloatArray, tolerance: float = CONCAVITY) -> bool:
    """Whether no increment of ``f`` exceeds the one before it by more than ``tolerance`` of the largest."""
    largest = growth = 0.0
    for k in range(1, len(f)):
        largest = max(largest, abs(f[k] - f[k - 1]))
        if k > 1:
            growth = max(growth, (f[k] - f[k - 1]) - (f[k - 1] - f[k - 2]))
    return bool(growth <= tolerance * largest)


@compiled
def max_plus(
    f: FloatArray, g: FloatArray, limit: int, tolerance: float = CONCAVITY
) -> tuple[FloatArray, IntArray]:
    """Max-plus convolution by the fastest method that the shapes allow.

    Parameters
    ----------
    f, g : (p,), (q,) float64, saving in seconds per token by number of experts
    limit : int
        Largest number of experts of interest.
    tolerance : float
        As ``is_concave`` takes it; 0 for bounds.

    Returns
    -------
    h : (min(p + q - 1, limit + 1),) float64
    split : int64 of the same length
        ``h[k] == f[split[k]] + g[k - split[k]]``.
    """
    length = min(len(f) + len(g) - 1, limit + 1)
    f_concave, g_concave = is_concave(f, tolerance), is_concave(g, tolerance)
    if f_concave and g_concave:
        split = _merge_slopes(f, g, length)
    elif g_concave:
        split = _smawk(f, g, length)
    elif f_concave:
        split = _smawk(g, f, length)
        for k in range(length):
            split[k] = k - split[k]
    else:
        split = _pair_by_pair(f, g, length, False)
    return _at_splits(f, g, split), split


@compiled
def max_plus_plain(
    f: FloatArray, g: FloatArray, limit: int, largest_split: bool = False
) -> tuple[FloatArray, IntArray]:
    """The same by trying every pair, O(p * q): the knapsack recursion of a plain dynamic program.

    Curves may start with -inf: numbers of experts that are not allowed. ``largest_split`` decides ties.
    """
    length = min(len(f) + len(g) - 1, limit + 1)
    split = _pair_by_pair(f, g, length, largest_split)
    return _at_splits(f, g, split), split


@compiled
def _at_splits(f: FloatArray, g: FloatArray, split: IntArray) -> FloatArray:
    """h[k] = f[split[k]] + g[k - split[k]]."""
    h = np.empty(len(split))
    for k in range(len(split)):
        h[k] = f[split[k]] + g[k - split[k]]
    return h


@compiled
def join_layers(
    curves: FloatArray,
    starts: IntArray,
    models: IntArray,
    limits: IntArray,
    method: int,
    tolerance: float,
) -> tuple[FloatArray, IntArray, IntArray, IntArray]:
    """The curves of each model's layers joined one after another.

    Parameters
    ----------
    curves : (.,) float64
        Curve i is ``curves[starts[i]:starts[i + 1]]``.
    models : (M + 1,) int64
        Model m has the curves ``models[m]`` to ``models[m + 1]``.
    limits : (M,) int64
        Largest number of experts of interest of each model.
    method : FASTEST, EVERY_PAIR or EVERY_PAIR_LAST
    tolerance : float
        As ``is_concave`` takes it; 0 for bounds. Of no effect where every pair is tried.

    Returns
    -------
    joined, joined_starts : float64 and (M + 1,) int64, the curves of the models
    splits, offsets : int64
        ``splits[offsets[i]:offsets[i + 1]]`` says for every number of experts of a model's curves up to i how
        many of them are of those before i.
    """
    offsets, joined_starts = np.zeros(len(starts), np.int64), np.zeros(len(models), np.int64)
    for m in range(len(limits)):
        experts = starts[models[m + 1]] - starts[models[m]] - (models[m + 1] - models[m])
        largest = min(experts, limits[m])
        reach = largest if method == EVERY_PAIR_LAST else 0
        for i in range(models[m], models[m + 1]):
            reach = min(reach + starts[i + 1] - starts[i] - 1, largest)
            offsets[i + 1] = offsets[i] + reach + 1
        joined_starts[m + 1] = joined_starts[m] + largest + 1
    joined, splits = np.empty(joined_starts[-1]), np.empty(offsets[-1], np.int64)
    for m in range(len(limits)):
        largest = joined_starts[m + 1] - joined_starts[m] - 1
        curve = np.zeros(largest + 1 if method == EVERY_PAIR_LAST else 1)
        for i in range(models[m], models[m + 1]):
            next_one = curves[starts[i] : min(starts[i + 1], starts[i] + largest + 1)]
            if method == FASTEST:
                curve, split = max_plus(curve, next_one, largest, tolerance)
            else:
                curve, split = max_plus_plain(curve, next_one, largest, method == EVERY_PAIR_LAST)
            for k in range(len(split)):
                splits[offsets[i] + k] = split[k]
        for k in range(len(curve)):
            joined[joined_starts[m] + k] = curve[k]
    return joined, joined_starts, splits, offsets


@compiled
def unwound(splits: IntArray, offsets: IntArray, models: IntArray, counts: IntArray) -> IntArray:
    """How many experts each curve contributes to ``counts`` (M,) of the models (``join_layers``)."""
    used = np.empty(len(offsets) - 1, np.int64)
    for m in range(len(counts)):
        count = counts[m]
        for i in range(models[m + 1] - 1, models[m] - 1, -1):
            before = splits[offsets[i] + count]
            used[i] = count - before
            count = before
    return used


@compiled
def _merge_slopes(f: FloatArray, g: FloatArray, length: int) -> IntArray:
    """Concave with concave, O(p + q): take the larger next slope, of ``f`` on ties."""
    split = np.zeros(length, np.int64)
    i = j = 0
    for k in range(1, length):
        if j + 1 == len(g) or (i + 1 < len(f) and f[i + 1] - f[i] >= g[j + 1] - g[j]):
            i += 1
        else:
            j += 1
        split[k] = i
    return split


@compiled
def _pair_by_pair(f: FloatArray, g: FloatArray, length: int, largest_split: bool) -> IntArray:
    """Arbitrary with arbitrary, O(p * q); the smallest or the largest split on ties.

    Block by block of the result, so that it stays in the processor's first cache, and with selections
    instead of branches, so that several cells are compared at once: five times as fast as the plain loops.
    """
    split = np.empty(length, np.int64)
    best, arg = np.empty(BLOCK), np.empty(BLOCK, np.int64)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        for k in range(stop - start):
            best[k], arg[k] = -np.inf, max(0, start + k - len(g) + 1)
        lowest, highest = max(0, start - len(g) + 1), min(len(f), stop) - 1
        for step in range(highest - lowest + 1):
            i = highest - step if largest_split else lowest + step
            first, last = max(start, i), min(stop, i + len(g))
            best_here, arg_here = best[first - start : last - start], arg[first - start : last - start]
            right = g[first - i : last - i]
            for k in range(len(right)):
                value = f[i] + right[k]
                arg_here[k] = i if value > best_here[k] else arg_here[k]
                best_here[k] = value if value > best_here[k] else best_here[k]
        for k in range(start, stop):
            split[k] = arg[k - start]
    return split


@compiled
def _prefers_right(f: FloatArray, g: FloatArray, k: int, left: int, right: int) -> bool:
    """Whether row k of the totally monotone matrix f[i] + g[k - i] is larger at column right > left.

    Cells off the matrix count as falling away on both sides, which keeps total monotonicity.
    """
    if right > k:
        return False
    if k - left >= len(g):
        return True
    return bool(f[right] + g[k - right] > f[left] + g[k - left])


@compiled
def _smawk(f: FloatArray, g: FloatArray, length: int) -> IntArray:
    """Arbitrary ``f`` with concave ``g``: row maxima of f[i] + g[k - i] in O(p + length).

    References
    ----------
    Aggarwal, Klawe, Moran, Shor, Wilber, Geometric applications of a matrix-searching algorithm,
    Algorithmica 2, 1987. The recursion over every second row is unrolled into an explicit stack.
    """
    levels = 1
    while length >> levels:
        levels += 1
    columns = np.empty(len(f) + 2 * length, np.int32)  # of all levels, one after another
    starts = np.zeros(levels + 2, np.int64)
    for i in range(len(f)):
        columns[i] = i
    starts[1] = len(f)
    for level in range(levels):  # reduce: rows (2^level - 1), + 2^level, ...
        step, first = 1 << level, starts[level + 1]
        kept = _reduce(f, g, columns[starts[level] : first], step, columns[first : first + length // step])
        starts[level + 2] = first + kept
    split = np.zeros(length, np.int64)
    for level in range(levels - 1, -1, -1):
        step = 1 << level
        candidates = columns[starts[level + 1] : starts[level + 2]]
        position = 0
        for k in range(step - 1, length, 2 * step):  # the rows that the next level did not settle
            last = split[k + step] if k + step < length else candidates[-1]
            while candidates[position] < (split[k - step] if k >= step else 0):
                position += 1
            best = position
            while candidates[position] < last:
                position += 1
                if _prefers_right(f, g, k, candidates[best], candidates[position]):
                    best = position
            split[k] = candidates[best]
    return split


@compiled
def _reduce(f: FloatArray, g: FloatArray, columns: IndexArray, step: int, kept: IndexArray) -> int:
    """Write columns that hold the maxima of rows step - 1, 2 * step - 1, ...; returns how many they are."""
    n = 0
    for column in columns:
        while n and _prefers_right(f, g, n * step - 1, kept[n - 1], column):
            n -= 1
        if n < len(kept):  # as many as there are rows
            kept[n] = column
            n += 1
    return n
