"""Subproblems of groups: what one group saves under every pattern of servers that hold it.

Let F_g(b) be what is saved on group g when exactly the servers of b hold it whole: the sum of W[P, g] over
the sets P that meet b. With multipliers lambda[n, g] on "server n holds g", the group's part of the dual is

    max over b of F_g(b) - sum over n in b of lambda[n, g],

found among all patterns b. Its bound is the concave closure of F_g, never above what the rows
z[P, g] <= sum over n in P of p[n, g] give, and below it where the sets P of different users are not nested.

References
----------
Guignard, Kim, Lagrangean decomposition, Mathematical Programming 39, 1987.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from slimbench.formulations.milp.levels import Rewards
from slimbench.formulations.tolerances import slack
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, offsets_of

MAX_SERVERS: Final = 10  # of a group's patterns
MAX_PATTERNS: Final = 2**20  # of all groups together: looking at them takes some milliseconds
SLACK: Final = slack(2 * MAX_SERVERS + 3)  # of so many roundings in F_g(b) - sum of lambda[n, g]


class GroupPatterns(NamedTuple):
    """Groups with a row for each server in some of their sets of several servers.

    Attributes
    ----------
    row_offsets : (G' + 1,) int64
        Rows of a group, in order of servers.
    value_offsets : (G' + 1,) int64
    values : float64, seconds per token
        F_g(b) of the patterns b = 0, 1, ... of a group; bit i stands for the server of its row i.
    pairs : (Q',) int64
        The rewards W[P, g] that F sums up, by their number, in order of groups.
    pair_groups : (Q',) int64
        Number of g among those with patterns.
    pair_offsets, pair_rows : int64, as CSR the rows of the servers of P
    """

    row_offsets: IntArray
    value_offsets: IntArray
    values: FloatArray
    pairs: IntArray
    pair_groups: IntArray
    pair_offsets: IntArray
    pair_rows: IntArray

    @property
    def n_rows(self) -> int:
        """Of all groups."""
        return int(self.row_offsets[-1])


def group_patterns(rewards: Rewards, tied: BoolArray) -> tuple[GroupPatterns, IntArray]:
    """Patterns of the groups with few servers, and the row of every server and group.

    Parameters
    ----------
    tied : (Q,) bool
        Pairs (P, g) that count: those of several servers.

    Returns
    -------
    patterns : GroupPatterns
    rows : (G, N) int64, -1 where the group has no row for the server
    """
    inside, n_groups = rewards.levels.inside, len(rewards.workload.group_sizes)
    near = np.zeros((n_groups, inside.shape[1]), np.bool_)
    np.logical_or.at(near, rewards.groups[tied], inside[rewards.sets[tied]])
    counts = near.sum(axis=1)
    sizes = np.bincount(counts, minlength=MAX_SERVERS + 1)[1 : MAX_SERVERS + 1]
    widest = int((np.cumsum(sizes << np.arange(1, MAX_SERVERS + 1)) <= MAX_PATTERNS).sum())
    near[counts > widest] = False
    counts[counts > widest] = 0
    groups = np.flatnonzero(counts)
    rows = np.where(near, np.cumsum(near.ravel()).reshape(near.shape) - 1, -1)
    pairs = np.flatnonzero(tied & (counts[rewards.groups] > 0))
    pair, servers = np.nonzero(inside[rewards.sets[pairs]])
    pair_rows = rows[rewards.groups[pairs][pair], servers]
    row_offsets, value_offsets = offsets_of(counts[groups]), offsets_of(1 << counts[groups])
    number = np.searchsorted(groups, rewards.groups[pairs])
    bits = np.bincount(pair, 1 << (pair_rows - row_offsets[number[pair]]), minlength=len(pairs))
    values = np.zeros(int(value_offsets[-1]))
    values[value_offsets[number] + bits.astype(np.int64)] = rewards.weights[pairs]
    for count in np.unique(counts[groups]):
        which = value_offsets[:-1][counts[groups] == count]
        table = values[which[:, None] + np.arange(1 << count)]
        for i in range(count):  # sums over subsets
            halves = table.reshape(len(which), -1, 2, 1 << i)
            halves[:, :, 1] += halves[:, :, 0]
        # What the sets that b misses would save is a sum over the subsets of its complement.
        values[which[:, None] + np.arange(1 << count)] = table[:, -1:] - table[:, ::-1]
    pair_offsets = offsets_of(np.bincount(pair, minlength=len(pairs)))
    return GroupPatterns(row_offsets, value_offsets, values, pairs, number, pair_offsets, pair_rows), rows


@compiled
def best_patterns(patterns: GroupPatterns, multipliers: FloatArray, subgradient: FloatArray) -> FloatArray:
    """(G',) float64, each group's part of the dual; its pattern is subtracted from ``subgradient`` (R,).

    A part is a bound in floating point: no sum in it is larger in absolute value than that of the pattern of
    all servers, F_g(all) + sum of lambda[n, g], by which it is raised (``tolerances.raised``).

    O(2^n) for a group with n servers.
    """
    parts = np.zeros(len(patterns.row_offsets) - 1)
    costs = np.zeros(1 << MAX_SERVERS)
    for g in range(len(parts)):
        first, values = patterns.row_offsets[g], patterns.value_offsets[g]
        count, chosen = patterns.row_offsets[g + 1] - first, 0
        for i in range(count):
            for b in range(1 << i):
                costs[b | 1 << i] = costs[b] + multipliers[first + i]
                part = patterns.values[values + (b | 1 << i)] - costs[b | 1 << i]
                if part > parts[g]:
                    parts[g], chosen = part, b | 1 << i
        for i in range(count):
            if chosen >> i & 1:
                subgradient[first + i] -= 1.0
        everywhere = (1 << count) - 1
        parts[g] += SLACK * (patterns.values[values + everywhere] + costs[everywhere])
    return parts
