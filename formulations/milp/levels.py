"""Latency levels: a user's j fastest servers as a set, and what the next server would cost more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import scipy

from slimbench.formulations.milp.workload import REDUCTIONS, Workload, reduced_workload
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    csr_rows,
    distinct,
    distinct_rows,
    offsets_of,
)

SERVERS_PER_DIGIT: Final = 31  # a set of servers is written in base 2^31
BITS: Final = 1 << np.arange(SERVERS_PER_DIGIT)
SUBSETS: Final = 32  # of each set, the largest ones are tried as the set it grows from


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
    inside : (S, N) bool, whether a distinct set has a server
    """

    offsets: IntArray
    sets: IntArray
    gaps_s: FloatArray
    inside: BoolArray

    @cached_property
    def set_sizes(self) -> IntArray:
        """(S,) int64, servers of each distinct set."""
        return np.asarray(self.inside.sum(axis=1), np.int64)

    @cached_property
    def servers(self) -> list[IntArray]:
        """One (|P|,) int64 a distinct set."""
        return [np.flatnonzero(row) for row in self.inside]

    @cached_property
    def subsets(self) -> tuple[IntArray, IntArray]:
        """The largest proper subsets of each distinct set among the others, largest first.

        Returns
        -------
        offsets : (S + 1,) int64
        sets : (.,) int64
        """
        order = np.argsort(-self.set_sizes, kind="stable")
        smaller = self.inside[order].astype(np.float32)
        counts, found = [], [np.empty(0, np.int64)]
        for row, size in zip(self.inside.astype(np.float32), self.set_sizes, strict=True):
            within = (smaller @ row == self.set_sizes[order]) & (self.set_sizes[order] < size)
            found.append(order[np.flatnonzero(within)[:SUBSETS]])
            counts.append(len(found[-1]))
        return offsets_of(np.array(counts, np.int64)), np.concatenate(found)


def levels(workload: Workload) -> Levels:
    """Sort each user's useful servers; servers equally far join one level."""
    instance = workload.instance
    order = instance.server_order
    edge = np.take_along_axis(workload.edge_latency_s.transpose(0, 2, 1), order, axis=2)
    cloud = instance.cloud_latency_s[:, :, None]
    gaps = np.diff(np.minimum(np.concatenate([edge, cloud], axis=2), cloud), axis=2)
    steps = gaps > 0
    pair, level = np.nonzero(steps.reshape(-1, instance.n_servers))
    place = np.argsort(order.reshape(-1, instance.n_servers), axis=1)  # of a server in a user's order
    inside = place[pair] <= level[:, None]
    digits = (
        inside[:, first : first + SERVERS_PER_DIGIT] @ BITS[: instance.n_servers - first]
        for first in range(0, instance.n_servers, SERVERS_PER_DIGIT)
    )
    shown, sets = distinct_rows(digits, 2**SERVERS_PER_DIGIT, len(inside))
    return Levels(offsets_of(steps.sum(axis=2).ravel()), sets, gaps[steps], inside[shown])


def level_weights(
    workload: Workload, all_levels: Levels, *, merged: bool
) -> tuple[IntArray, IntArray, FloatArray]:
    """What it saves in seconds per token that a set of servers serves a group.

    Merged over users, one entry a pair (g, P) has W[P, g] = sum over activations a of g and levels j with
    P_j = P of rate * (t_{j+1} - t_j); otherwise every (activation, level) has an entry of its own.

    Returns
    -------
    groups, sets : (.,) int64, in order of group and set
    weights : (.,) float64
    """
    shape = (len(all_levels.offsets) - 1, len(workload.group_offsets) - 1)
    if merged:
        calls = scipy.sparse.coo_array(
            (workload.rates, (workload.pairs, workload.groups)), shape=shape
        ).tocsr()
        steps = scipy.sparse.csc_array(
            (all_levels.gaps_s, all_levels.sets, all_levels.offsets), shape=(len(all_levels.inside), shape[0])
        )
        weights = scipy.sparse.csc_array(steps.tocsr() @ calls)  # in order of sets within a group
        groups = np.repeat(np.arange(shape[1]), np.diff(weights.indptr))
        return groups, weights.indices.astype(np.int64), np.asarray(weights.data, np.float64)
    activation, level = csr_rows(all_levels.offsets, workload.pairs)
    groups, sets = workload.groups[activation], all_levels.sets[level]
    order = np.lexsort((sets, groups))
    return groups[order], sets[order], (workload.rates[activation] * all_levels.gaps_s[level])[order]


class Rewards(NamedTuple):
    """W[P, g] > 0 seconds per token are saved if the servers P serve the group g, all users merged.

    Attributes
    ----------
    workload : Workload, with the distinct groups
    levels : Levels, with the distinct server sets
    groups, sets : (Q,) int64, in order of group and set
    weights : (Q,) float64
    """

    workload: Workload
    levels: Levels
    groups: IntArray
    sets: IntArray
    weights: FloatArray


def merged_rewards(instance: Instance) -> Rewards:
    """What the form ``cover`` rewards in the reduced instance."""
    workload = reduced_workload(instance, frozenset(REDUCTIONS))
    all_levels = levels(workload)
    return Rewards(workload, all_levels, *level_weights(workload, all_levels, merged=True))


def further_servers(
    workload: Workload, all_levels: Levels, items: IntArray, sets: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """What a pair (item, P) is made of: the item's pair with a smaller set, and the servers beyond.

    Parameters
    ----------
    items, sets : (R,) int64, in order of item and set

    Returns
    -------
    smaller : (R,) int64
        The pair with the largest P' inside P; -1 if there is none, or without ``nested-levels``.
    pairs, servers : (.,) int64
        The servers of P that are not in P', one after another, each with its pair.
    """
    n_sets = len(all_levels.inside)
    smaller = np.full(len(items), -1)
    if "nested-levels" in workload.reductions:
        smaller = _smaller_levels(all_levels, items, sets)
    without = np.where(smaller >= 0, sets[smaller], n_sets)
    steps, step = distinct(sets * (n_sets + 1) + without, n_sets * (n_sets + 1))
    of_step, base = np.divmod(steps, n_sets + 1)
    nothing = np.zeros((1, all_levels.inside.shape[1]), np.bool_)
    further = all_levels.inside[of_step] & ~np.concatenate([all_levels.inside, nothing])[base]
    pairs, entry = csr_rows(offsets_of(further.sum(axis=1)), step)
    return smaller, pairs, np.nonzero(further)[1][entry]


def _smaller_levels(all_levels: Levels, items: IntArray, sets: IntArray) -> IntArray:
    n_sets = len(all_levels.inside)
    offsets, subsets = all_levels.subsets
    keys = items * n_sets + sets
    smaller = np.full(len(items), -1)
    left = np.arange(len(items))
    for tried in range(int(np.diff(offsets).max(initial=0))):
        left = left[offsets[sets[left]] + tried < offsets[sets[left] + 1]]
        wanted = items[left] * n_sets + subsets[offsets[sets[left]] + tried]
        found = np.searchsorted(keys, wanted)
        hit = keys[np.minimum(found, len(keys) - 1)] == wanted
        smaller[left[hit]] = found[hit]
        left = left[~hit]
    return smaller
