"""Facility location: what a placement saves where every call of an expert is served alone.

With K = 1, or ``serial``, the saving is

    saving(X) = sum over calls i of rate_i * (c_i - min(c_i, min over servers n holding e_i of t[u_i, n])),

monotone and submodular in the set of elements (server, expert) (docs/MODEL.md, fact 1).

References
----------
Cornuejols, Fisher, Nemhauser, Location of bank accounts to optimize float, Management Science 23, 1977.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from slimbench.formulations.tolerances import UNIT
from slimbench.instances import Instance
from slimbench.instances.kernels import compiled, compiled_sums
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IndexArray, IntArray, offsets_of


class FacilityLocation(NamedTuple):
    """Calls in order of their expert, each as a tuple of arrays that compiled code takes whole.

    Attributes
    ----------
    offsets : (X + 1,) int64
        Expert e is called by ``offsets[e]`` to ``offsets[e + 1]``.
    users : (C,) int32
    rates : (C,) float64, occurrences per generated token
    cloud_s : (C,) float64, seconds of the call when no server holds its expert
    edge_s : (M, N, U) float64, seconds, inf = unreachable
        Users last, so that one element's calls read one row.
    models : (X,) int32, the model of each expert
    consecutive : (X,) bool
        Whether an expert's calls come from consecutive users, as where all call it: their rows are read
        straight, which takes half the time.
    """

    offsets: IntArray
    users: IndexArray
    rates: FloatArray
    cloud_s: FloatArray
    edge_s: FloatArray
    models: IndexArray
    consecutive: BoolArray


def is_facility_location(instance: Instance) -> bool:
    """Whether every call of an expert is served alone, so that the saving is submodular: fact 1."""
    return instance.dispatch == "serial" or instance.max_group_size <= 1


def facility_location(instance: Instance) -> FacilityLocation:
    """The calls of an instance, in order of (expert, activation); only right for K = 1 or ``serial``."""
    narrow = np.min_scalar_type(instance.n_experts)  # numpy sorts short integers in linear time
    order = np.argsort(instance.group_experts.astype(narrow), kind="stable")
    calls = np.repeat(np.arange(instance.n_activations), instance.group_sizes)[order]
    users, offsets = (
        instance.activation_users[calls],
        offsets_of(np.bincount(instance.group_experts, minlength=instance.n_experts)),
    )
    return FacilityLocation(
        offsets,
        users,
        instance.rates[calls],
        instance.cloud_latency_s[users, instance.activation_models[calls]],
        np.ascontiguousarray(instance.edge_latency_s.transpose(2, 1, 0)),
        instance.layer_models[instance.expert_layers],
        consecutive_runs(offsets, users),
    )


def consecutive_runs(offsets: IntArray, users: IndexArray) -> BoolArray:
    """(X,) bool, which experts are called by users u, u + 1, u + 2, ... in this order."""
    runs = np.append(0, np.cumsum(np.diff(users) != 1))  # the same number as long as users are consecutive
    first, last = offsets[:-1], offsets[1:] - 1
    called = first <= last
    consecutive = called.copy()
    consecutive[called] = runs[first[called]] == runs[last[called]]
    return consecutive


@compiled
def marginal_saving(calls: FacilityLocation, current_s: FloatArray, server: int, expert: int) -> float:
    """Seconds per token that caching ``expert`` on ``server`` adds when calls take ``current_s`` (C,) now.

    Added up call by call: elements that are alike to the last call save alike to the last bit.
    """
    start, stop = calls.offsets[expert], calls.offsets[expert + 1]
    edge_s = calls.edge_s[calls.models[expert], server]
    saving = 0.0
    for i in range(start, stop):
        saving += calls.rates[i] * max(current_s[i] - edge_s[calls.users[i]], 0.0)
    return saving


@compiled_sums
def marginal_bound(calls: FacilityLocation, current_s: FloatArray, server: int, expert: int) -> float:
    """An upper bound on ``marginal_saving``, above it by rounding alone, in a third to a half of its time.

    The same terms, none negative, in another order: of n, two sums differ by at most 2 n times the unit
    roundoff, relatively; 8 n times it is added.

    References
    ----------
    Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 4.2.
    """
    start, stop = calls.offsets[expert], calls.offsets[expert + 1]
    edge_s = calls.edge_s[calls.models[expert], server]
    now_s, rates, users = current_s[start:stop], calls.rates[start:stop], calls.users[start:stop]
    saving = 0.0
    # max, not a branch: which calls gain is next to random, and a branch takes ten times as long
    if calls.consecutive[expert]:
        edge_s = edge_s[users[0] : users[0] + len(users)]
        for i in range(len(users)):
            saving += rates[i] * max(now_s[i] - edge_s[i], 0.0)
    else:
        for i in range(len(users)):
            saving += rates[i] * max(now_s[i] - edge_s[users[i]], 0.0)
    return saving * (1.0 + (len(users) + 1) * 8 * UNIT)


@compiled
def first_bounds(calls: FacilityLocation) -> FloatArray:
    """(N, X) float64, bounds on the savings of all elements (server, expert) while no server holds any."""
    n_servers, n_experts = calls.edge_s.shape[1], len(calls.models)
    bounds = np.empty((n_servers, n_experts))
    for e in range(n_experts):  # outermost: the calls of one expert stay in the processor's cache
        for n in range(n_servers):
            bounds[n, e] = marginal_bound(calls, calls.cloud_s, n, e)
    return bounds


@compiled
def serve(calls: FacilityLocation, current_s: FloatArray, server: int, expert: int) -> None:
    """Lower ``current_s`` (C,) to what calls take once ``server`` holds ``expert``."""
    edge_s = calls.edge_s[calls.models[expert], server]
    for i in range(calls.offsets[expert], calls.offsets[expert + 1]):
        current_s[i] = min(current_s[i], edge_s[calls.users[i]])
