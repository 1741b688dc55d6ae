"""Kernels of the one-server subproblem over enumerated layers: profiles and their joining.

Named experts of a block are numbered layer by layer; layer b has those from ``firsts[b]`` on. A layer with
groups tells sets by bits; a layer of single experts only may have more experts than bits, and is sorted.
``status`` says of every named expert whether it is free, must be in (``ALWAYS``) or out (``NEVER``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from slimbench.formulations.rounding import raised
from slimbench.formulations.single_server.ordering import descending_order
from slimbench.formulations.single_server.priced_terms import (
    PricedTerms,
    complete_terms,
    mark_choice,
    priced_weights,
)
from slimbench.formulations.single_server.profiles import set_sizes, subset_sums
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

NO_SET = -np.inf  # what a layer saves with a number of experts that its status does not allow


class Layers(NamedTuple):
    """The layers of a block as its kernels read them.

    Attributes
    ----------
    sets : (T,) int64
        Of each term: its experts as bits of their positions in the layer, or in layers without groups the
        position itself.
    sizes : (T,) int64, experts of each term
    term_offsets : (B + 1,) int64
        Layer b has the terms ``term_offsets[b]`` to ``term_offsets[b + 1]``.
    counts : (B,) int64, named experts of each layer
    firsts : (B + 1,) int64, where they start
    grouped : (B,) bool, whether some term of the layer has several experts
    kept : (B, 2^widest) float64
        Sums of the groups inside every set, where their weights never change; else of no row.
    """

    sets: IntArray
    sizes: IntArray
    term_offsets: IntArray
    counts: IntArray
    firsts: IntArray
    grouped: BoolArray
    kept: FloatArray


@compiled
def layer_sums(weights: FloatArray, layers: Layers, layer: int) -> FloatArray:
    """(2^k,) sum of the weights inside every set of a layer with groups.

    Where sums of the groups are ``kept``, only single experts are added to them.
    """
    sets, sizes, k = layers.sets, layers.sizes, layers.counts[layer]
    start, stop = layers.term_offsets[layer], layers.term_offsets[layer + 1]
    sums = np.zeros(1 << k)
    if not len(layers.kept):
        for i in range(start, stop):
            sums[sets[i]] += weights[i]
        subset_sums(sums, k)
        return sums
    for i in range(start, stop):
        if sizes[i] == 1:
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
    must = may = 0
    for e in range(len(status)):
        if status[e] == ALWAYS:
            key[e] = np.inf
            must += 1
        if status[e] == NEVER:
            key[e] = -np.inf
        else:
            may += 1
    return single, descending_order(key), must, may


@compiled
def layer_profiles(
    weights: FloatArray, layers: Layers, status: IntArray
) -> tuple[FloatArray, IntArray, IntArray]:
    """Most that each layer saves with at most c experts, (B, largest count + 1), and how.

    For layers with groups the second array has the set as bits; for the others the number of experts,
    taken from the third, (named,), in their order.
    """
    counts, firsts, grouped = layers.counts, layers.firsts, layers.grouped
    n_layers, most, widest = len(counts), 0, 0
    for layer in range(n_layers):
        most = max(most, counts[layer])
        if grouped[layer]:
            widest = max(widest, counts[layer])
    best, arg = no_sets(n_layers, most + 1), np.zeros((n_layers, most + 1), np.int64)
    by_rank = np.zeros(firsts[n_layers], np.int64)
    size = set_sizes(widest)
    for layer in range(len(counts)):
        k = counts[layer]
        of_layer = status[firsts[layer] : firsts[layer + 1]]
        if grouped[layer]:
            sums = layer_sums(weights, layers, layer)
            must = never = 0
            for e in range(k):
                must |= (of_layer[e] == ALWAYS) << e
                never |= (of_layer[e] == NEVER) << e
            for mask in range(1 << k):
                if sums[mask] > best[layer, size[mask]] and mask & never == 0 and mask & must == must:
                    best[layer, size[mask]] = sums[mask]
                    arg[layer, size[mask]] = mask
        else:
            single, order, must, may = single_sums(weights, layers, layer, of_layer)
            for e in range(k):
                by_rank[firsts[layer] + e] = order[e]
            total = 0.0
            for c in range(may + 1):
                if c >= must:
                    best[layer, c], arg[layer, c] = total, c
                if c < may:
                    total += single[order[c]]
        for c in range(k):
            if best[layer, c + 1] <= best[layer, c]:
                best[layer, c + 1], arg[layer, c + 1] = best[layer, c], arg[layer, c]
    return best, arg, by_rank


@compiled
def no_sets(rows: int, columns: int) -> FloatArray:
    """(rows, columns) of ``NO_SET``."""
    table = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            table[i, j] = NO_SET
    return table


@compiled
def chain_layers(best: FloatArray, counts: IntArray, limit: int) -> tuple[FloatArray, IntArray]:
    """Layers joined by number of experts; the split of layer b is how many it contributes."""
    length = reach(counts, limit) + 1
    curve, joined = np.zeros(length), np.empty(length)
    splits = np.zeros((len(counts), length), np.int64)
    for layer in range(len(counts)):
        for total in range(length):
            joined[total] = NO_SET
            for used in range(min(counts[layer], total) + 1):
                value = curve[total - used] + best[layer, used]
                if value > joined[total]:
                    joined[total] = value
                    splits[layer, total] = used
        curve, joined = joined, curve
    return curve, splits


@compiled
def reach(counts: IntArray, limit: int) -> int:
    """How many experts of all layers together fit."""
    total = 0
    for count in counts:
        total += count
    return min(limit, total)


@compiled
def unwind_layers(splits: IntArray, count: int, used: IntArray) -> None:
    """Write how many experts every layer contributes to ``count`` together."""
    for layer in range(len(splits) - 1, -1, -1):
        used[layer] = splits[layer, count]
        count -= used[layer]


@compiled
def chosen_members(used: IntArray, arg: IntArray, by_rank: IntArray, layers: Layers) -> BoolArray:
    """(named,) which experts are in the chosen sets."""
    firsts = layers.firsts
    inside = np.zeros(firsts[-1], np.bool_)
    for layer in range(len(used)):
        first, chosen = firsts[layer], arg[layer, used[layer]]
        for i in range(firsts[layer + 1] - first):
            if layers.grouped[layer]:
                inside[first + i] = chosen >> i & 1 == 1
            elif i < chosen:
                inside[first + by_rank[first + i]] = True
    return inside


@compiled
def best_under_prices(
    prices: FloatArray,
    terms: PricedTerms,
    layers: Layers,
    status: IntArray,
    capacity: int,
    slope: FloatArray,
    cached: BoolArray,
) -> float:
    """No cache of at most ``capacity`` experts of one size saves more; marks the best as ``mark_choice``."""
    own_status = np.empty(len(terms.named), np.int64)
    for e in range(len(own_status)):
        own_status[e] = status[terms.named[e]]
    weights = priced_weights(terms, prices)
    best, arg, by_rank = layer_profiles(weights, layers, own_status)
    curve, splits = chain_layers(best, layers.counts, capacity)
    saving = float(curve[-1])
    if saving > NO_SET:
        used = np.zeros(len(layers.counts), np.int64)
        unwind_layers(splits, len(curve) - 1, used)
        inside = chosen_members(used, arg, by_rank, layers)
        mark_choice(terms, inside, complete_terms(terms, inside), slope, cached)
        saving = bound_of_sums(saving, weights, terms, layers)
    return saving


@compiled
def bound_of_sums(saving: float, weights: FloatArray, terms: PricedTerms, layers: Layers) -> float:
    """A bound on what caches save, where the largest sum of weights was computed as ``saving``."""
    costs = 0.0
    for weight in weights:
        costs -= min(weight, 0.0)
    return float(raised(saving, saving + 2.0 * costs, roundings(terms, layers)))


@compiled
def roundings(terms: PricedTerms, layers: Layers) -> int:
    """Additions that a weight takes part in on its way into what a cache saves, at most.

    Prices of its rows are added to it, it joins others of its set (or its share of an expert does), goes to
    all larger sets by one addition for each expert, or in sorted layers for each expert before it, and
    passes one addition for each layer and model.
    """
    return 2 * len(terms.weights) + len(terms.rows) + len(terms.members) + 2 * len(layers.counts)
