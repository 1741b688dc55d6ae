"""Kernel of forced experts: the most that one server saves with each expert, and without it."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.single_server.layer_dp import (
    NO_SET,
    Layers,
    layer_profiles,
    layer_sums,
    single_sums,
)
from slimbench.formulations.single_server.max_plus import max_plus_plain
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.formulations.terms.subset_sums import set_sizes
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import FloatArray, IntArray


@compiled
def forced_values(weights: FloatArray, layers: Layers, status: IntArray, capacity: int) -> FloatArray:
    """(2, E) most that at most ``capacity`` experts save together with each expert, and without it.

    Every layer's profile with and without the expert is joined to what all other layers save with the room
    that is left: their curves from the left and from the right, added up. O(k 2^k + C^2) a layer.
    """
    firsts, starts, n_layers = layers.firsts, layers.starts, len(layers.by_bits)
    savings = layer_profiles(weights, layers, status, False).savings
    largest = 0
    for layer in range(n_layers):
        largest = max(largest, firsts[layer + 1] - firsts[layer])
    inside = np.full((firsts[n_layers], largest + 1), NO_SET)
    outside = np.full((firsts[n_layers], largest + 1), NO_SET)
    for layer in range(n_layers):
        k, first = firsts[layer + 1] - firsts[layer], firsts[layer]
        of_layer = status[first : first + k]
        if layers.by_bits[layer]:
            sums = layer_sums(weights, layers, layer)
            size = set_sizes(k)
            for mask in range(1 << k):
                allowed = True
                for e in range(k):
                    allowed &= of_layer[e] != (NEVER if mask >> e & 1 else ALWAYS)
                if allowed:
                    for e in range(k):
                        row = inside if mask >> e & 1 else outside
                        row[first + e, size[mask]] = max(row[first + e, size[mask]], sums[mask])
        else:
            single, order, must, may = single_sums(weights, layers, layer, of_layer)
            top = np.zeros(may + 1)
            for c in range(may):
                top[c + 1] = top[c] + single[order[c]]
            for rank in range(may):
                e, own_saving = first + order[rank], single[order[rank]]
                for c in range(must, may + 1):
                    if rank >= must and c < may:
                        outside[e, c] = top[c] if c <= rank else top[c + 1] - own_saving
                    if c > 0 and (c > rank or c > must):
                        inside[e, c] = top[c] if c > rank else top[c - 1] + own_saving
            for rank in range(may, k):
                for c in range(must, may + 1):
                    outside[first + order[rank], c] = top[c]
    length = min(capacity, firsts[n_layers]) + 1
    left = np.zeros((n_layers + 1, length))
    right = np.zeros((n_layers + 1, length))
    for layer in range(n_layers):
        last = n_layers - 1 - layer
        before, _ = max_plus_plain(left[layer], savings[starts[layer] : starts[layer + 1]], length - 1)
        after, _ = max_plus_plain(right[last + 1], savings[starts[last] : starts[last + 1]], length - 1)
        for c in range(length):
            left[layer + 1, c], right[last, c] = before[c], after[c]
    values = np.full((2, firsts[n_layers]), NO_SET)
    for layer in range(n_layers):
        for c in range(min(firsts[layer + 1] - firsts[layer], length - 1) + 1):
            rest = NO_SET
            for a in range(length - c):
                rest = max(rest, left[layer, a] + right[layer + 1, length - 1 - c - a])
            for e in range(firsts[layer], firsts[layer + 1]):
                values[0, e] = max(values[0, e], inside[e, c] + rest)
                values[1, e] = max(values[1, e], outside[e, c] + rest)
    return values
