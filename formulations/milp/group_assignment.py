"""``destination``: the textbook model of ``single``; each activation goes to one server or the cloud."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.milp.model import MilpBuilder
from slimbench.formulations.milp.workload import Workload, too_large
from slimbench.instances.problem.arrays import IntArray


def build_destination(builder: MilpBuilder, workload: Workload, x: IntArray) -> None:
    """w[a, n] <= x[n, e] for e in g_a; sum over n of w[a, n] <= 1; reward rate * (c - t[u, n])."""
    latency = workload.edge_latency_s[workload.users, :, workload.models]
    activation, server = np.nonzero(np.isfinite(latency))
    fits = ~too_large(workload, workload.groups[activation], server)
    activation, server = activation[fits], server[fits]
    cloud = workload.instance.cloud_latency_s[workload.users, workload.models]
    gain = cloud[activation] - latency[activation, server]
    w = builder.columns(workload.rates[activation] * gain)
    position, expert = workload.members(workload.groups[activation])
    builder.implies(w[position], x[server[position], expert])
    builder.rows(np.bincount(activation, minlength=len(workload.users)), w, 1.0, 1.0)
