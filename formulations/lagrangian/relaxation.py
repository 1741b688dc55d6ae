"""Lagrangian relaxation of the form ``cover``: the rows that tie servers together are relaxed.

What is left falls apart into *subproblems*, each a set of experts under one capacity: a server's cache, or
the experts that a set P of servers holds together.

References
----------
Geoffrion, Lagrangean relaxation for integer programming, Mathematical Programming Study 2, 1974.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from slimbench.formulations.lagrangian.group_patterns import GroupPatterns, group_patterns
from slimbench.formulations.milp.levels import Rewards, merged_rewards
from slimbench.formulations.terms.and_terms import AndTerms, servers_share_groups
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray, IntArray, csr_rows, offsets_of


class Subproblem(NamedTuple):
    """A set of experts under one capacity.

    Attributes
    ----------
    capacity_bytes : int
    terms : AndTerms
        Sets of experts that are rewarded; the weights are those that no multiplier changes.
    rows, row_terms : (I,) int64
        The multiplier of row ``rows[i]`` is added to the weight of term ``row_terms[i]``, times ``sign``.
    sign : float
        1 for a server, whose experts satisfy rows; -1 for a union of servers, which has to pay for them.
    """

    capacity_bytes: int
    terms: AndTerms
    rows: IntArray
    row_terms: IntArray
    sign: float


@dataclass(frozen=True)
class Relaxation:
    """The subproblems and the relaxed rows between them.

    Attributes
    ----------
    subproblems : one Subproblem a server, then one a union of servers
    rewards : (R,) float64, seconds per token
        W[P, g] of a row z[P, g] <= sum over n in P of p[n, g], to be had outside the subproblems; 0 for a row
        y[P, e] <= sum over n in P of x[n, e].
    multiplier_bounds : (R,) float64
        Multipliers above these gain nothing.
    first_multipliers : (R,) float64
    pattern_weights : (Q',) float64
        W[P, g] of the pairs that ``patterns`` sum up.
    patterns : GroupPatterns or None
        Groups that are subproblems too, with the first rows; their rewards are 0.
    """

    subproblems: tuple[Subproblem, ...]
    rewards: FloatArray
    multiplier_bounds: FloatArray
    first_multipliers: FloatArray
    pattern_weights: FloatArray
    patterns: GroupPatterns | None


def relaxation(instance: Instance) -> Relaxation:
    """Subproblems and rows of an instance.

    ``single``, ``serial`` and K = 1: a subproblem a server, and one a group with a row for each of its
    servers; where these are many, a row for every (P, g) with several servers in P instead.
    ``parallel``: servers may share a group, so every P with several servers is a subproblem of its own, which
    holds what they hold together and has room for as much; a row for every (P, e) (docs/MODEL.md).
    """
    rewards = merged_rewards(instance)
    if servers_share_groups(instance):
        return _shared_groups(instance, rewards)
    return _whole_groups(instance, rewards)


def _whole_groups(instance: Instance, rewards: Rewards) -> Relaxation:
    levels, workload = rewards.levels, rewards.workload
    set_sizes = levels.set_sizes[rewards.sets]
    patterns, pattern_rows = group_patterns(rewards, set_sizes > 1)
    by_row = set_sizes > 1
    by_row[patterns.pairs] = False
    row_of = patterns.n_rows + np.cumsum(by_row) - 1
    subproblems = []
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        mine = np.flatnonzero(levels.inside[rewards.sets, n])
        groups, which = np.unique(rewards.groups[mine], return_inverse=True)
        alone, relaxed = set_sizes[mine] == 1, by_row[mine]
        weights = _sums(which[alone], rewards.weights[mine[alone]], len(groups))
        position, members = workload.members(groups)
        offsets = offsets_of(np.bincount(position, minlength=len(groups)))
        terms, _ = _by_layer(instance, weights, offsets, members)
        near = np.flatnonzero(pattern_rows[groups, n] >= 0)
        rows = np.concatenate([pattern_rows[groups[near], n], row_of[mine[relaxed]]])
        row_terms = np.concatenate([near, which[relaxed]])
        subproblems.append(Subproblem(capacity, terms, rows, row_terms, 1.0))
    pair = np.repeat(np.arange(len(patterns.pairs)), np.diff(patterns.pair_offsets))
    worth = rewards.weights[patterns.pairs][pair]
    most = _sums(patterns.pair_rows, worth, patterns.n_rows)
    fair = _sums(patterns.pair_rows, worth / set_sizes[patterns.pairs][pair], patterns.n_rows)
    alone = rewards.weights[by_row]
    return Relaxation(
        tuple(subproblems),
        np.concatenate([np.zeros(patterns.n_rows), alone]),
        np.concatenate([most, alone]),
        np.concatenate([fair, alone / set_sizes[by_row]]),
        rewards.weights[patterns.pairs],
        patterns,
    )


def _shared_groups(instance: Instance, rewards: Rewards) -> Relaxation:
    """Unions too. An expert of a subproblem that no group of it needs alone gets a term of weight 0."""
    levels, workload = rewards.levels, rewards.workload
    nothing = np.empty(0, np.int64)
    own = [nothing] * instance.n_servers
    asked: list[list[tuple[IntArray, IntArray]]] = [[(nothing, nothing)] for _ in own]
    unions: list[Subproblem] = []
    fair, bounds = [np.empty(0)], [np.empty(0)]
    n_rows = 0
    by_set = np.argsort(rewards.sets, kind="stable")
    starts = np.searchsorted(rewards.sets[by_set], np.arange(1, len(levels.servers)))
    for servers, pairs in zip(levels.servers, np.split(by_set, starts), strict=False):
        if len(servers) == 1:
            own[servers[0]] = pairs
            continue
        pair, members = workload.members(rewards.groups[pairs])
        experts, which = np.unique(members, return_inverse=True)
        rows = n_rows + np.arange(len(experts))
        n_rows += len(experts)
        worth = rewards.weights[pairs][pair]
        bounds.append(_sums(which, worth, len(experts)))
        sizes = workload.group_sizes[rewards.groups[pairs]]
        fair.append(_sums(which, worth / sizes[pair], len(experts)))
        room = min(int(instance.expert_bytes.sum()), sum(instance.capacities_bytes[servers].tolist()))
        unions.append(_with_single_experts(instance, rewards, pairs, room, rows, experts, -1.0))
        for n in servers:
            asked[n].append((rows, experts))
    of_servers = []
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        rows, experts = (np.concatenate(part) for part in zip(*asked[n], strict=True))
        of_servers.append(_with_single_experts(instance, rewards, own[n], capacity, rows, experts, 1.0))
    return Relaxation(
        (*of_servers, *unions),
        np.zeros(n_rows),
        np.concatenate(bounds),
        np.concatenate(fair),
        np.empty(0),
        None,
    )


def _with_single_experts(
    instance: Instance,
    rewards: Rewards,
    pairs: IntArray,
    capacity: int,
    rows: IntArray,
    experts: IntArray,
    sign: float,
) -> Subproblem:
    """A subproblem with the groups of ``pairs`` and the single experts that its rows name, merged."""
    workload, groups = rewards.workload, rewards.groups[pairs]
    alone = workload.group_sizes[groups] == 1
    single, which = np.unique(
        np.concatenate([experts, workload.members(groups[alone])[1]]), return_inverse=True
    )
    weights = _sums(which[len(experts) :], rewards.weights[pairs[alone]], len(single))
    large_sizes = workload.group_sizes[groups[~alone]]
    offsets = offsets_of(np.concatenate([np.ones(len(single), np.int64), large_sizes]))
    members = np.concatenate([single, workload.members(groups[~alone])[1]])
    all_weights = np.concatenate([weights, rewards.weights[pairs[~alone]]])
    terms, position = _by_layer(instance, all_weights, offsets, members)
    return Subproblem(capacity, terms, rows, position[which[: len(experts)]], sign)


def _by_layer(
    instance: Instance, weights: FloatArray, offsets: IntArray, members: IntArray
) -> tuple[AndTerms, IntArray]:
    """The terms in order of their layer, and where each has gone."""
    layers = instance.expert_layers[members[offsets[:-1]]]
    order = np.argsort(layers, kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    moved = members[csr_rows(offsets, order)[1]].astype(np.int32)
    starts = np.searchsorted(layers[order], np.arange(instance.n_layers + 1)).astype(np.int64)
    return AndTerms(weights[order], offsets_of(np.diff(offsets)[order]), moved, starts), position


def _sums(which: IntArray, values: FloatArray, length: int) -> FloatArray:
    """(length,) float64, values added up by number."""
    return np.bincount(which, values, minlength=length).astype(np.float64)
