"""Saving profiles: the most one layer can save with c experts, for every c.

The exact profile enumerates sets; the split profile takes polynomial time and brackets the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.splitting import (
    SPLIT_SWEEPS,
    SPLIT_TOLERANCE,
    even_split,
    grown,
    nested_savings,
    peeled,
)
from slimbench.instances.arrays import BoolArray, FloatArray, IndexArray, IntArray, compiled

MAX_EXACT_EXPERTS: Final = 20  # 2^20 sums of 8 bytes: 8 MB a layer


@dataclass(frozen=True)
class LayerProfile:
    """What one layer can save by number of experts.

    Attributes
    ----------
    experts : (k,) int32
        The experts that some term names, numbered through.
    savings : (k + 1,) float64
        Saving in seconds per token of the best known set of c experts; never falling.
    bounds : (k + 1,) float64
        Proven upper bound on the same; the very array ``savings`` when the profile is exact.
    chosen : (k + 1, k) bool
        The sets that reach ``savings``.
    """

    experts: IndexArray
    savings: FloatArray
    bounds: FloatArray
    chosen: BoolArray

    @property
    def exact(self) -> bool:
        """Whether every saving is the optimum for its number of experts."""
        return self.bounds is self.savings


def layer_profile(terms: AndTerms, layer: int, max_exact_experts: int) -> LayerProfile:
    """Profile of one layer: exact where its terms are singletons or name few experts, else split.

    Only terms of one expert may have a negative weight: the price of caching it.
    """
    start, stop = terms.layer_offsets[layer], terms.layer_offsets[layer + 1]
    offsets = terms.offsets[start : stop + 1]
    weights = terms.weights[start:stop]
    experts, members = _named(terms.members[offsets[0] : offsets[-1]])
    if len(members) == stop - start:
        savings = np.bincount(members, weights, len(experts)).astype(np.float64)
        return _at_most(_singleton_profile(experts, savings))
    if len(experts) <= max_exact_experts:
        savings, best = best_by_count(weights, _masks(offsets, members), len(experts))
        return _at_most(_exact(experts, savings, (best[:, None] >> np.arange(len(experts))) & 1 == 1))
    return _at_most(_split_profile(terms.of_layer(layer), experts))


@compiled
def _named(members: IndexArray) -> tuple[IndexArray, IntArray]:
    """The experts that are members, ascending, and the place of each member among them.

    All are of one layer, so they are counted, not sorted.
    """
    lowest, highest = members.min(), members.max()
    place = np.zeros(highest - lowest + 1, np.int64)
    for member in members:
        place[member - lowest] = 1
    experts = np.empty(place.sum(), np.int32)
    count = 0
    for i in range(len(place)):
        if place[i]:
            experts[count], place[i] = lowest + i, count
            count += 1
    return experts, place[members - lowest]


@compiled
def _masks(offsets: IntArray, members: IntArray) -> IntArray:
    """The members of each term as the bits of a number."""
    masks = np.zeros(len(offsets) - 1, np.int64)
    for i in range(len(masks)):
        for j in range(offsets[i] - offsets[0], offsets[i + 1] - offsets[0]):
            masks[i] |= 1 << members[j]
    return masks


@compiled
def _falls(savings: FloatArray) -> bool:
    """Whether a saving is below the one before."""
    return bool(np.any(savings[1:] < savings[:-1]))


def _at_most(profile: LayerProfile) -> LayerProfile:
    """From exactly c experts to at most c: prices may make a larger set worse."""
    if not _falls(profile.savings):
        return profile
    counts = np.arange(len(profile.savings))
    highest = np.maximum.accumulate(profile.savings)
    source = np.maximum.accumulate(np.where(profile.savings >= highest, counts, 0))
    savings = profile.savings[source]
    bounds = savings if profile.exact else np.maximum.accumulate(profile.bounds)
    return LayerProfile(profile.experts, savings, bounds, profile.chosen[source])


def _exact(experts: IndexArray, savings: FloatArray, chosen: BoolArray) -> LayerProfile:
    return LayerProfile(experts, savings, savings, chosen)


def _prefixes(order: IntArray) -> BoolArray:
    """(k + 1, k) bool: row c marks the first c of ``order``."""
    ranks = np.argsort(order)
    return np.asarray(ranks[None, :] < np.arange(len(order) + 1)[:, None])


def _top_sums(values: FloatArray, order: IntArray) -> FloatArray:
    return np.concatenate([np.zeros(1), np.cumsum(values[order])])


def _singleton_profile(experts: IndexArray, savings: FloatArray) -> LayerProfile:
    """Only single experts: the best c are the c best, ties by number."""
    order = np.argsort(-savings, kind="stable")
    return _exact(experts, _top_sums(savings, order), _prefixes(order))


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
    best[:] = -np.inf
    for mask in range(len(sizes)):
        if sums[mask] > best[sizes[mask]]:
            best[sizes[mask]] = sums[mask]
            arg[sizes[mask]] = mask


@compiled
def best_by_count(weights: FloatArray, masks: IntArray, k: int) -> tuple[FloatArray, IntArray]:
    """Best set of each size among k experts by the subset-sum (zeta) transform, O(k 2^k)."""
    sums = np.zeros(1 << k)
    for i in range(len(weights)):
        sums[masks[i]] += weights[i]
    subset_sums(sums, k)
    best = np.empty(k + 1)
    arg = np.zeros(k + 1, np.int64)
    best_of_size(sums, set_sizes(k), best, arg)
    return best, arg


def _split_profile(terms: AndTerms, experts: IndexArray) -> LayerProfile:
    """Bracket the profile of a large layer in polynomial time.

    Any split of each weight over its term's members, w_C = sum over e in C of p_{C,e} with p >= 0, gives
    phi(S) <= sum over e in S of p_e, hence the sum of the c largest p_e bounds the profile from above;
    the most even split gives its concave envelope (docs/MODEL.md). Prices of experts are taken off their
    p_e. From below: the best of three families of nested sets: in order of p, those left by peeling off the
    least valuable expert again and again, and those grown by whole groups.
    """
    local = np.searchsorted(experts, terms.members).astype(np.int32)
    nothing_poured = np.zeros(len(local))
    shares = even_split(
        terms.weights, terms.offsets, local, len(experts), nothing_poured, SPLIT_SWEEPS, SPLIT_TOLERANCE
    )
    by_share = np.argsort(-shares, kind="stable")
    layer = (terms.weights, terms.offsets, local, len(experts))
    orders = (by_share, peeled(*layer), grown(*layer))
    savings = np.array([nested_savings(*layer[:3], np.argsort(order)) for order in orders])
    best, counts = savings.argmax(axis=0), np.arange(len(experts) + 1)
    chosen = np.array([_prefixes(order) for order in orders])[best, counts]
    most = savings[best, counts]
    bounds = np.maximum(_top_sums(np.maximum(shares, 0.0), by_share), most)
    return LayerProfile(experts, most, bounds, chosen)
