"""One server's subproblem for many weights of the same terms, as price methods ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.profiles import best_by_count
from slimbench.formulations.subproblem import ServerCache, best_cache, best_counts
from slimbench.instances import Instance
from slimbench.instances.arrays import FloatArray, IntArray, compiled, offsets_of

Weighted = Callable[[FloatArray, int], ServerCache]
"""Solves a subproblem: (weights (T,) >= 0, capacity in bytes) -> cache."""


def repeated_subproblem(instance: Instance, terms: AndTerms, max_exact_experts: int) -> Weighted:
    """Prepare the subproblem with these terms, whose own weights are not used.

    Where every layer names at most ``max_exact_experts`` experts, all layers are enumerated and joined in
    compiled code; otherwise each call goes through ``best_cache``.
    """
    layers = np.repeat(np.arange(instance.n_layers), np.diff(terms.layer_offsets))
    named = np.unique(terms.members)
    counts = np.bincount(instance.expert_layers[named], minlength=instance.n_layers)
    if counts.max(initial=0) > max_exact_experts:

        def general(weights: FloatArray, capacity_bytes: int) -> ServerCache:
            return best_cache(instance, _weighted(terms, weights), capacity_bytes, max_exact_experts)

        return general

    firsts = offsets_of(counts)
    sizes = np.diff(terms.offsets)
    bits = np.searchsorted(named, terms.members) - firsts[np.repeat(layers, sizes)]
    masks = np.bitwise_or.reduceat(np.left_shift(1, bits), terms.offsets[:-1]) if len(sizes) else bits
    expert_bytes = [model.expert_bytes for model in instance.models]
    starts = instance.model_layer_starts

    def enumerated(weights: FloatArray, capacity_bytes: int) -> ServerCache:
        best, arg = _profiles(weights, masks, terms.layer_offsets, counts)
        chains = [
            _chain(best[starts[m] : starts[m + 1]], counts[starts[m] : starts[m + 1]], capacity_bytes // size)
            for m, size in enumerate(expert_bytes)
        ]
        chosen = best_counts([curve for curve, _ in chains], expert_bytes, capacity_bytes)
        sets = np.zeros(instance.n_layers, np.int64)
        saving = 0.0
        for m, ((curve, splits), count) in enumerate(zip(chains, chosen, strict=True)):
            saving += float(curve[count])
            _unwind(splits, count, arg[starts[m] : starts[m + 1]], sets[starts[m] : starts[m + 1]])
        cached = np.zeros(instance.n_experts, np.bool_)
        position = np.arange(len(named)) - np.repeat(firsts[:-1], counts)
        cached[named] = np.right_shift(np.repeat(sets, counts), position) & 1 == 1
        return ServerCache(cached, saving, saving)

    return enumerated


def _weighted(terms: AndTerms, weights: FloatArray) -> AndTerms:
    """The terms with these weights; those of weight 0 go, as ``AndTerms`` asks."""
    kept = weights > 0
    if kept.all():
        return replace(terms, weights=weights)
    sizes = np.diff(terms.offsets)
    return AndTerms(
        weights[kept],
        offsets_of(sizes[kept]),
        terms.members[np.repeat(kept, sizes)],
        offsets_of(kept.astype(np.int64))[terms.layer_offsets],
    )


@compiled
def _profiles(
    weights: FloatArray, masks: IntArray, layer_offsets: IntArray, counts: IntArray
) -> tuple[FloatArray, IntArray]:
    """Best saving and best set of each layer by number of experts, both (B, largest count + 1)."""
    best = np.zeros((len(counts), counts.max() + 1))
    arg = np.zeros(best.shape, np.int64)
    for layer in range(len(counts)):
        terms = slice(layer_offsets[layer], layer_offsets[layer + 1])
        k = counts[layer]
        best[layer, : k + 1], arg[layer, : k + 1] = best_by_count(weights[terms], masks[terms], k)
    return best, arg


@compiled
def _chain(best: FloatArray, counts: IntArray, limit: int) -> tuple[FloatArray, IntArray]:
    """Layers of one model joined by number of experts; the split of layer b is how many it contributes."""
    length = min(limit, counts.sum()) + 1
    curve = np.zeros(length)
    splits = np.zeros((len(counts), length), np.int64)
    for layer in range(len(counts)):
        joined = np.full(length, -1.0)
        for total in range(length):
            for used in range(min(counts[layer], total) + 1):
                value = curve[total - used] + best[layer, used]
                if value > joined[total]:
                    joined[total] = value
                    splits[layer, total] = used
        curve = joined
    return curve, splits


@compiled
def _unwind(splits: IntArray, count: int, arg: IntArray, sets: IntArray) -> None:
    """Write the chosen set of every layer for ``count`` experts together."""
    for layer in range(len(splits) - 1, -1, -1):
        used = splits[layer, count]
        sets[layer] = arg[layer, used]
        count -= used
