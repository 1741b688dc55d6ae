"""A proven bound, and good placements: prices decouple the servers.

In the ``cover`` form of ``single`` and ``serial`` every row z[P, g] <= sum over n in P of p[n, g] carries a
price mu[P, g] in [0, W[P, g]]:

    L(mu) = sum of (W - mu) + sum over n of max over feasible S of sum over g in S of nu_n(g),
    nu_n(g) = sum over P containing n of mu[P, g],

bounds the optimal saving from above for every mu (docs/MODEL.md). Each server's maximum is the one-server
subproblem with AND-terms g of weight nu_n(g), solved over integer caches, so the least L(mu) is never above
the linear relaxation's bound, and far below it where groups are large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.errors import SolverError
from slimbench.formulations.levels import activation_levels, levels
from slimbench.formulations.repeated import Weighted
from slimbench.formulations.workload import REDUCTIONS, reduced_workload
from slimbench.instances import Instance, Placement
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray

DEFLECTION: Final = 0.7  # weight of the last direction in the next one
PATIENCE: Final = 30  # iterations without a better bound before the step is shortened
SHORTER: Final = 0.7  # factor of the step then
SHORTEST: Final = 1e-3  # of the Polyak step


@dataclass(frozen=True)
class Coupling:
    """The rows that tie servers together, one a pair (P, g) of a server set and a group.

    Attributes
    ----------
    weights : (Q,) float64, W[P, g] in seconds per token
    groups : (Q,) int64, number of g among the distinct groups
    inside : (Q, N) bool, whether server n is in P
    structure : AndTerms
        The distinct groups as terms, in order of their layer; its weights are not used.
    """

    weights: FloatArray
    groups: IntArray
    inside: BoolArray
    structure: AndTerms


def prices_apply(instance: Instance) -> bool:
    """Whether prices decouple the servers: not where several of them may share a group (``parallel``)."""
    return instance.dispatch != "parallel" or instance.max_group_size <= 1


def coupling(instance: Instance) -> Coupling:
    """The coupling rows of an instance, all users merged; under ``serial`` every expert is a group.

    Raises
    ------
    SolverError
        For ``parallel`` with groups of two or more.
    """
    if not prices_apply(instance):
        raise SolverError("server prices bound single, serial, or K = 1, not parallel with groups of several")
    workload = reduced_workload(instance, frozenset(REDUCTIONS))
    all_levels = levels(workload)
    activation, level = activation_levels(workload, all_levels)
    gain = workload.rates[activation] * all_levels.gaps_s[level]
    sets, groups = all_levels.sets[level], workload.groups[activation]
    offsets, members = workload.group_offsets, workload.group_experts
    if instance.dispatch == "serial":
        position, called = workload.members(groups)
        members, groups = np.unique(called.astype(np.int32), return_inverse=True)
        offsets, sets, gain = np.arange(len(members) + 1), sets[position], gain[position]
    n_groups = len(offsets) - 1
    keys, which = np.unique(sets * n_groups + groups, return_inverse=True)
    inside = np.zeros((len(all_levels.servers), instance.n_servers), np.bool_)
    for row, servers in zip(inside, all_levels.servers, strict=True):
        row[servers] = True
    # Distinct groups are sorted by their experts, hence by layer.
    layers = instance.expert_layers[members[offsets[:-1]]]
    starts = np.searchsorted(layers, np.arange(instance.n_layers + 1)).astype(np.int64)
    return Coupling(
        np.bincount(which.ravel(), gain, minlength=len(keys)).astype(np.float64),
        keys % n_groups if n_groups else keys,
        inside[keys // n_groups] if n_groups else inside[:0],
        AndTerms(np.empty(n_groups), offsets, members, starts),
    )


@dataclass(frozen=True)
class PricedBound:
    """What the price method has found so far.

    Attributes
    ----------
    bound_s : float
        Proven: no placement saves more, seconds per token.
    placement : Placement
        The caches that the servers chose under the current prices, all feasible.
    """

    bound_s: float
    placement: Placement


def priced_bounds(
    instance: Instance, subproblem: Weighted, rows: Coupling, best_saving: Callable[[], float]
) -> Iterator[PricedBound]:
    """Lower the bound step by step; ends when the steps have become too short to matter.

    Deflected subgradients with Polyak steps towards the best known saving, restarted from the best prices
    with shorter steps where they stop helping.

    References
    ----------
    Polyak, Minimization of unsmooth functionals, 1969; Camerini, Fratta, Maffioli, On improving relaxation
    methods by modified gradient techniques, Mathematical Programming Study 3, 1975.
    """
    prices = rows.weights / np.maximum(rows.inside.sum(axis=1), 1)
    best_prices, least = prices, np.inf
    direction = np.zeros_like(prices)
    step, waited = 1.0, 0
    while step > SHORTEST:
        value, holds, complete = _dual_value(instance, subproblem, rows, prices)
        least = min(least, value)
        yield PricedBound(least, Placement(holds))
        if value <= least:
            best_prices, waited = prices, 0
        else:
            waited += 1
        if waited > PATIENCE:
            step, waited = step * SHORTER, 0
            prices, direction = best_prices, np.zeros_like(prices)
            continue
        slope = (complete[:, rows.groups].T & rows.inside).sum(axis=1) - 1.0
        slope[(prices <= 0) & (slope > 0)] = 0.0
        slope[(prices >= rows.weights) & (slope < 0)] = 0.0
        direction = (1 - DEFLECTION) * slope + DEFLECTION * direction
        length = float(np.dot(direction, direction))
        if length <= 0 or value <= best_saving():
            return
        prices = np.clip(prices - step * (value - best_saving()) / length * direction, 0.0, rows.weights)


def _dual_value(
    instance: Instance, subproblem: Weighted, rows: Coupling, prices: FloatArray
) -> tuple[float, BoolArray, BoolArray]:
    """L(prices), the caches (N, X) chosen under them, and which groups each holds completely (N, groups)."""
    terms = rows.structure
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    complete = np.zeros((instance.n_servers, len(terms.weights)), np.bool_)
    value = float((rows.weights - prices).sum())
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        mine = rows.inside[:, n]
        weights = np.bincount(rows.groups[mine], prices[mine], minlength=len(terms.weights))
        cache = subproblem(weights.astype(np.float64), capacity)
        value += cache.bound_s
        holds[n] = cache.cached
        if len(terms.members):
            complete[n] = np.logical_and.reduceat(cache.cached[terms.members], terms.offsets[:-1])
    return value, holds, complete
