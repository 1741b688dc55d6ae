"""Kernels of pair moves: the most that two servers save together (docs of ``pairs``)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from slimbench.formulations.single_server.layer_dp import set_sizes, subset_sums
from slimbench.formulations.tolerances import IMPROVEMENT
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

EVERY_PAIR: Final = 8  # experts of a unit up to which all pairs of sets are tried: 4^8 = 65,536


class Units(NamedTuple):
    """Sets of experts that groups connect, and what serving the groups is worth, as compiled code takes them.

    Attributes
    ----------
    shared : bool
        Whether servers may share a group.
    starts : (V + 1,) int64
        Unit v has the rewards ``starts[v]`` to ``starts[v + 1]``.
    sets : (Q,) int64, experts of a rewarded group as bits of its unit
    weights : (Q,) float64, seconds per token
    inside : (Q, N) bool, the servers of which one has to serve the group, or all of them share it
    counts : (V,) int64, experts of each unit
    sizes : (V,) int64, of one expert, in the unit of rooms
    """

    shared: bool
    starts: IntArray
    sets: IntArray
    weights: FloatArray
    inside: BoolArray
    counts: IntArray
    sizes: IntArray


@compiled
def fill_two(
    units: Units, a: int, b: int, movable: BoolArray, masks: IntArray, rooms: IntArray
) -> tuple[bool, IntArray]:
    """Whether the two save more than now, and their sets (2, V) as bits.

    Parameters
    ----------
    a, b : int, servers
    movable : (V,) bool
        Units that may change.
    masks : (N, V) int64, what all servers hold, as bits
    rooms : (2,) int64
        For the movable units.
    """
    shared, counts, sizes = units.shared, units.counts, units.sizes
    n_units, widest, largest = len(counts), 0, 0
    for unit in range(n_units):
        if movable[unit]:
            widest = max(widest, counts[unit])
            largest += counts[unit] * sizes[unit]
    best = np.empty((n_units, widest + 1, widest + 1))
    args = np.zeros((2, n_units, widest + 1, widest + 1), np.int64)
    now = 0.0
    for unit in range(n_units):
        for i in range(widest + 1):
            for j in range(widest + 1):
                best[unit, i, j] = -np.inf
        if not movable[unit]:
            best[unit, 0, 0] = 0.0
            continue
        k = counts[unit]
        alone_a, alone_b, joint = _tables(units, unit, a, b, masks)
        x, y = masks[a, unit], masks[b, unit]
        now += alone_a[x] + alone_b[y] + joint[x | y if shared else x & y]
        candidates = _candidates(shared, alone_a, joint, k, x, y)
        _pair_profile(
            shared, alone_a, alone_b, joint, k, candidates, best[unit], args[0, unit], args[1, unit]
        )
    reach_a, reach_b = min(rooms[0], largest), min(rooms[1], largest)
    curve, joined = np.zeros((reach_a + 1, reach_b + 1)), np.empty((reach_a + 1, reach_b + 1))
    choice = np.zeros((n_units, reach_a + 1, reach_b + 1), np.int16)
    for unit in range(n_units):
        for p in range(reach_a + 1):
            for q in range(reach_b + 1):
                joined[p, q] = -np.inf
        most = counts[unit] if movable[unit] else 0
        for i in range(most + 1):
            for j in range(most + 1):
                value, di, dj = best[unit, i, j], i * sizes[unit], j * sizes[unit]
                for p in range(di, reach_a + 1):
                    for q in range(dj, reach_b + 1):
                        if curve[p - di, q - dj] + value > joined[p, q]:
                            joined[p, q] = curve[p - di, q - dj] + value
                            choice[unit, p, q] = i * (most + 1) + j
        curve, joined = joined, curve
    chosen = np.zeros((2, n_units), np.int64)
    p, q = reach_a, reach_b
    for unit in range(n_units - 1, -1, -1):
        most = counts[unit] if movable[unit] else 0
        i, j = choice[unit, p, q] // (most + 1), choice[unit, p, q] % (most + 1)
        chosen[0, unit], chosen[1, unit] = args[0, unit, i, j], args[1, unit, i, j]
        p, q = p - i * sizes[unit], q - j * sizes[unit]
    return curve[reach_a, reach_b] > now * (1 + IMPROVEMENT), chosen


@compiled
def _tables(
    units: Units, unit: int, a: int, b: int, masks: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A, B, and -D or U of one unit, (2^k,) each; ``masks`` (N, V) is what servers hold."""
    shared, weights, inside, k = units.shared, units.weights, units.inside, units.counts[unit]
    alone_a, alone_b, joint = np.zeros(1 << k), np.zeros(1 << k), np.zeros(1 << k)
    for r in range(units.starts[unit], units.starts[unit + 1]):
        in_a, in_b = inside[r, a], inside[r, b]
        if not (in_a or in_b):
            continue
        missing, served = units.sets[r], False
        for n in range(len(masks)):
            if n != a and n != b and inside[r, n]:  # noqa: PLR1714  (a set takes seconds to compile)
                if shared:
                    missing &= ~masks[n, unit]
                else:
                    served |= missing & ~masks[n, unit] == 0
        if served or missing == 0:
            continue
        if in_a and in_b and shared:
            joint[missing] += weights[r]
            continue
        if in_a:
            alone_a[missing] += weights[r]
        if in_b:
            alone_b[missing] += weights[r]
        if in_a and in_b:
            joint[missing] -= weights[r]
    subset_sums(alone_a, k)
    subset_sums(alone_b, k)
    subset_sums(joint, k)
    return alone_a, alone_b, joint


