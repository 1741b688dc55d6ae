"""The best cache of one server, given all others: layer profiles joined under the capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.formulations.single_server.exact_sums import raised_to_grid
from slimbench.formulations.single_server.max_plus import CONCAVITY_TOLERANCE, joined, unwound
from slimbench.formulations.single_server.model_knapsack import best_counts
from slimbench.formulations.single_server.profiles import layer_profiles, mark_sets, profile_error
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, frozen


@dataclass(frozen=True)
class ServerCache:
    """A solved subproblem.

    Attributes
    ----------
    cached : (X,) bool
    saving_s : float
        phi(cached), seconds per token.
    bound_s : float
        Upper bound on phi over all feasible caches. Equal to ``saving_s`` when solved exactly, so a bound up
        to the rounding of a sum then; where layers are split it holds in floating point, too.
    """

    cached: BoolArray
    saving_s: float
    bound_s: float


def best_cache(
    instance: Instance, terms: AndTerms, capacity_bytes: int, max_exact_experts: int, plain: bool = False
) -> ServerCache:
    """Maximise phi over one server's caches.

    Exact when every layer's profile is, its terms being singletons or naming at most ``max_exact_experts``
    experts, and no model's pairs of bytes and saving are too many (``best_counts``). Experts of one model
    have one size, so its layers join by number of experts; models join by bytes.

    Parameters
    ----------
    plain : bool
        Join layers by the plain knapsack recursion instead of by fast max-plus convolution.
    """
    profiles = layer_profiles(terms, max_exact_experts)
    firsts = np.searchsorted(profiles.layers, instance.model_layer_starts)  # profiles of each model
    sizes = [model.expert_bytes for model in instance.models]

    def chains(curves: FloatArray, tolerance: float) -> list[tuple[FloatArray, IntArray, IntArray]]:
        return [
            joined(curves, profiles.starts[first : stop + 1], capacity_bytes // size, plain, tolerance)
            for first, stop, size in zip(firsts, firsts[1:], sizes, strict=False)
        ]

    of_models = chains(profiles.savings, CONCAVITY_TOLERANCE)
    best = best_counts([curve for curve, _, _ in of_models], sizes, capacity_bytes)
    cached = np.zeros(instance.n_experts, np.bool_)
    for first, (_, splits, offsets), count in zip(firsts, of_models, best.counts, strict=False):
        mark_sets(profiles, first, unwound(splits, offsets, count), cached)
    bound = best.bound_s
    if not profiles.exact.all():
        raised = raised_to_grid(profiles.bounds, profiles.starts, profile_error(terms))
        bounds = [curve for curve, _, _ in chains(raised, 0.0)]
        bound = max(bound, best_counts(bounds, sizes, capacity_bytes).bound_s)
    return ServerCache(frozen(cached, np.bool_), best.saving_s, bound)
