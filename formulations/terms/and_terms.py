"""The AND-terms of one server: what its cache saves once all other servers are fixed.

Fix every server but n. In all three dispatches the marginal saving of server n's set S is

    phi_n(S) = sum over terms C of w_C * [C is contained in S],   w_C > 0, each C inside one layer,

so phi_n is supermodular and separable by layer (docs/MODEL.md, fact 3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from slimbench.formulations.tolerances import IMPROVEMENT
from slimbench.instances import DISPATCHES, Instance
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    IntArray,
    csr_rows,
    offsets_of,
    padded_groups,
)
from slimbench.instances.problem.instance import LayerActivations

SINGLE, PARALLEL = map(DISPATCHES.index, ("single", "parallel"))  # as kernels tell dispatches


class AndTerms(NamedTuple):
    """Weighted sets of experts, ordered by layer.

    Attributes
    ----------
    weights : (T,) float64, seconds per token, > 0; negative only for one expert: the price of caching it
    offsets : (T + 1,) int64
        Term i has the experts ``members[offsets[i]:offsets[i + 1]]``.
    members : (.,) int32
        Experts numbered through, ascending within a term.
    layer_offsets : (B + 1,) int64
        Layer b has the terms ``layer_offsets[b]`` to ``layer_offsets[b + 1]``.
    """

    weights: FloatArray
    offsets: IntArray
    members: IndexArray
    layer_offsets: IntArray

    def value(self, cached: BoolArray) -> float:
        """phi(S) in seconds per token for S given as (X,) bool."""
        return float(np.dot(self.weights, self.complete(cached)))

    def improves(self, old: BoolArray, new: BoolArray) -> bool:
        """Whether phi(new) > phi(old), both (X,) bool, by more than rounding can make of it.

        Only terms that one of the two completes count, so what both have cancels exactly. Their sum is off by
        less than 100 eps of the sum of their absolute weights: a weight, a rate times a difference, by 2 eps,
        and numpy adds in pairs of blocks of 128. The tolerance is 40 times that, so True means larger in
        exact arithmetic too, and a sweep cannot come back to a placement that it has left.
        """
        if np.array_equal(old, new):
            return False
        changes = self.weights * (self.complete(new).astype(np.int8) - self.complete(old))
        return bool(changes.sum() > IMPROVEMENT * np.abs(changes).sum())

    def complete(self, cached: BoolArray) -> BoolArray:
        """(T,) bool, the terms that S contains."""
        if not len(self.weights):
            return np.empty(0, np.bool_)
        return np.logical_and.reduceat(cached[self.members], self.offsets[:-1])

    def priced(self, expert_layers: IndexArray, prices: FloatArray, held: BoolArray) -> AndTerms:
        """With a negative term for each expert that has a price and is in some term or ``held``.

        Parameters
        ----------
        expert_layers : (X,) int32
        prices : (X,) float64, seconds per token, >= 0
        held : (X,) bool
        """
        named = np.bincount(self.members, minlength=len(prices)) > 0
        priced = np.flatnonzero((named | held) & (prices > 0))
        layers, n_layers = expert_layers[priced], len(self.layer_offsets) - 1
        of_terms = np.repeat(np.arange(n_layers), np.diff(self.layer_offsets))
        order = np.argsort(np.concatenate([of_terms, layers]), kind="stable")
        sizes = np.concatenate([np.diff(self.offsets), np.ones(len(priced), np.int64)])
        members = np.concatenate([self.members, priced.astype(np.int32)])
        return AndTerms(
            np.concatenate([self.weights, -prices[priced]])[order],
            offsets_of(sizes[order]),
            members[csr_rows(offsets_of(sizes), order)[1]],
            self.layer_offsets + np.searchsorted(layers, np.arange(n_layers + 1)),
        )

    def of_layer(self, layer: int) -> AndTerms:
        """The terms of one layer, equal sets merged."""
        start, stop = self.layer_offsets[layer], self.layer_offsets[layer + 1]
        offsets = self.offsets[start : stop + 1]
        members = self.members[offsets[0] : offsets[-1]]
        table, which = np.unique(padded_groups(offsets, members), axis=0, return_inverse=True)
        named = table >= 0
        weights = np.zeros(len(table))
        np.add.at(weights, which.ravel(), self.weights[start:stop])
        return AndTerms(weights, offsets_of(named.sum(axis=1)), table[named], np.array([0, len(table)]))


def servers_share_groups(instance: Instance) -> bool:
    """Whether several servers may serve one group together: ``parallel``, and groups of several.

    Where they do not, the saving is submodular over whole caches of servers (docs/MODEL.md, facts 1 and 4).
    """
    return instance.dispatch == "parallel" and instance.max_group_size > 1


def and_terms(instance: Instance, holds: BoolArray, server: int, layer: int | None = None) -> AndTerms:
    """AND-terms of ``server``, in one layer or all, when every other server holds its row of ``holds``.

    ``single``: C = g with w = rate * (latency without n - t[u,n]); ``serial``: singletons; ``parallel``:
    the group sorted by latency without n, slowest first, C its prefixes slower than t[u,n], with w =
    rate * (latency_j - max(latency_{j+1}, t[u,n])). Terms without weight are left out. O(N * G).

    Parameters
    ----------
    holds : (N, X) bool
    """
    return AndTerms(
        *_emit_terms(
            DISPATCHES.index(instance.dispatch),
            server,
            instance.by_layer,
            *((0, instance.n_layers) if layer is None else (layer, layer + 1)),
            instance.max_group_size,
            instance.server_order,
            instance.edge_latency_s,
            instance.cloud_latency_s,
            np.ascontiguousarray(holds.T),
        )
    )


@compiled
def marginal_savings(terms: AndTerms, cached: BoolArray) -> FloatArray:
    """(X,) float64, phi(S + e) - phi(S) for every e outside S = ``cached``; phi(S) - phi(S - e) inside."""
    weights, offsets, members, _ = terms
    marginal = np.zeros(len(cached))
    for i in range(len(weights)):
        missing = 0
        last = -1
        for j in range(offsets[i], offsets[i + 1]):
            if not cached[members[j]]:
                missing += 1
                last = members[j]
        if missing == 1:
            marginal[last] += weights[i]
        elif missing == 0:
            for j in range(offsets[i], offsets[i + 1]):
                marginal[members[j]] += weights[i]
    return marginal


@compiled
def _latency_without(
    server: int, order: IndexArray, edge: FloatArray, cloud: float, holders: BoolArray
) -> float:
    """Latency of one expert when ``server`` holds nothing; ``edge`` (N,) is one user's and model's."""
    for n in order:
        if edge[n] >= cloud:
            break
        if n != server and holders[n]:
            return float(edge[n])
    return cloud


@compiled
def _emit_terms(
    dispatch: int,
    server: int,
    calls: LayerActivations,
    first_layer: int,
    stop_layer: int,
    largest: int,
    server_order: IndexArray,
    edge_latency_s: FloatArray,
    cloud_latency_s: FloatArray,
    holders: BoolArray,
) -> tuple[FloatArray, IntArray, IndexArray, IntArray]:
    """The fields of the ``AndTerms`` of layers ``first_layer`` to ``stop_layer``.

    They are written to arrays as large as they might have to be, of which untouched pages cost nothing.
    """
    users, models, rates = calls.users, calls.models, calls.rates
    group_offsets, experts = calls.group_offsets, calls.group_experts
    first, last = calls.starts[first_layer], calls.starts[stop_layer]
    most_members = group_offsets[last] - group_offsets[first]
    most_terms = last - first if dispatch == SINGLE else most_members
    if dispatch == PARALLEL:
        most_members = most_members * (largest + 1) // 2  # prefixes of a group
    weights, offsets = np.empty(most_terms), np.empty(most_terms + 1, np.int64)
    members = np.empty(most_members, np.int32)
    layer_offsets = np.zeros(len(calls.starts), np.int64)
    layer = first_layer
    n_terms = n_members = offsets[0] = 0
    slowest_first = np.empty(largest, np.int32)
    current = np.empty(largest)
    for a in range(first, last):
        while a >= calls.starts[layer + 1]:
            layer += 1
            layer_offsets[layer] = n_terms
        u, m = users[a], models[a]
        t, cloud = edge_latency_s[u, server, m], cloud_latency_s[u, m]
        if t >= cloud or rates[a] <= 0:
            continue
        order, edge = server_order[u, m], edge_latency_s[u, :, m]
        start, stop = group_offsets[a], group_offsets[a + 1]
        if dispatch == SINGLE:
            latency = cloud
            for n in order:
                if edge[n] >= cloud:
                    break
                held = n != server
                for i in range(start, stop):
                    held &= holders[experts[i], n]
                if held:
                    latency = edge[n]
                    break
            if latency > t:
                weights[n_terms] = rates[a] * (latency - t)
                for i in range(start, stop):
                    members[n_members] = experts[i]
                    n_members += 1
                n_terms += 1
                offsets[n_terms] = n_members
            continue
        k = 0
        for i in range(start, stop):
            latency = _latency_without(server, order, edge, cloud, holders[experts[i]])
            if latency <= t:
                continue
            if dispatch == PARALLEL:
                j = k
                while j > 0 and current[j - 1] < latency:
                    current[j], slowest_first[j] = current[j - 1], slowest_first[j - 1]
                    j -= 1
                current[j], slowest_first[j] = latency, experts[i]
                k += 1
            else:
                weights[n_terms], members[n_members] = rates[a] * (latency - t), experts[i]
                n_terms += 1
                n_members += 1
                offsets[n_terms] = n_members
        for j in range(k):
            after = current[j + 1] if j + 1 < k else t
            if dispatch == PARALLEL and current[j] > after:
                weights[n_terms] = rates[a] * (current[j] - after)
                for i in range(j + 1):  # in ascending order
                    at = n_members + i
                    while at > n_members and members[at - 1] > slowest_first[i]:
                        members[at] = members[at - 1]
                        at -= 1
                    members[at] = slowest_first[i]
                n_terms += 1
                n_members += j + 1
                offsets[n_terms] = n_members
    for later in range(layer + 1, len(layer_offsets)):
        layer_offsets[later] = n_terms
    return weights[:n_terms], offsets[: n_terms + 1], members[:n_members], layer_offsets
