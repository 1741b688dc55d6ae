"""Latency and saving of a placement; nothing else computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.instances.problem.arrays import BoolArray, FloatArray, frozen
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.placement import Placement

WORD: Final = 64  # bits, a server each
TABLE_CELLS: Final = 2**25  # latencies by user and expert at a time: 256 MB


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
    # Added up call by call as in ``activation_latencies``: a product would round otherwise and leave savings
    # below 0.
    shape = (*instance.cloud_latency_s.shape, instance.max_group_size)
    calls = np.cumsum(np.broadcast_to(instance.cloud_latency_s[:, :, None], shape), axis=2)
    return np.asarray(calls[users, models, instance.group_sizes - 1])


def activation_latencies(instance: Instance, placement: Placement) -> FloatArray:
    """(A,) float64, seconds of each activation under ``placement``.

    ``single``: the fastest server holding the whole group; ``parallel``: the slowest of the experts,
    each at its fastest holder; ``serial``: their sum. The cloud serves whatever it serves faster.
    """
    if instance.dispatch == "single":
        return _whole_group_latencies(instance, placement.holds)
    called_s = _call_latencies(instance, placement.holds)
    starts = instance.group_offsets[:-1]
    if instance.dispatch == "parallel":
        return np.maximum.reduceat(called_s, starts)
    total_s = np.zeros(instance.n_activations)
    for k in range(instance.max_group_size):  # call by call, as in ``latencies_without_cache``
        at = np.flatnonzero(instance.group_sizes > k)
        total_s[at] += called_s[starts[at] + k]
    return total_s


def _whole_group_latencies(instance: Instance, holds: BoolArray) -> FloatArray:
    """(A,) float64, seconds of each group at the fastest server that holds all of it.

    Servers are bits of a word: one pass over the groups tells for ``WORD`` servers which hold them whole.
    """
    users, models = instance.activation_users, instance.activation_models
    latency_s = instance.cloud_latency_s[users, models]
    for first in range(0, instance.n_servers, WORD):
        some = holds[first : first + WORD]
        holders = np.zeros(instance.n_experts, np.uint64)
        for bit, held in enumerate(some):
            holders[held] |= np.uint64(1 << bit)
        whole = np.bitwise_and.reduceat(holders[instance.group_experts], instance.group_offsets[:-1])
        for bit in np.flatnonzero(some.any(axis=1)).tolist():
            served = np.flatnonzero(whole & np.uint64(1 << bit))
            edge_s = instance.edge_latency_s[users[served], first + bit, models[served]]
            latency_s[served] = np.minimum(latency_s[served], edge_s)
    return latency_s


def _call_latencies(instance: Instance, holds: BoolArray) -> FloatArray:
    """(G,) float64, seconds of each called expert at its fastest holder, by a table of users and experts."""
    users = np.repeat(instance.activation_users, instance.group_sizes)
    models = instance.layer_models[instance.expert_layers]
    called_s = np.empty(len(users))
    block = max(TABLE_CELLS // max(instance.n_experts, 1), 1)
    for first in range(0, instance.n_users, block):
        fastest_s = instance.cloud_latency_s[first : first + block, models]
        for n in np.flatnonzero(holds.any(axis=1)):
            held = np.flatnonzero(holds[n])
            edge_s = instance.edge_latency_s[first : first + block, n][:, models[held]]
            fastest_s[:, held] = np.minimum(fastest_s[:, held], edge_s)
        calls = np.flatnonzero((users >= first) & (users < first + block))
        called_s[calls] = fastest_s[users[calls] - first, instance.group_experts[calls]]
    return called_s
