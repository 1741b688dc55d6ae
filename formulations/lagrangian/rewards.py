"""What the form ``cover`` rewards: every pair (P, g) of a server set and a group, all users merged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.formulations.milp.levels import level_weights, levels
from slimbench.formulations.milp.workload import REDUCTIONS, reduced_workload
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, offsets_of


@dataclass(frozen=True)
class Rewards:
    """W[P, g] > 0 seconds per token are saved if the servers P serve the group g.

    Attributes
    ----------
    sets, groups : (Q,) int64
        Number of P among ``servers``, and of g.
    weights : (Q,) float64
    servers : one (|P|,) int64 a distinct set
    group_offsets : (G + 1,) int64
    group_members : int64, distinct groups as CSR, experts numbered through, in order of their layer
    """

    sets: IntArray
    groups: IntArray
    weights: FloatArray
    servers: list[IntArray]
    group_offsets: IntArray
    group_members: IntArray

    @property
    def group_sizes(self) -> IntArray:
        """(G,) int64."""
        return np.diff(self.group_offsets)

    @property
    def set_sizes(self) -> IntArray:
        """(number of sets,) int64."""
        return np.array([len(s) for s in self.servers], np.int64)

    def inside(self, n_servers: int) -> BoolArray:
        """(number of sets, N) bool: whether a server is in a set."""
        inside = np.zeros((len(self.servers), n_servers), np.bool_)
        for row, servers in zip(inside, self.servers, strict=True):
            row[servers] = True
        return inside

    def members(self, groups: IntArray) -> IntArray:
        """The experts of these groups, one group after another."""
        sizes = self.group_sizes[groups]
        first = np.repeat(self.group_offsets[groups] - offsets_of(sizes)[:-1], sizes)
        return np.asarray(self.group_members[first + np.arange(len(first))])


def servers_share_groups(instance: Instance) -> bool:
    """Whether several servers may serve one group together: ``parallel``, and groups of several."""
    return instance.dispatch == "parallel" and instance.max_group_size > 1


def merged_rewards(instance: Instance) -> Rewards:
    """Rewards of an instance; under ``serial`` every expert is a group of its own."""
    workload = reduced_workload(instance, frozenset(REDUCTIONS))
    all_levels = levels(workload)
    groups, sets, weights = level_weights(workload, all_levels, merged=True)
    members = workload.group_experts.astype(np.int64)
    return Rewards(sets, groups, weights, all_levels.servers, workload.group_offsets, members)
