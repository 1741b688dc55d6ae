"""The activations as the exact formulations see them: reduced, with distinct groups numbered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.instances import Instance
from slimbench.instances.arrays import FloatArray, IndexArray, IntArray, offsets_of, padded_groups

REDUCTIONS: Final = {
    "merge": "activations of the same user and group become one",
    "slow-servers": "servers never faster than a user's cloud are out of reach",
    "unnamed-experts": "experts that no activation names are not placed",
    "symmetry": "of identical servers, the later one holds no more experts",
}


@dataclass(frozen=True)
class Workload:
    """Activations after reductions.

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

    def members(self, groups: IntArray) -> tuple[IntArray, IntArray]:
        """For groups (P,): position of each member's group in ``groups`` and the member, both (.,) int64."""
        sizes = self.group_sizes[groups]
        position = np.repeat(np.arange(len(groups)), sizes)
        first = np.repeat(self.group_offsets[groups] - offsets_of(sizes)[:-1], sizes)
        return position, self.group_experts[first + np.arange(len(position))].astype(np.int64)


def reduced_workload(instance: Instance, reductions: frozenset[str]) -> Workload:
    """Apply the reductions that concern activations and latencies; each keeps the optimum."""
    table = padded_groups(instance.group_offsets, instance.group_experts)
    distinct, groups = np.unique(table, axis=0, return_inverse=True)
    groups = groups.ravel()
    users, models, rates = instance.activation_users, instance.activation_models, instance.rates
    if "merge" in reductions:
        keys, which = np.unique(users.astype(np.int64) * len(distinct) + groups, return_inverse=True)
        first = np.zeros(len(keys), np.int64)
        first[which[::-1]] = np.arange(len(which))[::-1]
        rates = np.bincount(which, rates, minlength=len(keys)).astype(np.float64)
        users, models, groups = users[first], models[first], groups[first]
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
        offsets_of((distinct >= 0).sum(axis=1)),
        distinct[distinct >= 0],
        np.where(useful, instance.edge_latency_s, np.inf),
    )
