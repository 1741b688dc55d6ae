"""Two servers filled together, all others fixed: a move that gets out where single servers stall.

A *unit* is a set of experts of one layer that groups connect: the whole layer as a rule, a single expert
where all groups have one. With every server but a and b fixed, what they save together in one unit is

    A(S_a) + B(S_b) - D(S_a & S_b)    where groups are served whole (``single``, ``serial``, K = 1), or
    A(S_a) + B(S_b) + U(S_a | S_b)    where servers may share a group (``parallel``),

each letter a sum over AND-terms: a group that either could serve counts in A, B and D; a group whose missing
experts may come from both counts in U. Tables of all three over every set of a unit's experts give the most
that any pair of sets saves by their sizes, and a knapsack over the units in two capacities joins them: O(4^k)
a unit of k experts, O(2^k k) a candidate set where k is larger, and C_a C_b k^2 a unit for the knapsack.

References
----------
Kellerer, Pferschy, Pisinger, Knapsack Problems, 2004, chapter 9 (several capacities).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import scipy

from slimbench.formulations.heuristics.sweep import sweep
from slimbench.formulations.heuristics.two_servers import EVERY_PAIR, Units, fill_two
from slimbench.formulations.milp.levels import Rewards, merged_rewards
from slimbench.formulations.terms.and_terms import servers_share_groups
from slimbench.formulations.tolerances import EXACT_EXPERTS
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import BoolArray, IntArray, offsets_of

MAX_STEPS: Final = 3e7  # of the knapsack in two capacities; a few hundredths of a second


class PairMoves:
    """Optimises two servers of an instance together.

    Exact where no unit has more than ``EVERY_PAIR`` experts; in units of up to ``EXACT_EXPERTS`` one of the
    two servers chooses among candidate sets and the other is optimised exactly for each; larger units keep
    what they hold.

    Attributes
    ----------
    pairs : list of (int, int)
        Servers that some user sees both of, where some unit can be filled.
    narrow : bool
        No unit keeps what it holds.
    complete : bool
        Every server is in a pair and every pair is optimised exactly, so single servers need no move.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        rewards = merged_rewards(instance)
        self._named = np.unique(rewards.workload.group_experts)
        self._unit_of = _unit_of(rewards, self._named)
        counts = np.bincount(self._unit_of)
        self._small = counts <= EXACT_EXPERTS
        self.narrow = bool(self._small.all())
        by_unit = np.argsort(self._unit_of, kind="stable")
        self._bits = np.empty(len(by_unit), np.int64)
        self._bits[by_unit] = np.arange(len(by_unit)) - offsets_of(counts)[self._unit_of[by_unit]]
        self._unit_layers = instance.expert_layers[self._named[by_unit[offsets_of(counts)[:-1]]]]
        self._bytes = int(np.gcd.reduce(instance.expert_bytes))
        sizes = np.array([model.expert_bytes for model in instance.models], np.int64) // self._bytes
        self._units = self._rewarded(rewards, counts, sizes[instance.layer_models[self._unit_layers]])
        together = self._units.inside.astype(np.int64).T @ self._units.inside.astype(np.int64)
        self.pairs = [
            (a, b) for a in range(instance.n_servers) for b in range(a) if together[a, b] and self._fits(a, b)
        ]
        self.complete = bool(np.all(counts <= EVERY_PAIR)) and instance.n_servers == len(
            {n for pair in self.pairs for n in pair}
        )

    def _rewarded(self, rewards: Rewards, counts: IntArray, sizes: IntArray) -> Units:
        """The units with their rewards in order."""
        offsets = rewards.workload.group_offsets
        members = np.searchsorted(self._named, rewards.workload.group_experts)
        units = self._unit_of[members[offsets[:-1]]]
        small = self._small[self._unit_of[members]]
        bits = np.where(small, np.left_shift(1, np.where(small, self._bits[members], 0)), 0)
        sets = np.bitwise_or.reduceat(bits, offsets[:-1]) if len(bits) else bits
        order = np.argsort(units[rewards.groups], kind="stable")
        starts = np.searchsorted(units[rewards.groups[order]], np.arange(len(counts) + 1))
        return Units(
            servers_share_groups(self.instance),
            starts.astype(np.int64),
            sets[rewards.groups[order]],
            rewards.weights[order],
            rewards.levels.inside[rewards.sets[order]],
            counts,
            sizes,
        )

    def _fits(self, a: int, b: int) -> bool:
        """Whether there is anything to fill, and the knapsack in two capacities is small enough."""
        rooms = [int(self.instance.capacities_bytes[n]) // self._bytes + 1 for n in (a, b)]
        counts = self._units.counts[self._small]
        largest = int((counts * self._units.sizes[self._small]).sum()) + 1
        choices = float(((counts + 1.0) ** 2).sum())
        return 0 < choices * min(rooms[0], largest) * min(rooms[1], largest) <= MAX_STEPS

    def improved(self, holds: BoolArray, a: int, b: int, layers: BoolArray | None = None) -> BoolArray | None:
        """``holds`` with servers ``a`` and ``b`` filled as well as possible; None if that saves no more.

        Parameters
        ----------
        layers : (B,) bool, optional
            Layers that may change; all by default.
        """
        movable = self._small if layers is None else self._small & layers[self._unit_layers]
        small = self._small[self._unit_of]
        masks = np.zeros((self.instance.n_servers, len(movable)), np.int64)
        for n in range(self.instance.n_servers):
            bits = np.left_shift(holds[n, self._named[small]].astype(np.int64), self._bits[small])
            masks[n] = np.bincount(self._unit_of[small], bits, minlength=len(movable))
        kept = np.zeros(self.instance.n_experts, np.bool_)
        if layers is not None:
            kept = ~layers[self.instance.expert_layers]
        kept[self._named[~movable[self._unit_of]]] = True
        rooms = np.empty(2, np.int64)
        for i, n in enumerate((a, b)):
            taken = int(self.instance.expert_bytes[holds[n] & kept].sum())
            rooms[i] = (int(self.instance.capacities_bytes[n]) - taken) // self._bytes
        gain, chosen = fill_two(self._units, a, b, movable, masks, rooms)
        if not gain:
            return None
        better = holds.copy()
        for i, n in enumerate((a, b)):
            better[n, ~kept] = False
            mine = movable[self._unit_of]
            better[n, self._named[mine]] = chosen[i, self._unit_of[mine]] >> self._bits[mine] & 1 == 1
        return better


def _unit_of(rewards: Rewards, named: IntArray) -> IntArray:
    """(named,) number of each expert's unit, in order of their first experts."""
    workload = rewards.workload
    members = np.searchsorted(named, workload.group_experts)
    firsts = np.repeat(members[workload.group_offsets[:-1]], workload.group_sizes)
    links = scipy.sparse.coo_array((np.ones(len(members)), (firsts, members)), shape=(len(named), len(named)))
    labels = scipy.sparse.csgraph.connected_components(links, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse.ravel()], np.int64)


def sweep_pairs(
    moves: PairMoves,
    start: Placement,
    on_improvement: Callable[[Placement], None] = lambda _: None,
    expired: Callable[[], bool] = lambda: False,
    rng: np.random.Generator | None = None,
    layers: BoolArray | None = None,
) -> Placement:
    """Fill pairs of servers in turn until no pair improves; never worse than ``start``.

    It ends: the rewards, and so the function that pairs raise, are the same in every move.
    """
    holds = start.holds

    def improves(pair: int) -> bool:
        nonlocal holds
        better = moves.improved(holds, *moves.pairs[pair], layers)
        if better is None:
            return False
        holds = better
        on_improvement(Placement(holds))
        return True

    sweep(len(moves.pairs), improves, expired, order=range if rng is None else rng.permutation)
    return Placement(holds)
