"""Layer DP: the most that every layer saves by number of experts, under multipliers and forced experts too.

One engine for the heuristics (``solve``: one server's best cache) and for the Lagrangian subproblems. Layers
with groups are enumerated by a subset-sum (zeta) transform over their k experts, O(k 2^k); layers of single
experts are sorted, O(k log k). ``join_layers`` then joins the layers of a model by number of experts.

References
----------
Bjoerklund, Husfeldt, Kaski, Koivisto, Fourier meets Moebius: fast subset convolution, STOC 2007.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from slimbench.formulations.single_server.max_plus import EVERY_PAIR_LAST, join_layers, unwound
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IndexArray, IntArray

NO_SET = -np.inf  # what a layer saves with a number of experts that its status does not allow


class Layers(NamedTuple):
    """Terms by layer, as kernels read them.

    Attributes
    ----------
    named : (E,) int32
        The experts that terms name, ascending, hence in order of layers.
    firsts : (B + 1,) int64
        Layer b has the experts ``named[firsts[b]:firsts[b + 1]]``.
    starts : (B + 1,) int64, ``firsts[b] + b``
        Layer b has the entries ``starts[b]`` to ``starts[b + 1]`` of a profile: 0, 1, ... of its experts.
    term_offsets : (B + 1,) int64
        Layer b has the terms ``term_offsets[b]`` to ``term_offsets[b + 1]``.
    sets : (T,) int64
        Experts of a term as bits of their positions in the layer; the position itself in layers of single
        experts, which may have more experts than bits.
    by_bits : (B,) bool, whether a layer has groups and is enumerated
    wide : (B,) bool, whether it has groups over too many experts to enumerate
    kept : (B, 2^widest) float64
        Sums of the groups inside every set, where their weights never change; else of no row.
    """

    named: IndexArray
    firsts: IntArray
    starts: IntArray
    term_offsets: IntArray
    sets: IntArray
    by_bits: BoolArray
    wide: BoolArray
    kept: FloatArray


class Profiles(NamedTuple):
    """What each layer saves by number of experts; entries of layer b from ``Layers.starts[b]`` on.

    Attributes
    ----------
    savings : (E + B,) float64
        Most seconds per token with at most 0, 1, ... experts; ``NO_SET`` where no set is allowed.
    sets : (E + B,) int64
        The set that saves it as bits, or how many of the first experts of the layer's order.
    orders : (E,) int64
        Positions in the layer, best expert first, of layers of single experts.
    """

    savings: FloatArray
    sets: IntArray
    orders: IntArray


@compiled
def layers_of(terms: AndTerms, max_exact_experts: int) -> Layers:
    """Number the experts of every layer; groups over more than ``max_exact_experts`` make it ``wide``."""
    offsets, members, term_offsets = terms.offsets, terms.members, terms.layer_offsets
    n_layers, n_experts = len(term_offsets) - 1, 0
    for member in members:
        n_experts = max(n_experts, member + 1)
    position = np.full(n_experts, -1, np.int64)
    for member in members:
        position[member] = 0  # until its layer is known
    named, firsts = np.empty(n_experts, np.int32), np.zeros(n_layers + 1, np.int64)
    starts = np.zeros(n_layers + 1, np.int64)
    by_bits, wide = np.zeros(n_layers, np.bool_), np.zeros(n_layers, np.bool_)
    sets = np.zeros(len(offsets) - 1, np.int64)
    expert = 0
    for layer in range(n_layers):
        first, stop = term_offsets[layer], term_offsets[layer + 1]
        highest, count = -1, firsts[layer]
        for j in range(offsets[first], offsets[stop]):
            highest = max(highest, members[j])
        while expert <= highest:
            if position[expert] >= 0:
                named[count], position[expert] = expert, count - firsts[layer]
                count += 1
            expert += 1
        firsts[layer + 1], starts[layer + 1] = count, count + layer + 1
        grouped = offsets[stop] - offsets[first] > stop - first
        wide[layer] = grouped and count - firsts[layer] > max_exact_experts
        by_bits[layer] = grouped and not wide[layer]
        for term in range(first, stop):
            sets[term] = position[members[offsets[term]]]
            if by_bits[layer]:
                sets[term] = 0
                for j in range(offsets[term], offsets[term + 1]):
                    sets[term] |= 1 << position[members[j]]
    nothing_kept = np.zeros((0, 1))
    return Layers(named[: firsts[-1]], firsts, starts, term_offsets, sets, by_bits, wide, nothing_kept)


@compiled
def layer_profiles(weights: FloatArray, layers: Layers, status: IntArray, larger: bool) -> Profiles:
    """Profiles of all layers that are not wide; those of wide layers are 0.

    Parameters
    ----------
    weights : (T,) float64, negative only for terms of one expert
    status : (E,) int64, whether a named expert is free, must be in (``ALWAYS``) or out (``NEVER``)
    larger : bool
        Whether of two sets of equal saving the larger one is taken.
    """
    firsts, starts = layers.firsts, layers.starts
    savings, sets = np.zeros(starts[-1]), np.zeros(starts[-1], np.int64)
    orders = np.zeros(firsts[-1], np.int64)
    widest = 0
    for layer in range(len(layers.by_bits)):
        if layers.by_bits[layer]:
            widest = max(widest, firsts[layer + 1] - firsts[layer])
    sizes = set_sizes(widest)
    for layer in range(len(layers.by_bits)):
        if layers.wide[layer]:
            continue
        start, k = starts[layer], firsts[layer + 1] - firsts[layer]
        of_layer = status[firsts[layer] : firsts[layer + 1]]
        best, arg = savings[start : start + k + 1], sets[start : start + k + 1]
        if layers.by_bits[layer]:
            sums = layer_sums(weights, layers, layer)
            must = never = 0
            for e in range(k):
                must |= (of_layer[e] == ALWAYS) << e
                never |= (of_layer[e] == NEVER) << e
            for c in range(k + 1):
                best[c] = NO_SET
            for mask in range(1 << k):
                if sums[mask] > best[sizes[mask]] and mask & never == 0 and mask & must == must:
                    best[sizes[mask]], arg[sizes[mask]] = sums[mask], mask
        else:
            single, order, n_must, n_may = single_sums(weights, layers, layer, of_layer)
            total = 0.0
            for c in range(k + 1):
                best[c], arg[c] = total if n_must <= c <= n_may else NO_SET, c
                if c < k:
                    orders[firsts[layer] + c] = order[c]
                    total += single[order[c]]
        for c in range(k):
            if best[c + 1] < best[c] or (best[c + 1] == best[c] and not larger):
                best[c + 1], arg[c + 1] = best[c], arg[c]
    return Profiles(savings, sets, orders)


@compiled
def layer_sums(weights: FloatArray, layers: Layers, layer: int) -> FloatArray:
    """(2^k,) sum of the weights inside every set of a layer with groups.

    Where sums of the groups are ``kept``, only single experts are added to them.
    """
    sets, k = layers.sets, layers.firsts[layer + 1] - layers.firsts[layer]
    start, stop = layers.term_offsets[layer], layers.term_offsets[layer + 1]
    sums = np.zeros(1 << k)
    if not len(layers.kept):
        for i in range(start, stop):
            sums[sets[i]] += weights[i]
        subset_sums(sums, k)
        return sums
    for i in range(start, stop):
        if sets[i] & (sets[i] - 1) == 0:
            sums[sets[i]] += weights[i]
    for bit in range(k):
        half = 1 << bit
        single = sums[half]
        for mask in range(half):
            sums[half + mask] = sums[mask] + single
    for mask in range(1 << k):
        sums[mask] += layers.kept[layer, mask]
    return sums


@compiled
def single_sums(
    weights: FloatArray, layers: Layers, layer: int, status: IntArray
) -> tuple[FloatArray, IntArray, int, int]:
    """Savings of a layer's single experts, their order, and how many must and how many may be in.

    Those that must be in come first, those that must be out last, the others by saving.
    """
    single = np.zeros(len(status))
    for i in range(layers.term_offsets[layer], layers.term_offsets[layer + 1]):
        single[layers.sets[i]] += weights[i]
    key = single.copy()
    must, may = 0, len(status)
    for e in range(len(status)):
        if status[e] == ALWAYS:
            key[e] = np.inf
            must += 1
        elif status[e] == NEVER:
            key[e] = -np.inf
            may -= 1
    return single, descending_order(key), must, may


@compiled
def mark_sets(layers: Layers, profiles: Profiles, used: IntArray, cached: BoolArray) -> None:
    """Write to ``cached`` (X,) which named experts are in the sets of ``used`` (B,) experts."""
    for layer in range(len(used)):
        first, chosen = layers.firsts[layer], profiles.sets[layers.starts[layer] + used[layer]]
        for i in range(layers.firsts[layer + 1] - first):
            if layers.by_bits[layer]:
                cached[layers.named[first + i]] = chosen >> i & 1 == 1
            else:
                cached[layers.named[first + profiles.orders[first + i]]] = i < chosen


@compiled
def best_of_one_size(
    weights: FloatArray,
    layers: Layers,
    models: IntArray,
    status: IntArray,
    capacity: int,
    cached: BoolArray,
) -> float:
    """Most that ``capacity`` experts of one size save, -inf if none fit the status (X,); writes ``cached``.

    Parameters
    ----------
    models : (2,) int64, 0 and the number of layers
    """
    own_status = np.empty(len(layers.named), np.int64)
    for e in range(len(own_status)):
        own_status[e] = status[layers.named[e]]
    profiles = layer_profiles(weights, layers, own_status, False)
    limits = np.full(1, capacity)
    curve, _, splits, offsets = join_layers(
        profiles.savings, layers.starts, models, limits, EVERY_PAIR_LAST, 0.0
    )
    saving = float(curve[-1])
    if saving > NO_SET:
        counts = np.full(1, len(curve) - 1)
        mark_sets(layers, profiles, unwound(splits, offsets, models, counts), cached)
    return saving


@compiled
def subset_sums(sums: FloatArray, k: int) -> None:
    """Turn values of sets of k experts, told by their bits, into the sum over all subsets; O(k 2^k)."""
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


@compiled
def descending_order(values: FloatArray) -> IntArray:
    """(n,) int64, positions of the values from largest to smallest, ties by position; O(n log n).

    Merge sort from the bottom up: numba compiles its own sorts anew for every type, which takes seconds.
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
