"""The best cache of one server, given all others: layer profiles joined under the capacity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.max_plus import max_plus
from slimbench.formulations.profiles import LayerProfile, layer_profile
from slimbench.instances import Instance
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray, frozen

Join = Callable[[FloatArray, FloatArray, int], tuple[FloatArray, IntArray]]


@dataclass(frozen=True)
class ServerCache:
    """A solved subproblem.

    Attributes
    ----------
    cached : (X,) bool
    saving_s : float
        phi(cached), seconds per token.
    bound_s : float
        Proven upper bound on phi over all feasible caches; equal to ``saving_s`` when solved exactly.
    """

    cached: BoolArray
    saving_s: float
    bound_s: float


def best_cache(
    instance: Instance, terms: AndTerms, capacity_bytes: int, max_exact_experts: int, join: Join = max_plus
) -> ServerCache:
    """Maximise phi over one server's caches.

    Exact when every layer's profile is: its terms are singletons or name at most
    ``max_exact_experts`` experts. Experts of one model have one size, so its layers join by number of
    experts; models join by bytes, keeping every undominated pair (bytes, saving), so no size is rounded.
    """
    profiles: list[list[LayerProfile]] = [[] for _ in instance.models]
    for layer in np.flatnonzero(np.diff(terms.layer_offsets)):
        profile = layer_profile(terms, int(layer), max_exact_experts)
        profiles[instance.layer_models[layer]].append(profile)
    limits = [capacity_bytes // model.expert_bytes for model in instance.models]
    sizes = [model.expert_bytes for model in instance.models]
    chains = [
        _joined([p.savings for p in of_model], limit, join)
        for of_model, limit in zip(profiles, limits, strict=True)
    ]
    counts = best_counts([chain[-1][0] for chain in chains], sizes, capacity_bytes)
    cached = np.zeros(instance.n_experts, np.bool_)
    for of_model, chain, count in zip(profiles, chains, counts, strict=True):
        for profile, used in zip(of_model, _unwound(chain, count), strict=True):
            cached[profile.experts[profile.chosen[used]]] = True
    saving = _value([chain[-1][0] for chain in chains], counts)
    bound = saving
    if not all(profile.exact for of_model in profiles for profile in of_model):
        curves = [
            _joined([p.bounds for p in of_model], limit, join)[-1][0]
            for of_model, limit in zip(profiles, limits, strict=True)
        ]
        bound = max(bound, _value(curves, best_counts(curves, sizes, capacity_bytes)))
    return ServerCache(frozen(cached, np.bool_), saving, bound)


def best_counts(curves: Sequence[FloatArray], sizes: Sequence[int], capacity: int) -> list[int]:
    """How many experts of each model to cache: maximise the sum of never-falling curves under a capacity.

    Parameters
    ----------
    curves : one (k_m + 1,) float64 a model, saving by number of experts
    sizes : bytes of one expert of each model
    capacity : bytes
    """
    used, value = np.zeros(1, np.int64), np.zeros(1)
    steps: list[tuple[IntArray, IntArray]] = []
    # The last model takes what room is left, without pairs of its own: let it be the one of most counts.
    reach = [min(len(curve) - 1, capacity // size) for curve, size in zip(curves, sizes, strict=True)]
    *first, last_model = sorted(range(len(curves)), key=reach.__getitem__)
    for curve, size in ((curves[m], sizes[m]) for m in first):
        counts = np.arange(min(len(curve) - 1, capacity // size) + 1)
        all_used = (used[:, None] + counts * size).ravel()
        all_value = (value[:, None] + curve[counts]).ravel()
        order = np.lexsort((-all_value, all_used))
        order = order[all_used[order] <= capacity]
        best_before = np.concatenate([[-np.inf], np.maximum.accumulate(all_value[order])[:-1]])
        kept = order[all_value[order] > best_before]
        steps.append((kept // len(counts), kept % len(counts)))
        used, value = all_used[kept], all_value[kept]
    left = np.minimum((capacity - used) // sizes[last_model], len(curves[last_model]) - 1)
    state = int(np.argmax(value + curves[last_model][left]))
    chosen = {last_model: int(left[state])}
    for model, (parents, counts) in zip(reversed(first), reversed(steps), strict=True):
        chosen[model] = int(counts[state])
        state = int(parents[state])
    return [chosen[model] for model in range(len(curves))]


def _joined(profiles: Sequence[FloatArray], limit: int, join: Join) -> list[tuple[FloatArray, IntArray]]:
    """Profiles joined one after another; entry i has the curve of the first i and how it was split."""
    chain = [(np.zeros(1), np.zeros(1, np.int64))]
    for profile in profiles:
        chain.append(join(chain[-1][0], profile[: limit + 1], limit))
    return chain


def _unwound(chain: Sequence[tuple[FloatArray, IntArray]], count: int) -> list[int]:
    """Number of experts that each profile of a chain contributes to the joined curve at ``count``."""
    used = []
    for _, split in reversed(chain[1:]):
        used.append(count - int(split[count]))
        count = int(split[count])
    return used[::-1]


def _value(curves: Sequence[FloatArray], counts: Sequence[int]) -> float:
    return float(sum(curve[count] for curve, count in zip(curves, counts, strict=True)))
