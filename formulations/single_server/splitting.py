"""Layers too wide to enumerate: a split of groups over experts bounds them, nested sets of experts save.

Any split of each weight over its term's members, w_C = sum over e in C of p[C, e] with p >= 0, gives

    phi(S) <= sum over e in S of p[e],    p[e] = sum over C of p[C, e],

so the sum of the c largest p[e] bounds what c experts save; the split of least norm gives the concave
envelope of the profile (docs/MODEL.md, fact 4). Prices of experts are taken off their p[e].

References
----------
Fujishige, Lexicographically optimal base of a polymatroid with respect to a weight vector, Mathematics of
Operations Research 5, 1980. Goundan, Schulz, Revisiting the greedy approach to submodular set function
maximization, 2007.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.formulations.tolerances import SPLIT_MOVE
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import FloatArray, IndexArray, IntArray

SPLIT_SWEEPS: Final = 100  # the bound holds after any number; more sweeps tighten it


@compiled
def min_norm_split(terms: AndTerms, k: int, shares: FloatArray, sweeps: int, tolerance: float) -> FloatArray:
    """Split every weight over its members so that the sum of squares of the experts' totals (k,) falls.

    Block coordinate descent: take one term's shares away, pour its weight onto its lowest members like
    water, go on. Converges to the lexicographically optimal base, the one of least norm. A negative weight,
    of one expert, is where its total starts. ``shares`` (members,) is where the split starts, in whatever
    proportion to the weights, and where it is left. O(members * largest term) a sweep.
    """
    weights, offsets, members, _ = terms
    start_totals = np.zeros(k)
    for i in range(len(weights)):
        if weights[i] < 0:
            start_totals[members[offsets[i]]] += weights[i]
    totals = start_totals.copy()
    for i in range(len(weights)):
        poured = 0.0
        for j in range(offsets[i], offsets[i + 1]):
            poured += shares[j]
        for j in range(offsets[i], offsets[i + 1]):
            shares[j] = shares[j] * (weights[i] / poured) if poured > 0 and weights[i] > 0 else 0.0
            totals[members[j]] += shares[j]
    largest_term = 0
    for i in range(len(weights)):
        largest_term = max(largest_term, offsets[i + 1] - offsets[i])
    level, lowest = np.empty(largest_term), np.empty(largest_term)
    for _ in range(sweeps):
        largest_move = 0.0
        for i in range(len(weights)):
            start, stop = offsets[i], offsets[i + 1]
            size = stop - start
            if weights[i] < 0:
                continue
            for j in range(size):
                totals[members[start + j]] -= shares[start + j]
                level[j] = totals[members[start + j]]
                at = j
                while at > 0 and lowest[at - 1] > level[j]:
                    lowest[at] = lowest[at - 1]
                    at -= 1
                lowest[at] = level[j]
            filled, water = 1, lowest[0] + weights[i]
            while filled < size and lowest[filled] < water:
                water = (water * filled + lowest[filled]) / (filled + 1)
                filled += 1
            for j in range(size):
                share = max(water - level[j], 0.0)
                largest_move = max(largest_move, abs(share - shares[start + j]))
                shares[start + j] = share
                totals[members[start + j]] = level[j] + share
        largest_total = 0.0
        for e in range(k):
            largest_total = max(largest_total, abs(totals[e]))
        if largest_move <= tolerance * largest_total:
            break
    totals = start_totals  # summed afresh: running sums have drifted
    for i in range(len(weights)):
        if weights[i] < 0:
            continue
        start, stop = offsets[i], offsets[i + 1]
        poured = 0.0
        for j in range(start, stop):
            poured += shares[j]
        for j in range(start, stop):
            if poured > 0:
                totals[members[j]] += shares[j] * (weights[i] / poured)
            else:  # a weight below the rounding of its members' totals
                totals[members[j]] += weights[i] / (stop - start)
    return totals


@compiled
def _peeling_order(terms: AndTerms, k: int) -> IntArray:
    """Order in which experts survive when the one with the least marginal saving leaves first, O(k^2)."""
    weights, offsets, members, _ = terms
    starts = np.zeros(k + 1, np.int64)
    for e in members:
        starts[e + 1] += 1
    for e in range(k):
        starts[e + 1] += starts[e]
    position = starts.copy()
    term_of = np.empty(len(members), np.int64)
    marginal = np.zeros(k)
    for i in range(len(weights)):
        for j in range(offsets[i], offsets[i + 1]):
            marginal[members[j]] += weights[i]
            term_of[position[members[j]]] = i
            position[members[j]] += 1
    alive = np.ones(len(weights), np.bool_)
    gone = np.zeros(k, np.bool_)
    order = np.empty(k, np.int64)
    for place in range(k - 1, -1, -1):
        least = -1
        for e in range(k):
            if not gone[e] and (least < 0 or marginal[e] <= marginal[least]):
                least = e
        gone[least] = True
        order[place] = least
        for j in range(starts[least], starts[least + 1]):
            i = term_of[j]
            if alive[i]:
                alive[i] = False
                for member in range(offsets[i], offsets[i + 1]):
                    marginal[members[member]] -= weights[i]
    return order


@compiled
def _group_greedy_order(terms: AndTerms, k: int) -> IntArray:
    """Order in which experts come when the group of most weight per missing expert is completed next.

    Where groups are large nearly every single expert is worthless alone, so peeling goes astray early.
    """
    weights, offsets, members, _ = terms
    missing = np.empty(len(weights), np.int64)
    for i in range(len(weights)):
        missing[i] = offsets[i + 1] - offsets[i]
    inside = np.zeros(k, np.bool_)
    order = np.empty(k, np.int64)
    place = 0
    while place < k:
        best, most = -1, -np.inf
        for i in range(len(weights)):
            if missing[i] > 0 and weights[i] / missing[i] > most:
                best, most = i, weights[i] / missing[i]
        if best < 0:
            break
        for j in range(offsets[best], offsets[best + 1]):
            if not inside[members[j]]:
                inside[members[j]] = True
                order[place] = members[j]
                place += 1
        for i in range(len(weights)):
            if missing[i] > 0:
                missing[i] = 0
                for j in range(offsets[i], offsets[i + 1]):
                    missing[i] += not inside[members[j]]
    return order


@compiled
def nested_sets(terms: AndTerms, k: int, shares_first: IntArray) -> tuple[FloatArray, IntArray]:
    """Savings (3, k + 1) of the first c experts of three orders (3, k), for every c.

    The orders: ``shares_first`` (k,) as given, by peeling, by whole groups. A term counts from its last
    member's place on.
    """
    weights, offsets, members, _ = terms
    orders, savings = np.empty((3, k), np.int64), np.zeros((3, k + 1))
    peeling = _peeling_order(terms, k)
    group_greedy = _group_greedy_order(terms, k)
    place = np.empty(k, np.int64)
    for family in range(3):
        for c in range(k):
            orders[0, c], orders[1, c], orders[2, c] = shares_first[c], peeling[c], group_greedy[c]
            place[orders[family, c]] = c
        for i in range(len(weights)):
            last = 0
            for j in range(offsets[i], offsets[i + 1]):
                last = max(last, place[members[j]])
            savings[family, last + 1] += weights[i]
        for c in range(1, k + 1):
            savings[family, c] += savings[family, c - 1]
    return savings, orders


class SplitProfile(NamedTuple):
    """Bounds on a wide layer's profile by number of experts, and sets that save nearly as much.

    Attributes
    ----------
    savings, bounds : (k + 1,) float64, seconds per token, never falling
    sets : one int64 array of experts for each number
    """

    savings: FloatArray
    bounds: FloatArray
    sets: list[IndexArray]


def split_profile(terms: AndTerms) -> SplitProfile:
    """The profile of one layer in polynomial time: the best of three families of nested sets, and the split.

    O(members * largest term) a sweep of the split, O(k (k + T)) for the families. Bounds hold up to
    ``profile_error``.
    """
    experts, places = np.unique(terms.members, return_inverse=True)
    local, k = terms._replace(members=places.astype(np.int32)), len(experts)
    shares = min_norm_split(local, k, np.zeros(len(places)), SPLIT_SWEEPS, SPLIT_MOVE)
    shares_first = np.argsort(-shares, kind="stable")
    by_family, orders = nested_sets(local, k, shares_first)
    savings = by_family.max(axis=0)
    bounds = np.maximum(savings, np.append(0.0, np.cumsum(np.maximum(shares[shares_first], 0.0))))
    sets = [experts[orders[family, :c]] for c, family in enumerate(by_family.argmax(axis=0))]
    for c in range(1, k + 1):  # prices may make a larger set worse
        if savings[c] < savings[c - 1]:
            savings[c], sets[c] = savings[c - 1], sets[c - 1]
    return SplitProfile(savings, np.maximum.accumulate(bounds), sets)
