"""The best cache of one server, given all others: layer profiles joined under the capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.formulations.single_server.exact_sums import raised_to_grid
from slimbench.formulations.single_server.layer_dp import layer_profiles, layers_of, mark_sets
from slimbench.formulations.single_server.max_plus import (
    EVERY_PAIR,
    FASTEST,
    join_layers,
    unwound,
)
from slimbench.formulations.single_server.model_knapsack import ModelCounts, model_knapsack
from slimbench.formulations.single_server.splitting import split_profile
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.formulations.tolerances import CONCAVITY, slack
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
    """Maximise phi over one server's caches: max sum of w_C [C in S] subject to the bytes of S.

    Exact when every layer's profile is, its terms being singletons or naming at most ``max_exact_experts``
    experts, and no model's pairs of bytes and saving are too many (``model_knapsack``); other layers are
    split (``split_profile``). Experts of one model have one size, so its layers join by number of experts;
    models join by bytes. O(k 2^k) a layer of k experts in groups, and O(C k) or less to join it where C fit.

    Parameters
    ----------
    plain : bool
        Join layers by the plain knapsack recursion instead of by fast max-plus convolution.
    """
    layers, models = layers_of(terms, max_exact_experts), instance.model_layer_starts
    sizes = np.array([model.expert_bytes for model in instance.models])
    nothing_forced = np.zeros(len(layers.named), np.int64)
    profiles = layer_profiles(terms.weights, layers, nothing_forced, True)
    bounds = profiles.savings.copy()
    split = {int(layer): split_profile(terms.of_layer(int(layer))) for layer in np.flatnonzero(layers.wide)}
    for layer, of_layer in split.items():
        own = slice(layers.starts[layer], layers.starts[layer + 1])
        profiles.savings[own], bounds[own] = of_layer.savings, of_layer.bounds

    def fill(curves: FloatArray, tolerance: float) -> tuple[ModelCounts, IntArray, IntArray]:
        method = EVERY_PAIR if plain else FASTEST
        joined, starts, splits, offsets = join_layers(
            curves, layers.starts, models, capacity_bytes // sizes, method, tolerance
        )
        of_models = np.split(joined, starts[1:-1])
        return model_knapsack(of_models, sizes.tolist(), capacity_bytes), splits, offsets

    best, splits, offsets = fill(profiles.savings, CONCAVITY)
    used = unwound(splits, offsets, models, np.array(best.counts))
    cached = np.zeros(instance.n_experts, np.bool_)
    mark_sets(layers, profiles, used, cached)
    bound = best.bound_s
    if split:
        for layer, of_layer in split.items():
            cached[of_layer.sets[used[layer]]] = True
        bound = max(bound, fill(raised_to_grid(bounds, layers.starts, profile_error(terms)), 0.0)[0].bound_s)
    return ServerCache(frozen(cached, np.bool_), best.saving_s, bound)


def profile_error(terms: AndTerms) -> float:
    """How far a computed bound of a profile may lie below what it bounds, seconds per token.

    It is a sum of shares of weights: a share is a weight times a quotient of the term's other shares, and
    joins the shares of its expert and of its set, so it is rounded once for each of its term's members, and
    for each other member at most; weights, negative ones too, count with their absolute values.
    """
    return slack(2 * len(terms.members) + 4) * float(np.abs(terms.weights).sum())
