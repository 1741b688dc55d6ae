"""The decomposition as a textbook has it: each server by a knapsack recursion over items and capacities."""

from __future__ import annotations

import math

import numpy as np

from slimbench.formulations.terms.and_terms import AndTerms, and_terms
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray


def fill_plainly(instance: Instance) -> Placement:
    """Fill servers in their order, each exactly, given the ones before it."""
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        holds[n] = _best_cache(instance, and_terms(instance, holds, n), capacity)
    return Placement(holds)


def _best_cache(instance: Instance, terms: AndTerms, capacity_bytes: int) -> BoolArray:
    """O(items * capacity / unit), the unit being what divides all sizes.

    best[c] = max(best[c], best[c - size] + value), one numpy row an item. Where groups have one expert an
    item is an expert; where they have more, one of all sets of a layer may be taken (multiple choice).
    """
    unit = math.gcd(*(model.expert_bytes for model in instance.models))
    best = np.zeros(capacity_bytes // unit + 1)
    choices = []
    classes = [items for layer in range(instance.n_layers) for items in _items(terms, layer)]
    for sets, values in classes:
        before, choice = best.copy(), np.full(len(best), -1, np.int16)
        for i, (members, value) in enumerate(zip(sets, values, strict=True)):
            size = int(instance.expert_bytes[members].sum()) // unit
            if size >= len(best):
                continue
            reached = before[: len(best) - size] + value
            better = reached > best[size:]
            best[size:][better] = reached[better]
            choice[size:][better] = i
        choices.append(choice)
    cached = np.zeros(instance.n_experts, np.bool_)
    state = len(best) - 1
    for (sets, _), choice in zip(reversed(classes), reversed(choices), strict=True):
        if choice[state] >= 0:
            members = sets[choice[state]]
            cached[members] = True
            state -= int(instance.expert_bytes[members].sum()) // unit
    return cached


def _items(terms: AndTerms, layer: int) -> list[tuple[list[IntArray], FloatArray]]:
    """Classes of items of which one may be taken: (members of each item, its saving)."""
    of_layer = terms.of_layer(layer)
    named = np.unique(of_layer.members).astype(np.int64)
    if not len(named):
        return []
    if np.all(np.diff(of_layer.offsets) == 1):
        savings = np.zeros(len(named))
        np.add.at(savings, np.searchsorted(named, of_layer.members), of_layer.weights)
        return [([named[e : e + 1]], savings[e : e + 1]) for e in range(len(named))]
    bits = np.left_shift(1, np.searchsorted(named, of_layer.members))
    masks = np.bitwise_or.reduceat(bits, of_layer.offsets[:-1])
    sets = np.arange(1, 1 << len(named))
    savings = ((sets[:, None] & masks) == masks) @ of_layer.weights
    return [([named[(number >> np.arange(len(named))) & 1 == 1] for number in sets], savings)]
