"""The activations as the exact formulations see them: reduced, with distinct groups numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.instances import Instance
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    IntArray,
    csr_rows,
    distinct,
    distinct_rows,
    offsets_of,
    padded_groups,
)

REDUCTIONS: Final = {
    "merge": "merge activations of the same user and group",
    "merge-users": "share the column of a group among users whose j fastest servers are the same set (cover)",
    "slow-servers": "leave out servers that are not faster than a user's cloud",
    "unnamed-experts": "fix x[n, e] = 0 if no activation calls e",
    "useless-pairs": "fix x[n, e] = 0 if server n is slower than the cloud for every user that calls e",
    "too-large": "fix to 0 that server n holds an expert or serves a group of more bytes than n has",
    "roomy-servers": "fix x[n, e] = 1 if server n has room for every expert that it may hold",
    "exact-room": "lower capacities to the most bytes that experts of these sizes can fill",
    "nested-levels": "build the column of a server set on that of a smaller set and the further servers",
    "nested-groups": "build the column of a group on that of the group less one expert and that expert",
    "dominated-experts": "order experts by saving on servers that share no user",
    "symmetry": "order identical servers: the later one holds no more experts",
}


@dataclass(frozen=True)
class Workload:
    """Activations after reductions; under ``serial`` every call is an activation of one expert.

    Attributes
    ----------
    instance : Instance
    reductions : frozenset of str, those in force
    users, models : (A,) int32
    groups : (A,) int64
        Number of each activation's group among the distinct ones.
    rates : (A,) float64
    group_offsets : (Q + 1,) int64
    group_experts : int32, distinct groups as CSR, experts numbered through
        In lexicographic order of their experts, hence in order of layers.
    edge_latency_s : (U, N, M) float64, inf where a server is no use
    """

    instance: Instance
    reductions: frozenset[str]
    users: IndexArray
    models: IndexArray
    groups: IntArray
    rates: FloatArray
    group_offsets: IntArray
    group_experts: IndexArray
    edge_latency_s: FloatArray

    @property
    def group_sizes(self) -> IntArray:
        """(Q,) int64, experts of each distinct group."""
        return np.diff(self.group_offsets)

    @property
    def pairs(self) -> IntArray:
        """(A,) int64, each activation's (user, model) as one number u * M + m."""
        return self.users.astype(np.int64) * len(self.instance.models) + self.models

    def members(self, groups: IntArray) -> tuple[IntArray, IntArray]:
        """For groups (P,): position of each member's group in ``groups`` and the member, both (.,) int64."""
        position, entry = csr_rows(self.group_offsets, groups)
        return position, self.group_experts[entry].astype(np.int64)


def reduced_workload(instance: Instance, reductions: frozenset[str]) -> Workload:
    """Apply the reductions that concern activations and latencies; each keeps the optimum."""
    users, models, rates = instance.activation_users, instance.activation_models, instance.rates
    offsets, layers = instance.group_offsets, instance.group_layers
    if instance.dispatch == "serial":
        sizes = instance.group_sizes
        users, models, rates = np.repeat(users, sizes), np.repeat(models, sizes), np.repeat(rates, sizes)
        offsets, layers = np.arange(len(instance.group_indices) + 1), np.repeat(layers, sizes)
    table = padded_groups(offsets, instance.group_indices)
    widest = int(np.diff(instance.layer_starts).max())
    digits = (layers, *(table.T + 1))
    shown, groups = distinct_rows(digits, max(instance.n_layers, widest + 1), len(table))
    table = table[shown]
    experts = (table + instance.layer_starts[layers[shown], None])[table >= 0]
    if "merge" in reductions:
        keys, which = distinct(users * np.int64(len(table)) + groups, instance.n_users * len(table))
        if len(keys) < len(which):
            of_key = np.empty(len(keys), np.int64)
            of_key[which] = np.arange(len(which))
            users, models, groups = users[of_key], models[of_key], groups[of_key]
            rates = np.bincount(which, rates).astype(np.float64)
    useful = np.isfinite(instance.edge_latency_s)
    if "slow-servers" in reductions:
        useful = instance.edge_latency_s < instance.cloud_latency_s[:, None, :]
    return Workload(
        instance,
        reductions,
        users,
        models,
        groups,
        rates,
        offsets_of((table >= 0).sum(axis=1)),
        experts.astype(np.int32),
        np.where(useful, instance.edge_latency_s, np.inf),
    )


def too_large(workload: Workload, groups: IntArray, servers: IntArray) -> BoolArray:
    """(.,) bool, whether a group of ``groups`` has more bytes than its server of ``servers``."""
    if "too-large" not in workload.reductions:
        return np.zeros(len(groups), np.bool_)
    firsts = workload.group_experts[workload.group_offsets[:-1]]  # its others are of the same model
    group_bytes = workload.group_sizes * workload.instance.expert_bytes[firsts]
    return np.asarray(group_bytes[groups] > workload.instance.capacities_bytes[servers])


def further_experts(
    workload: Workload, groups: IntArray, owners: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """What a pair (group, owner) is made of: the owner's pair with a smaller group, and the experts beyond.

    Parameters
    ----------
    groups, owners : (R,) int64, in order of group and owner

    Returns
    -------
    smaller : (R,) int64
        The pair with one expert less; -1 if there is none of two or more, or without ``nested-groups``.
    pairs, experts : (.,) int64
        The experts of the group that are not in the smaller one, one after another, each with its pair.
    """
    smaller = np.full(len(groups), -1)
    pairs, experts = workload.members(groups)
    if "nested-groups" not in workload.reductions:
        return smaller, pairs, experts
    without = _groups_less_one(workload)
    nested = np.flatnonzero((without[groups] >= 0).any(axis=1))
    if not len(nested):
        return smaller, pairs, experts
    n_owners = int(owners.max()) + 1
    keys = groups * n_owners + owners
    left_out = np.full(len(groups), -1)
    for member in range(without.shape[1]):
        wanted = without[groups[nested], member] * n_owners + owners[nested]
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = (keys[found] == wanted) & (smaller[nested] < 0)
        smaller[nested[hit]] = found[hit]
        entry = workload.group_offsets[groups[nested[hit]]] + member
        left_out[nested[hit]] = workload.group_experts[entry]
    kept = (smaller[pairs] < 0) | (experts == left_out[pairs])
    return smaller, pairs[kept], experts[kept]


def _groups_less_one(workload: Workload) -> IntArray:
    """(Q, K) int64, number of the group without its i-th expert; -1 if nobody calls that, or it has one."""
    table = padded_groups(workload.group_offsets, workload.group_experts)
    sizes = workload.group_sizes
    width = table.shape[1]
    result = np.full(table.shape, -1, np.int64)
    larger = np.flatnonzero((sizes > 2) & np.isin(sizes - 1, sizes))
    if not len(larger):
        return result
    targets = np.flatnonzero((sizes > 1) & (sizes < width))
    less = [np.delete(table[larger], member, axis=1) for member in range(width)]
    rows = np.concatenate([table[targets, :-1], *less])
    shown, places = distinct_rows((d + 1 for d in rows.T), workload.instance.n_experts + 1, len(rows))
    number = np.full(len(shown), -1)
    number[places[: len(targets)]] = targets
    found = number[places[len(targets) :]].reshape(width, len(larger)).T
    result[larger] = np.where(table[larger] >= 0, found, -1)
    return result
