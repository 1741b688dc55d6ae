"""``assignment``: the textbook model of ``parallel`` and ``serial``; each expert call goes to one server."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.milp.model import MilpBuilder
from slimbench.formulations.milp.workload import Workload
from slimbench.formulations.status import NEVER
from slimbench.instances.problem.arrays import IntArray, csr_rows, distinct, offsets_of


def build_assignment(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """y[u, e, n] <= x[n, e]; sum over n of y[u, e, n] <= 1; a call of e by u saves the sum of (c - t) y.

    ``serial``, and groups of one: reward rate * (c - t) * y. ``parallel``: reward rate * best * s_a with
    best = min over e in g_a of the most that c - t can be for e, and s_a in [0, 1],
    s_a <= sum over n of min((c - t)+ / best, 1) * y[u, e, n] for e in g_a. Servers that cannot hold e have
    no y, so no coefficient stands beside one that is out of reach.

    References
    ----------
    Balinski, Integer programming: methods, uses, computation, Management Science 12, 1965 (plant location).
    """
    instance = workload.instance
    activation, expert = workload.members(workload.groups)
    keys, call_of = distinct(
        workload.users[activation] * np.int64(instance.n_experts) + expert,
        instance.n_users * instance.n_experts,
    )
    user, called = np.divmod(keys, instance.n_experts)
    model = instance.layer_models[instance.expert_layers[called]]
    latency = workload.edge_latency_s[user, :, model]
    call, server = np.nonzero(np.isfinite(latency) & (x.T[called] != NEVER))
    gain = instance.cloud_latency_s[user, model][call] - latency[call, server]
    servers = np.bincount(call, minlength=len(keys))

    waits = workload.group_sizes[workload.groups] > 1
    direct = ~waits[activation]
    rate = np.bincount(call_of[direct], workload.rates[activation[direct]], minlength=len(keys))
    y = builder.columns(rate[call] * gain)
    builder.implies(y, x[server, called[call]])
    builder.rows(servers, y, 1.0, 1.0)

    most = np.zeros(len(keys))
    np.maximum.at(most, call, gain)
    best = np.full(len(waits), np.inf)
    np.minimum.at(best, activation, most[call_of])
    waits &= best > 0
    s = np.full(len(best), -1, np.int64)
    s[waits] = builder.columns(workload.rates[waits] * best[waits], implied_integer=False)
    member = np.flatnonzero(waits[activation])
    row, entry = csr_rows(offsets_of(servers), call_of[member])
    counts = servers[call_of[member]] + 1
    own = np.zeros(len(row) + len(member), np.bool_)
    own[offsets_of(counts)[:-1]] = True
    columns, share = np.empty(len(own), np.int64), np.ones(len(own))
    columns[own], columns[~own] = s[activation[member]], y[entry]
    share[~own] = -np.clip(gain[entry] / best[activation[member]][row], 0.0, 1.0)
    builder.rows(counts, columns, share, 0.0)
