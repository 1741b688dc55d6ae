"""What the tests hold the package against: a plain second evaluator and brute force.

The evaluator and the enumeration are written from the problem statement (docs/MODEL.md, sections 2 and 3)
in loops over sets of (model, layer, index) triples; they use none of the package's evaluation.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from slimbench.instances import Instance, Placement

Expert = tuple[int, int, int]  # model, layer, index


# The problem as plain Python


def all_experts(instance: Instance) -> list[Expert]:
    """Every expert, in the order of a placement's columns."""
    return [
        (m, layer, index)
        for m, model in enumerate(instance.models)
        for layer in range(model.layers)
        for index in range(model.experts_per_layer)
    ]


def groups_of(instance: Instance) -> list[list[Expert]]:
    """The experts that each activation calls."""
    groups = []
    for a in range(instance.n_activations):
        model, layer = int(instance.activation_models[a]), int(instance.activation_layers[a])
        first, last = int(instance.group_offsets[a]), int(instance.group_offsets[a + 1])
        groups.append([(model, layer, int(i)) for i in instance.group_indices[first:last]])
    return groups


def stored_experts(instance: Instance, placement: Placement) -> list[set[Expert]]:
    """What each server caches."""
    experts = all_experts(instance)
    return [{experts[e] for e in range(len(experts)) if row[e]} for row in placement.holds]


def plain_activation_latencies(instance: Instance, placement: Placement) -> list[float]:
    """Seconds of each activation, one loop per word of the problem statement."""
    stored = stored_experts(instance, placement)
    latencies = []
    for a, group in enumerate(groups_of(instance)):
        user, model = int(instance.activation_users[a]), int(instance.activation_models[a])
        cloud = float(instance.cloud_latency_s[user, model])

        def fastest(
            wanted: Sequence[Expert], user: int = user, model: int = model, cloud: float = cloud
        ) -> float:
            best = cloud  # the cloud holds everything
            for n, cache in enumerate(stored):
                time = float(instance.edge_latency_s[user, n, model])
                if all(expert in cache for expert in wanted) and time < best:
                    best = time
            return best

        if instance.dispatch == "single":
            latencies.append(fastest(group))
        elif instance.dispatch == "parallel":
            latencies.append(max(fastest([expert]) for expert in group))
        else:
            latencies.append(sum(fastest([expert]) for expert in group))
    return latencies


def plain_latency(instance: Instance, placement: Placement) -> float:
    """Expected seconds per token."""
    latencies = plain_activation_latencies(instance, placement)
    rates = instance.rates.tolist()
    return instance.base_latency_s + math.fsum(r * t for r, t in zip(rates, latencies, strict=True))


def plain_saving(instance: Instance, placement: Placement) -> float:
    """Seconds per token gained over caching nothing."""
    return plain_latency(instance, Placement.empty(instance)) - plain_latency(instance, placement)


def plain_user_latencies(instance: Instance, placement: Placement) -> list[float]:
    """Each user's share of the latency, base latency not included."""
    users = [0.0] * instance.n_users
    for a, latency in enumerate(plain_activation_latencies(instance, placement)):
        users[instance.activation_users[a]] += float(instance.rates[a]) * latency
    return users


def plain_fits(instance: Instance, placement: Placement) -> bool:
    """Whether every server has room, in Python's unbounded integers."""
    return all(
        sum(instance.models[model].expert_bytes for model, _, _ in cache) <= int(capacity)
        for cache, capacity in zip(
            stored_experts(instance, placement), instance.capacities_bytes, strict=True
        )
    )


# Brute force


def maximal_caches(instance: Instance, server: int) -> list[frozenset[Expert]]:
    """Every set of called experts that fits on a server and leaves room for no further one."""
    capacity = int(instance.capacities_bytes[server])
    size = {
        expert: instance.models[expert[0]].expert_bytes for group in groups_of(instance) for expert in group
    }
    experts = sorted(size)
    caches = []
    for count in range(len(experts) + 1):
        for chosen in itertools.combinations(experts, count):
            room = capacity - sum(size[e] for e in chosen)
            if room >= 0 and all(size[e] > room for e in experts if e not in chosen):
                caches.append(frozenset(chosen))
    return caches


_optima: dict[str, tuple[float, Placement]] = {}  # by instance hash: many tests ask for the same


def brute_force(instance: Instance, limit: int = 200_000) -> tuple[float, Placement]:
    """Best saving and a placement that has it, by enumeration of all maximal feasible placements.

    More cached experts never save less, so a maximal placement is among the best. Raises ValueError
    when there are more than ``limit`` of them.
    """
    if instance.sha256 not in _optima:
        _optima[instance.sha256] = _enumerated(instance, limit)
    return _optima[instance.sha256]


def _enumerated(instance: Instance, limit: int) -> tuple[float, Placement]:
    choices = [maximal_caches(instance, n) for n in range(instance.n_servers)]
    if math.prod(map(len, choices)) > limit:
        raise ValueError(f"{math.prod(map(len, choices))} placements are too many to enumerate")

    whole = instance.dispatch == "single"  # served together or not at all
    calls = [
        (a, wanted)
        for a, group in enumerate(groups_of(instance))
        for wanted in ([group] if whole else [[expert] for expert in group])
    ]
    owner = [(int(instance.activation_users[a]), int(instance.activation_models[a])) for a, _ in calls]
    cloud = np.array([instance.cloud_latency_s[u, m] for u, m in owner])
    rates = np.array([instance.rates[a] for a, _ in calls])
    first_calls = [i for i, (a, _) in enumerate(calls) if i == 0 or calls[i - 1][0] != a]

    def times(server: int, cache: frozenset[Expert]) -> list[float]:
        return [
            float(instance.edge_latency_s[u, server, m]) if cache.issuperset(wanted) else math.inf
            for (u, m), (_, wanted) in zip(owner, calls, strict=True)
        ]

    def latencies(rows: Sequence[np.ndarray]) -> np.ndarray:
        """Seconds per token with each cache of the last server and one row of every other."""
        served = functools.reduce(np.minimum, rows, cloud)
        if instance.dispatch == "parallel" and calls:
            return np.maximum.reduceat(served, first_calls, axis=1) @ rates[first_calls]
        return served @ rates

    *others, last = [
        np.array([times(n, cache) for cache in caches]).reshape(len(caches), len(calls))
        for n, caches in enumerate(choices)
    ]
    least_s, best = math.inf, ()
    for numbers in itertools.product(*(range(len(table)) for table in others)):
        reached_s = latencies([*(table[i] for table, i in zip(others, numbers, strict=True)), last])
        if reached_s.min() < least_s:
            least_s, best = float(reached_s.min()), (*numbers, int(reached_s.argmin()))
    placement = Placement.of(instance, {n: choices[n][i] for n, i in enumerate(best)})
    return plain_saving(instance, placement), placement
