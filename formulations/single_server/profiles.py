"""Saving profiles: the most one layer can save with c experts, for every c.

The exact profile enumerates sets; the split profile takes polynomial time and brackets the exact one.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from slimbench.formulations.rounding import slack
from slimbench.formulations.single_server.ordering import descending_order
from slimbench.formulations.single_server.splitting import (
    SPLIT_SWEEPS,
    SPLIT_TOLERANCE,
    even_split,
    grown,
    nested_savings,
    peeled,
)
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IndexArray, IntArray

MAX_EXACT_EXPERTS: Final = 20  # 2^20 sums of 8 bytes: 8 MB a layer
FAMILIES: Final = 3  # of nested sets that are tried where a layer is split


class Profiles(NamedTuple):
    """What each layer of one server can save by number of experts; a layer without terms has no profile.

    Attributes
    ----------
    layers : (L,) int64, ascending
    starts : (L + 1,) int64
        Layer i, in which terms name c experts, has entries ``starts[i]`` to ``starts[i + 1]`` of the next
        three arrays: for at most 0, 1, ... c experts.
    savings : float64
        Saving in seconds per token of the best known set; never falling.
    bounds : float64
        Upper bound on the same, up to ``profile_error``; equal to ``savings`` where the layer is exact.
    sets : int64
        The set that reaches the saving, see ``members``.
    exact : (L,) bool
        Whether every saving of the layer is the optimum for its number of experts.
    by_bits : (L,) bool
        Whether sets are told by bits, or by how many of the first experts of which order they take.
    orders : int32
        Experts numbered through: ``orders[order_starts[i]:order_starts[i + 1]]`` is one order of those of
        layer i after another.
    order_starts : (L + 1,) int64
    """

    layers: IntArray
    starts: IntArray
    savings: FloatArray
    bounds: FloatArray
    sets: IntArray
    exact: BoolArray
    by_bits: BoolArray
    orders: IndexArray
    order_starts: IntArray


def layer_profiles(terms: AndTerms, max_exact_experts: int) -> Profiles:
    """Profiles of all layers: exact where terms are singletons or name few experts, else split.

    Only terms of one expert may have a negative weight: the price of caching it.
    """
    profiles = _exact_profiles(
        terms.weights, terms.offsets, terms.members, terms.layer_offsets, max_exact_experts
    )
    for i in np.flatnonzero(~profiles.exact).tolist():
        _split_profile(terms.of_layer(int(profiles.layers[i])), profiles, i)
    return profiles


def profile_error(terms: AndTerms) -> float:
    """How far a computed bound of a profile may lie below what it bounds, seconds per token.

    It is a sum of shares of weights: a share is a weight times a quotient of the term's other shares, and
    joins the shares of its expert and of its set, so it is rounded once for each of its term's members, and
    for each other member at most; weights, negative ones too, count with their absolute values.
    """
    return slack(2 * len(terms.members) + 4) * float(np.abs(terms.weights).sum())


@compiled
def mark_sets(profiles: Profiles, first: int, counts: IntArray, cached: BoolArray) -> None:
    """Mark, in the layers from the ``first`` profile on, the best known sets of at most ``counts``."""
    for i in range(first, first + len(counts)):
        start, k = profiles.order_starts[i], profiles.starts[i + 1] - profiles.starts[i] - 1
        told = profiles.sets[profiles.starts[i] + counts[i - first]]
        if profiles.by_bits[i]:
            for bit in range(k):
                if told >> bit & 1:
                    cached[profiles.orders[start + bit]] = True
        else:
            order, size = told // (k + 1), told % (k + 1)
            for expert in profiles.orders[start + order * k : start + order * k + size]:
                cached[expert] = True


@compiled
def _exact_profiles(
    weights: FloatArray,
    offsets: IntArray,
    members: IndexArray,
    layer_offsets: IntArray,
    max_exact_experts: int,
) -> Profiles:
    """Profiles of the layers that can be solved exactly, and room for the others."""
    layers = _layers_with_terms(layer_offsets)
    named, place, firsts = _named(offsets, members, layer_offsets, layers)
    n_layers = len(layers)
    exact, by_bits = np.zeros(n_layers, np.bool_), np.zeros(n_layers, np.bool_)
    starts, order_starts = np.zeros(n_layers + 1, np.int64), np.zeros(n_layers + 1, np.int64)
    for i in range(n_layers):
        k = firsts[i + 1] - firsts[i]
        first, stop = layer_offsets[layers[i]], layer_offsets[layers[i] + 1]
        single = offsets[stop] - offsets[first] == stop - first
        by_bits[i] = not single and k <= max_exact_experts
        exact[i] = single or by_bits[i]
        starts[i + 1] = starts[i] + k + 1
        order_starts[i + 1] = order_starts[i] + (k if exact[i] else FAMILIES * k)
    savings, sets = np.zeros(starts[n_layers]), np.zeros(starts[n_layers], np.int64)
    orders = np.empty(order_starts[n_layers], np.int32)
    for i in range(n_layers):
        if not exact[i]:
            continue
        first, stop = layer_offsets[layers[i]], layer_offsets[layers[i] + 1]
        of_layer = named[firsts[i] : firsts[i + 1]]
        own_savings, own_sets = savings[starts[i] : starts[i + 1]], sets[starts[i] : starts[i + 1]]
        own_order = orders[order_starts[i] : order_starts[i + 1]]
        if by_bits[i]:
            masks = np.zeros(stop - first, np.int64)
            for term in range(first, stop):
                for j in range(offsets[term], offsets[term + 1]):
                    masks[term - first] |= 1 << place[members[j]]
            _best_by_count(weights[first:stop], masks, own_savings, own_sets)
            for j in range(len(of_layer)):
                own_order[j] = of_layer[j]
        else:
            alone = np.zeros(len(of_layer))
            for term in range(first, stop):
                alone[place[members[offsets[term]]]] += weights[term]
            order = descending_order(alone)  # the best c are the c best
            for j in range(len(of_layer)):
                own_savings[j + 1] = own_savings[j] + alone[order[j]]
                own_sets[j + 1] = j + 1
                own_order[j] = of_layer[order[j]]
        _at_most(own_savings, own_sets)
    return Profiles(layers, starts, savings, savings.copy(), sets, exact, by_bits, orders, order_starts)


@compiled
def _layers_with_terms(layer_offsets: IntArray) -> IntArray:
    """The layers that have terms, ascending."""
    layers, n = np.empty(len(layer_offsets) - 1, np.int64), 0
    for layer in range(len(layers)):
        if layer_offsets[layer + 1] > layer_offsets[layer]:
            layers[n] = layer
            n += 1
    return layers[:n]


@compiled
def _named(
    offsets: IntArray, members: IndexArray, layer_offsets: IntArray, layers: IntArray
) -> tuple[IndexArray, IntArray, IntArray]:
    """The experts that are members, ascending; by expert its place in its layer; where layers start."""
    n_experts = 0
    for member in members:
        n_experts = max(n_experts, member + 1)
    place = np.zeros(n_experts, np.int64)
    for member in members:
        place[member] = 1  # until its place is known
    named, firsts = np.empty(n_experts, np.int32), np.zeros(len(layers) + 1, np.int64)
    expert = 0
    for i in range(len(layers)):
        highest, count = 0, firsts[i]
        for j in range(offsets[layer_offsets[layers[i]]], offsets[layer_offsets[layers[i] + 1]]):
            highest = max(highest, members[j])
        while expert <= highest:
            if place[expert]:
                named[count], place[expert] = expert, count - firsts[i]
                count += 1
            expert += 1
        firsts[i + 1] = count
    return named[: firsts[len(layers)]], place, firsts


@compiled
def _at_most(savings: FloatArray, sets: IntArray) -> None:
    """From exactly c experts to at most c: prices may make a larger set worse."""
    for c in range(1, len(savings)):
        if savings[c] < savings[c - 1]:
            savings[c], sets[c] = savings[c - 1], sets[c - 1]


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
def best_of_size(sums: FloatArray, sizes: IntArray, best: FloatArray, arg: IntArray) -> None:
    """Write the largest of ``sums`` among the sets of each size and its bits; the first on ties."""
    for size in range(len(best)):
        best[size] = -np.inf
    for mask in range(len(sizes)):
        if sums[mask] > best[sizes[mask]]:
            best[sizes[mask]] = sums[mask]
            arg[sizes[mask]] = mask


@compiled
def _best_by_count(weights: FloatArray, masks: IntArray, best: FloatArray, arg: IntArray) -> None:
    """Write the best set of each size by the subset-sum (zeta) transform, O(k 2^k) for k experts."""
    k = len(best) - 1
    sums = np.zeros(1 << k)
    for i in range(len(weights)):
        sums[masks[i]] += weights[i]
    subset_sums(sums, k)
    best_of_size(sums, set_sizes(k), best, arg)


def _split_profile(terms: AndTerms, profiles: Profiles, i: int) -> None:
    """Bracket the profile of a large layer in polynomial time, and write it to its place.

    Any split of each weight over its term's members, w_C = sum over e in C of p_{C,e} with p >= 0, gives
    phi(S) <= sum over e in S of p_e, hence the sum of the c largest p_e bounds the profile from above;
    the most even split gives its concave envelope (docs/MODEL.md). Prices of experts are taken off their
    p_e. From below: the best of three families of nested sets: in order of p, those left by peeling off the
    least valuable expert again and again, and those grown by whole groups.
    """
    experts, places = np.unique(terms.members, return_inverse=True)
    local, k = places.astype(np.int32), len(experts)
    nothing_poured = np.zeros(len(local))
    shares = even_split(terms.weights, terms.offsets, local, k, nothing_poured, SPLIT_SWEEPS, SPLIT_TOLERANCE)
    by_share = np.argsort(-shares, kind="stable")
    layer = (terms.weights, terms.offsets, local, k)
    orders = np.array([by_share, peeled(*layer), grown(*layer)])
    by_family = np.array([nested_savings(*layer[:3], np.argsort(order)) for order in orders])
    best = by_family.argmax(axis=0)
    own = slice(profiles.starts[i], profiles.starts[i + 1])
    savings, bounds, sets = profiles.savings[own], profiles.bounds[own], profiles.sets[own]
    savings[:], sets[:] = by_family.max(axis=0), best * (k + 1) + np.arange(k + 1)
    bounds[1:] = np.cumsum(np.maximum(shares[by_share], 0.0))
    np.maximum.accumulate(np.maximum(bounds, savings), out=bounds)
    _at_most(savings, sets)
    profiles.orders[profiles.order_starts[i] : profiles.order_starts[i + 1]] = experts[orders].ravel()
