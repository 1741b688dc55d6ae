"""What ties the servers together in the form ``cover``, as rows that prices can be put on.

A *block* is a set of experts under one capacity: a server's cache, or the experts that a set P of servers
holds together. Between blocks there are only rows, so that prices on the rows leave one subproblem a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slimbench.formulations.lagrangian.rewards import Rewards, merged_rewards, servers_share_groups
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray, IntArray, offsets_of


@dataclass(frozen=True)
class Block:
    """A set of experts under one capacity.

    Attributes
    ----------
    capacity_bytes : int
    terms : AndTerms
        Sets of experts that the block is rewarded for; the weights are those that no price changes.
    rows, row_terms : (I,) int64
        The price of row ``rows[i]`` is added to the weight of term ``row_terms[i]``, times ``sign``.
    sign : int
        1 for a server, whose experts satisfy rows; -1 for a union of servers, which has to pay for them.
    """

    capacity_bytes: int
    terms: AndTerms
    rows: IntArray
    row_terms: IntArray
    sign: int


@dataclass(frozen=True)
class Coupling:
    """The blocks and the rows between them.

    Attributes
    ----------
    blocks : one Block a server, then one a union of servers
    rewards : (R,) float64, seconds per token
        W[P, g] of a row z[P, g] <= sum over n in P of p[n, g], to be had outside the blocks; 0 for a row
        y[P, e] <= sum over n in P of x[n, e].
    ceilings : (R,) float64
        Prices above these gain nothing.
    first_prices : (R,) float64
    """

    blocks: tuple[Block, ...]
    rewards: FloatArray
    ceilings: FloatArray
    first_prices: FloatArray


def coupling(instance: Instance) -> Coupling:
    """Blocks and rows of an instance.

    ``single``, ``serial`` and K = 1: a row for every (P, g) with several servers in P, a block a server.
    ``parallel``: servers may share a group, so every P with several servers is a block of its own, which
    holds what they hold together and has room for as much; a row for every (P, e) (docs/MODEL.md).
    """
    rewards = merged_rewards(instance)
    if servers_share_groups(instance):
        return _shared_groups(instance, rewards)
    return _whole_groups(instance, rewards)


def _whole_groups(instance: Instance, rewards: Rewards) -> Coupling:
    set_sizes = rewards.set_sizes[rewards.sets]
    tied = set_sizes > 1
    row_of = np.cumsum(tied) - 1
    pair = np.repeat(np.arange(len(rewards.sets)), set_sizes)
    server = np.concatenate([rewards.servers[s] for s in rewards.sets]) if len(pair) else pair
    blocks = []
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        mine = pair[server == n]
        fixed, priced = mine[~tied[mine]], mine[tied[mine]]
        groups, which = np.unique(rewards.groups[mine], return_inverse=True)
        alone = which.ravel()[~tied[mine]]
        weights = _sums(alone, rewards.weights[fixed], len(groups))
        terms = _terms(instance, rewards, groups, weights)
        blocks.append(Block(capacity, terms, row_of[priced], which.ravel()[tied[mine]], 1))
    worth = rewards.weights[tied]
    return Coupling(tuple(blocks), worth, worth, worth / set_sizes[tied])


def _shared_groups(instance: Instance, rewards: Rewards) -> Coupling:
    """Union blocks. An expert of a block that no group of it needs alone gets a term of weight 0."""
    order = np.argsort(rewards.sets, kind="stable")
    starts = np.searchsorted(rewards.sets[order], np.arange(len(rewards.servers) + 1))
    total_bytes = int(instance.expert_bytes.sum())
    own: list[IntArray] = [np.empty(0, np.int64)] * instance.n_servers
    asked: list[list[tuple[IntArray, IntArray]]] = [[] for _ in range(instance.n_servers)]
    unions: list[Block] = []
    fair: list[FloatArray] = [np.empty(0)]
    ceilings: list[FloatArray] = [np.empty(0)]
    n_rows = 0
    for s, servers in enumerate(rewards.servers):
        pairs = order[starts[s] : starts[s + 1]]
        if len(servers) == 1:
            own[servers[0]] = pairs
            continue
        sizes = rewards.group_sizes[rewards.groups[pairs]]
        members = rewards.members(rewards.groups[pairs])
        experts, which = np.unique(members, return_inverse=True)
        rows = n_rows + np.arange(len(experts))
        n_rows += len(experts)
        worth = np.repeat(rewards.weights[pairs], sizes)
        ceilings.append(_sums(which, worth, len(experts)))
        fair.append(_sums(which, worth / np.repeat(sizes, sizes), len(experts)))
        room = min(total_bytes, sum(int(instance.capacities_bytes[n]) for n in servers))
        unions.append(_priced_block(instance, rewards, pairs, room, rows, experts, -1))
        for n in servers:
            asked[n].append((rows, experts))
    of_servers = []
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        rows = np.concatenate([np.empty(0, np.int64), *(r for r, _ in asked[n])])
        experts = np.concatenate([np.empty(0, np.int64), *(e for _, e in asked[n])])
        of_servers.append(_priced_block(instance, rewards, own[n], capacity, rows, experts, 1))
    return Coupling((*of_servers, *unions), np.zeros(n_rows), np.concatenate(ceilings), np.concatenate(fair))


def _priced_block(
    instance: Instance,
    rewards: Rewards,
    pairs: IntArray,
    capacity: int,
    rows: IntArray,
    experts: IntArray,
    sign: int,
) -> Block:
    """A block with the groups of ``pairs`` and the single experts that its rows name, merged."""
    groups = rewards.groups[pairs]
    sizes = rewards.group_sizes[groups]
    alone = sizes == 1
    single, which = np.unique(
        np.concatenate([experts, rewards.group_members[rewards.group_offsets[groups[alone]]]]),
        return_inverse=True,
    )
    which = which.ravel()
    weights = _sums(which[len(experts) :], rewards.weights[pairs[alone]], len(single))
    large = groups[~alone]
    offsets = offsets_of(np.concatenate([np.ones(len(single), np.int64), sizes[~alone]]))
    members = np.concatenate([single, rewards.members(large)])
    all_weights = np.concatenate([weights, rewards.weights[pairs[~alone]]])
    terms, position = _by_layer(instance, all_weights, offsets, members)
    return Block(capacity, terms, rows, position[which[: len(experts)]], sign)


def _terms(instance: Instance, rewards: Rewards, groups: IntArray, weights: FloatArray) -> AndTerms:
    """Groups in their order, which is that of their layers."""
    offsets = offsets_of(rewards.group_sizes[groups])
    return _by_layer(instance, weights, offsets, rewards.members(groups))[0]


def _by_layer(
    instance: Instance, weights: FloatArray, offsets: IntArray, members: IntArray
) -> tuple[AndTerms, IntArray]:
    """The terms in order of their layer, and where each has gone."""
    layers = instance.expert_layers[members[offsets[:-1]]]
    order = np.argsort(layers, kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    sizes = np.diff(offsets)
    moved = np.repeat(offsets[:-1][order] - offsets_of(sizes[order])[:-1], sizes[order])
    moved_members = members[moved + np.arange(len(members))].astype(np.int32)
    starts = np.searchsorted(layers[order], np.arange(instance.n_layers + 1)).astype(np.int64)
    return AndTerms(weights[order], offsets_of(sizes[order]), moved_members, starts), position


def _sums(which: IntArray, values: FloatArray, length: int) -> FloatArray:
    """(length,) float64, values added up by number."""
    return np.bincount(which.ravel(), values, minlength=length).astype(np.float64)
