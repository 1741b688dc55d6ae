"""Latency and saving of a placement: the only place that says what a placement is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.instances.arrays import BoolArray, FloatArray, IndexArray, IntArray, compiled, frozen
from slimbench.instances.errors import InstanceError
from slimbench.instances.instance import Instance
from slimbench.instances.placement import Placement
from slimbench.instances.validation import DISPATCHES

SINGLE, PARALLEL, SERIAL = range(3)
assert DISPATCHES == ("single", "parallel", "serial")


@dataclass(frozen=True)
class Evaluation:
    """What a placement is worth.

    Attributes
    ----------
    latency_s : float
        Expected seconds per token, base latency included.
    latency_none_s : float
        The same when no expert is cached.
    saving_s : float
        ``latency_none_s - latency_s``, summed term by term, so without cancellation.
    user_latency_s : (U,) float64
        Each user's share of ``latency_s``, base latency not included.
    """

    latency_s: float
    latency_none_s: float
    saving_s: float
    user_latency_s: FloatArray


def evaluate(instance: Instance, placement: Placement) -> Evaluation:
    """Evaluate a placement, feasible or not, in O(N * G) for N servers and G called experts.

    Raises
    ------
    InstanceError
        If the placement is of another shape than the instance.
    """
    if placement.holds.shape != (instance.n_servers, instance.n_experts):
        raise InstanceError("placement", str(placement.violation(instance)))
    latencies = activation_latencies(instance, placement)
    none = latencies_without_cache(instance)
    rates = instance.rates
    users = np.bincount(instance.activation_users, rates * latencies, minlength=instance.n_users)
    return Evaluation(
        latency_s=instance.base_latency_s + float(np.dot(rates, latencies)),
        latency_none_s=instance.base_latency_s + float(np.dot(rates, none)),
        saving_s=float(np.dot(rates, none - latencies)),
        user_latency_s=frozen(users, np.float64),
    )


def latencies_without_cache(instance: Instance) -> FloatArray:
    """(A,) float64, seconds of each activation when the cloud serves everything."""
    users, models = instance.activation_users, instance.activation_models
    if instance.dispatch != "serial":
        return np.asarray(instance.cloud_latency_s[users, models])
    # Added up call by call as in the kernel: a product would round otherwise and leave savings below 0.
    shape = (*instance.cloud_latency_s.shape, instance.max_group_size)
    calls = np.cumsum(np.broadcast_to(instance.cloud_latency_s[:, :, None], shape), axis=2)
    return np.asarray(calls[users, models, instance.group_sizes - 1])


def activation_latencies(instance: Instance, placement: Placement) -> FloatArray:
    """(A,) float64, seconds of each activation under ``placement``.

    ``single``: the fastest server holding the whole group; ``parallel``: the slowest of the experts,
    each at its fastest holder; ``serial``: their sum. The cloud serves whatever it serves faster.
    """
    return _activation_latencies(
        DISPATCHES.index(instance.dispatch),
        instance.activation_users,
        instance.activation_models,
        instance.group_offsets,
        instance.group_experts,
        instance.server_order,
        instance.edge_latency_s,
        instance.cloud_latency_s,
        np.ascontiguousarray(placement.holds.T),
    )


@compiled
def _activation_latencies(
    dispatch: int,
    users: IndexArray,
    models: IndexArray,
    offsets: IntArray,
    experts: IndexArray,
    server_order: IndexArray,
    edge_latency_s: FloatArray,
    cloud_latency_s: FloatArray,
    holders: BoolArray,
) -> FloatArray:
    latencies = np.empty(len(users))
    for a in range(len(users)):
        u, m = users[a], models[a]
        cloud = cloud_latency_s[u, m]
        latency = cloud if dispatch == SINGLE else 0.0
        if dispatch == SINGLE:
            for n in server_order[u, m]:
                if edge_latency_s[u, n, m] >= cloud:
                    break
                held = True
                for i in range(offsets[a], offsets[a + 1]):
                    held &= holders[experts[i], n]
                if held:
                    latency = edge_latency_s[u, n, m]
                    break
        else:
            for i in range(offsets[a], offsets[a + 1]):
                fastest = cloud
                for n in server_order[u, m]:
                    if edge_latency_s[u, n, m] >= cloud:
                        break
                    if holders[experts[i], n]:
                        fastest = edge_latency_s[u, n, m]
                        break
                latency = max(latency, fastest) if dispatch == PARALLEL else latency + fastest
        latencies[a] = latency
    return latencies
