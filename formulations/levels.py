"""Latency levels: a user's j fastest servers as a set, and what the next server would cost more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.formulations.milp import MilpBuilder
from slimbench.formulations.workload import Workload
from slimbench.instances.arrays import FloatArray, IntArray, offsets_of


@dataclass(frozen=True)
class Levels:
    """Levels of every (user, model), in order of user, model, level.

    Attributes
    ----------
    offsets : (U * M + 1,) int64
        User u and model m have the levels ``offsets[u * M + m]`` to ``offsets[u * M + m + 1]``.
    sets : (L,) int64
        Number of the server set P_j among the distinct ones.
    gaps_s : (L,) float64
        t_{j+1} - t_j > 0, where the cloud follows the slowest useful server.
    servers : one (|P|,) int64 a distinct set
    """

    offsets: IntArray
    sets: IntArray
    gaps_s: FloatArray
    servers: list[IntArray]


def levels(workload: Workload) -> Levels:
    """Sort each user's useful servers; servers equally far join one level."""
    instance = workload.instance
    numbers: dict[frozenset[int], int] = {}
    counts, sets, gaps = [], [], []
    for u in range(instance.n_users):
        for m in range(len(instance.models)):
            cloud = instance.cloud_latency_s[u, m]
            times = np.minimum(
                np.append(workload.edge_latency_s[u, instance.server_order[u, m], m], cloud), cloud
            )
            steps = np.flatnonzero(np.diff(times) > 0)
            counts.append(len(steps))
            for j in steps:
                servers = frozenset(instance.server_order[u, m, : j + 1].tolist())
                sets.append(numbers.setdefault(servers, len(numbers)))
                gaps.append(times[j + 1] - times[j])
    return Levels(
        offsets_of(np.array(counts)),
        np.array(sets, np.int64),
        np.array(gaps, np.float64),
        [np.array(sorted(servers)) for servers in numbers],
    )


def activation_levels(workload: Workload, all_levels: Levels) -> tuple[IntArray, IntArray]:
    """For every pair (activation, level of its user): the activation and the level, both (.,) int64."""
    pair = workload.users.astype(np.int64) * len(workload.instance.models) + workload.models
    counts = np.diff(all_levels.offsets)[pair]
    activation = np.repeat(np.arange(len(pair)), counts)
    first = np.repeat(all_levels.offsets[pair] - offsets_of(counts)[:-1], counts)
    return activation, first + np.arange(len(activation))


def cover_columns(
    builder: MilpBuilder, x: IntArray, servers: list[IntArray], sets: IntArray, experts: IntArray
) -> IntArray:
    """Columns cover[P, e] <= sum over n in P of x[n, e] for wanted pairs (sets[i], experts[i]).

    One column for equal pairs; x[n, e] itself where P = {n}.
    """
    keys, which = np.unique(sets * x.shape[1] + experts, return_inverse=True)
    which = which.ravel()
    of_set, of_expert = keys // x.shape[1], keys % x.shape[1]
    sizes = np.array([len(s) for s in servers], np.int64)[of_set]
    columns = np.empty(len(keys), np.int64)
    alone = sizes == 1
    first = np.array([s[0] for s in servers], np.int64)
    columns[alone] = x[first[of_set[alone]], of_expert[alone]]
    columns[~alone] = covering(builder, x, servers, of_set[~alone], of_expert[~alone])
    return np.asarray(columns[which])


def covering(
    builder: MilpBuilder, single: IntArray, servers: list[IntArray], sets: IntArray, items: IntArray
) -> IntArray:
    """New columns z[i] <= sum over n in P of single[n, items[i]], P = servers[sets[i]]."""
    columns = builder.columns(np.zeros(len(sets)))
    sizes = np.array([len(s) for s in servers], np.int64)[sets]
    row = np.repeat(np.arange(len(sets)), sizes)
    members = np.concatenate([servers[s] for s in sets]) if len(sets) else np.empty(0, np.int64)
    builder.rows(
        np.concatenate([np.arange(len(sets)), row]),
        np.concatenate([columns, single[members, items[row]]]),
        np.concatenate([np.ones(len(sets)), -np.ones(len(row))]),
        0.0,
        len(sets),
    )
    return columns
