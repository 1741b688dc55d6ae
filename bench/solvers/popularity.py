"""``popularity`` and ``popularity-per-layer``: cache what the users in reach ask for most."""

from __future__ import annotations

import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import solver
from slimbench.formulations.heuristics.fill import fill_in_order
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import BoolArray, FloatArray


@solver("popularity")
def popularity(instance: Instance, context: SolveContext) -> Placement:
    """Each server caches what the users it serves faster than the cloud demand most per byte."""
    demand = _demand_by_server(instance)
    holds = np.zeros(demand.shape, np.bool_)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        _fill(instance, holds[n], demand[n], capacity)
    return Placement(holds)


@solver("popularity-per-layer")
def popularity_per_layer(instance: Instance, context: SolveContext) -> Placement:
    """The same with an equal share of the capacity for every layer; what is left over goes by demand."""
    demand = _demand_by_server(instance)
    holds = np.zeros(demand.shape, np.bool_)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        for layer in range(instance.n_layers):
            outside = instance.expert_layers != layer
            _fill(instance, holds[n], np.where(outside, 0.0, demand[n]), capacity // instance.n_layers)
        left = capacity - int(instance.expert_bytes[holds[n]].sum())
        _fill(instance, holds[n], np.where(holds[n], 0.0, demand[n]), left)
    return Placement(holds)


def _demand_by_server(instance: Instance) -> FloatArray:
    """(N, X) calls per token and byte of expert e by users whom server n serves faster than the cloud."""
    users = np.repeat(instance.activation_users, instance.group_sizes)
    models = np.repeat(instance.activation_models, instance.group_sizes)
    rates = np.repeat(instance.rates, instance.group_sizes)
    faster = instance.edge_latency_s < instance.cloud_latency_s[:, None, :]
    demand = np.zeros((instance.n_servers, instance.n_experts))
    for n in range(instance.n_servers):
        np.add.at(demand[n], instance.group_experts, rates * faster[users, n, models])
    return np.asarray(demand / instance.expert_bytes)


def _fill(instance: Instance, holds: BoolArray, demand: FloatArray, room: int) -> None:
    """Mark experts in order of demand while they fit; those without demand stay out."""
    order = np.argsort(-demand, kind="stable")
    fill_in_order(instance, holds, order[demand[order] > 0], room)