@compiled
def _candidates(shared: bool, alone: FloatArray, joint: FloatArray, k: int, x: int, y: int) -> IntArray:
    """Sets of a worth trying, ascending: all of a small unit, else a's own and the best of each size.

    The best beside an empty b, and beside what b holds.
    """
    tried = np.zeros(1 << k, np.bool_)
    tried[x] = True
    best, arg = np.empty(k + 1), np.empty(k + 1, np.int64)
    sizes = set_sizes(k)
    for beside in range(2):
        held = y if beside else 0
        for size in range(k + 1):
            best[size] = -np.inf
        for mask in range(1 << k):
            saving = alone[mask] + joint[mask | held if shared else mask & held]
            if saving > best[sizes[mask]]:
                best[sizes[mask]], arg[sizes[mask]] = saving, mask
        for size in range(k + 1):
            tried[arg[size]] = True
    found, n = np.empty(1 << k, np.int64), 0
    for mask in range(1 << k):
        if tried[mask] or k <= EVERY_PAIR:
            found[n] = mask
            n += 1
    return found[:n]


@compiled
def _pair_profile(
    shared: bool,
    alone_a: FloatArray,
    alone_b: FloatArray,
    joint: FloatArray,
    k: int,
    candidates: IntArray,
    best: FloatArray,
    args_a: IntArray,
    args_b: IntArray,
) -> None:
    """Write the most that sets of i and j experts save together, and the sets, for all i, j up to k."""
    sizes = set_sizes(k)
    ends = np.zeros(k + 2, np.int64)  # a counting sort: sets of j experts from ends[j - 1] to ends[j]
    for size in sizes:
        ends[size + 1] += 1
    for size in range(k + 1):
        ends[size + 1] += ends[size]
    by_size, second = np.empty(1 << k, np.int64), np.empty(1 << k)
    for mask in range(1 << k):
        at = ends[sizes[mask]]
        by_size[at], second[at] = mask, alone_b[mask]
        ends[sizes[mask]] += 1
    for x in candidates:
        i, first = sizes[x], 0
        for j in range(k + 1):
            most, reached_by = -np.inf, -1
            for r in range(first, ends[j]):
                y = by_size[r]
                value = second[r] + joint[x | y if shared else x & y]
                if value > most:
                    most, reached_by = value, r
            first = ends[j]
            if alone_a[x] + most > best[i, j]:
                best[i, j] = alone_a[x] + most
                args_a[i, j], args_b[i, j] = x, by_size[reached_by]
