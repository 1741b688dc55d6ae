"""``cover``: activations of all users merged by (P, g), P a user's j fastest servers. All dispatches."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.levels import activation_levels, cover_columns, covering, levels
from slimbench.formulations.milp import MilpBuilder
from slimbench.formulations.workload import Workload
from slimbench.instances.arrays import FloatArray, IntArray


def build_cover(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """Maximise the sum over (P, g) of W[P, g] * z[P, g], W = sum of rate * (t_{j+1} - t_j) over all users.

    ``single``: p[n, g] <= x[n, e] for e in g, z[P, g] <= sum over n in P of p[n, g].
    ``parallel``: z[P, g] <= cover[P, e] for e in g, cover[P, e] <= sum over n in P of x[n, e].
    ``serial``: every expert is a group of its own. A group of one needs no p, a set of one server no z.
    """
    all_levels = levels(workload)
    servers = all_levels.servers
    activation, level = activation_levels(workload, all_levels)
    weight = workload.rates[activation] * all_levels.gaps_s[level]
    sets, groups = all_levels.sets[level], workload.groups[activation]
    if workload.instance.dispatch == "serial":
        position, expert = workload.members(groups)
        _reward_covers(builder, x, servers, sets[position], expert, weight[position])
        return
    n_groups = len(workload.group_offsets) - 1
    keys, which = np.unique(sets * n_groups + groups, return_inverse=True)
    weight = np.bincount(which.ravel(), weight, minlength=len(keys)).astype(np.float64)
    sets, groups = keys // n_groups, keys % n_groups
    alone = workload.group_sizes[groups] == 1
    _, expert = workload.members(groups[alone])
    _reward_covers(builder, x, servers, sets[alone], expert, weight[alone])
    sets, groups, weight = sets[~alone], groups[~alone], weight[~alone]
    if workload.instance.dispatch == "parallel":
        z = builder.columns(weight)
        position, expert = workload.members(groups)
        builder.implies(z[position], cover_columns(builder, x, servers, sets[position], expert))
    else:
        together = _together_columns(builder, workload, x, servers, sets, groups)
        sizes = np.array([len(s) for s in servers], np.int64)[sets]
        one = sizes == 1
        first = np.array([s[0] for s in servers], np.int64)
        builder.reward(together[first[sets[one]], groups[one]], weight[one])
        z = covering(builder, together, servers, sets[~one], groups[~one])
        builder.reward(z, weight[~one])


def _reward_covers(
    builder: MilpBuilder,
    x: IntArray,
    servers: list[IntArray],
    sets: IntArray,
    experts: IntArray,
    weight: FloatArray,
) -> None:
    builder.reward(cover_columns(builder, x, servers, sets, experts), weight)


def _together_columns(
    builder: MilpBuilder,
    workload: Workload,
    x: IntArray,
    servers: list[IntArray],
    sets: IntArray,
    groups: IntArray,
) -> IntArray:
    """p[n, g] as (N, Q) column numbers for the pairs in use: server n holds all of group g."""
    sizes = np.array([len(s) for s in servers], np.int64)[sets]
    members = np.concatenate([servers[s] for s in sets]) if len(sets) else np.empty(0, np.int64)
    together = np.full((x.shape[0], len(workload.group_offsets) - 1), -1, np.int64)
    wanted = np.zeros(together.shape, np.bool_)
    wanted[members, np.repeat(groups, sizes)] = True
    server, group = np.nonzero(wanted)
    together[server, group] = builder.columns(np.zeros(len(server)))
    position, expert = workload.members(group)
    builder.implies(together[server, group][position], x[server[position], expert])
    return together
