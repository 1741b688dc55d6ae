"""Brute force: the optimum of tiny instances, by evaluating every placement that fills all servers."""

from __future__ import annotations

import itertools
import math

import numpy as np

from slimbench.formulations.errors import SolverError
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import BoolArray


def maximal_caches(instance: Instance, server: int, limit: int) -> list[BoolArray]:
    """Every (X,) cache of named experts that has no room for one more.

    Raises
    ------
    SolverError
        If there are more than ``limit`` subsets of experts to look at.
    """
    named = np.unique(instance.group_experts)
    capacity = int(instance.capacities_bytes[server])
    sizes = instance.expert_bytes[named]
    most = int(np.searchsorted(np.cumsum(np.sort(sizes)), capacity, side="right"))
    if sum(math.comb(len(named), k) for k in range(most + 1)) > limit:
        raise SolverError(f"enumeration needs more than {limit} caches of one server")
    caches = []
    for k in range(most + 1):
        for members in itertools.combinations(range(len(named)), k):
            room = capacity - int(sizes[list(members)].sum())
            outside = np.delete(sizes, list(members))
            if room >= 0 and not np.any(outside <= room):
                cache = np.zeros(instance.n_experts, np.bool_)
                cache[named[list(members)]] = True
                caches.append(cache)
    return caches


def placement_count(instance: Instance, limit: int) -> int | None:
    """How many placements fill every server, or None if they are more than ``limit``."""
    try:
        count = math.prod(len(maximal_caches(instance, n, limit)) for n in range(instance.n_servers))
    except SolverError:
        return None
    return count if count <= limit else None


def best_placement(instance: Instance, limit: int) -> Placement:
    """The best of all placements that fill every server; saving is monotone, so it is the optimum.

    As many evaluations as the product of the servers' numbers of maximal caches.

    Raises
    ------
    SolverError
        If there are more than ``limit`` placements.
    """
    caches = [maximal_caches(instance, n, limit) for n in range(instance.n_servers)]
    if (count := math.prod(len(c) for c in caches)) > limit:
        raise SolverError(f"enumeration needs {count} placements, expected at most {limit}")
    placements = (Placement(np.stack(rows)) for rows in itertools.product(*caches))
    return max(placements, key=lambda placement: evaluate(instance, placement).saving_s)
