"""``assignment``: the textbook model of ``parallel`` and ``serial``; each expert call goes to one server."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.milp import MilpBuilder
from slimbench.formulations.workload import Workload
from slimbench.instances.arrays import IntArray, offsets_of


def build_assignment(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """y[u, e, n] <= x[n, e]; sum over n of y[u, e, n] <= 1; a call of e by u saves the sum of (c - t) y.

    ``serial``, and groups of one: reward rate * (c - t) * y. ``parallel``: reward rate * best * s_a with
    best = c - fastest t and s_a in [0, 1], s_a <= sum over n of (c - t) / best * y[u, e, n] for e in g_a.
    """
    instance = workload.instance
    activation, expert = workload.members(workload.groups)
    keys, call_of_member = np.unique(
        workload.users[activation].astype(np.int64) * instance.n_experts + expert, return_inverse=True
    )
    call_of_member = call_of_member.ravel()
    user, called = keys // instance.n_experts, keys % instance.n_experts
    model = instance.layer_models[instance.expert_layers[called]]
    latency = workload.edge_latency_s[user, :, model]
    call, server = np.nonzero(np.isfinite(latency))
    gain = instance.cloud_latency_s[user, model][call] - latency[call, server]

    slowest_counts = (workload.group_sizes[workload.groups] > 1) & (instance.dispatch == "parallel")
    direct = ~slowest_counts[activation]
    rate = np.bincount(call_of_member[direct], workload.rates[activation[direct]], minlength=len(keys))
    y = builder.columns(rate[call] * gain)
    builder.implies(y, x[server, called[call]])
    builder.rows(call, y, 1.0, 1.0, len(keys))

    fastest = workload.edge_latency_s.min(axis=1)[workload.users, workload.models]
    best = np.maximum(instance.cloud_latency_s[workload.users, workload.models] - fastest, 0.0)
    waits = slowest_counts & (best > 0)
    s = np.full(len(best), -1, np.int64)
    s[waits] = builder.columns(workload.rates[waits] * best[waits], implied_integer=False)
    member = np.flatnonzero(waits[activation])
    counts = np.bincount(call, minlength=len(keys))
    servers_of = counts[call_of_member[member]]
    row = np.repeat(np.arange(len(member)), servers_of)
    entry = np.repeat(offsets_of(counts)[call_of_member[member]] - offsets_of(servers_of)[:-1], servers_of)
    entry += np.arange(len(row))
    builder.rows(
        np.concatenate([np.arange(len(member)), row]),
        np.concatenate([s[activation[member]], y[entry]]),
        np.concatenate([np.ones(len(member)), -gain[entry] / best[activation[member]][row]]),
        0.0,
        len(member),
    )
