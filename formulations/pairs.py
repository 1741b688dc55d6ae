"""Two servers filled together, all others fixed: a move that gets out where single servers stall.

With every server but a and b fixed, what they save together in one layer is

    A(S_a) + B(S_b) - D(S_a & S_b)    where groups are served whole (``single``, ``serial``, K = 1), or
    A(S_a) + B(S_b) + U(S_a | S_b)    where servers may share a group (``parallel``),

each letter a sum over AND-terms: a group that either could serve counts in A, B and D; a group whose missing
experts may come from both counts in U. Tables of all three over every set of a layer's experts give the most
that any pair of sets saves by their sizes, and a knapsack over the layers in two capacities joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from slimbench.formulations.profiles import best_of_size, set_sizes, subset_sums
from slimbench.formulations.rewards import Rewards, merged_rewards, servers_share_groups
from slimbench.instances import Instance, Placement
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray, compiled, offsets_of

EVERY_PAIR: Final = 8  # experts of a layer up to which all pairs of sets are tried: 4^8 = 65,536
MOST_EXPERTS: Final = 16  # above, a layer keeps what it holds
MOST_STEPS: Final = 3e7  # of the knapsack in two capacities; a few hundredths of a second


class PairMoves:
    """Optimises two servers of an instance together.

    Exact where no layer names more than ``EVERY_PAIR`` experts; in layers of up to ``MOST_EXPERTS`` one of
    the two servers chooses among candidate sets and the other is optimised exactly for each; larger layers
    keep what they hold.

    Attributes
    ----------
    pairs : list of (int, int)
        Servers that some user sees both of.
    complete : bool
        Every server is in a pair and every pair is optimised exactly, so single servers need no move.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        rewards = merged_rewards(instance)
        self._shared = servers_share_groups(instance)
        self._named = np.unique(rewards.group_members)
        self._layers = instance.expert_layers[self._named]
        self._counts = np.bincount(self._layers, minlength=instance.n_layers)
        self._small = self._counts <= MOST_EXPERTS
        firsts = offsets_of(self._counts)
        self._bits = np.arange(len(self._named)) - firsts[self._layers]
        self._sets, self._weights, self._inside, self._starts = self._by_layer(rewards)
        self._unit = int(np.gcd.reduce(instance.expert_bytes))
        sizes = np.array([model.expert_bytes for model in instance.models], np.int64) // self._unit
        self._sizes = sizes[instance.layer_models]
        together = self._inside.astype(np.int64).T @ self._inside.astype(np.int64)
        self.pairs = [
            (a, b) for a in range(instance.n_servers) for b in range(a) if together[a, b] and self._fits(a, b)
        ]
        self.complete = bool(np.all(self._counts <= EVERY_PAIR)) and instance.n_servers == len(
            {n for pair in self.pairs for n in pair}
        )

    def _by_layer(self, rewards: Rewards) -> tuple[IntArray, FloatArray, BoolArray, IntArray]:
        """Groups as bits of their layer, weights, and P as (Q, N) bool, in order of the layer."""
        bits = self._bits[np.searchsorted(self._named, rewards.group_members)]
        first = rewards.group_members[rewards.group_offsets[:-1]]
        layers = self.instance.expert_layers[first]
        inside = self._small[np.repeat(layers, rewards.group_sizes)]
        bits = np.where(inside, np.left_shift(1, np.where(inside, bits, 0)), 0)
        sets = np.bitwise_or.reduceat(bits, rewards.group_offsets[:-1]) if len(bits) else bits
        order = np.argsort(layers[rewards.groups], kind="stable")
        starts = np.searchsorted(layers[rewards.groups[order]], np.arange(self.instance.n_layers + 1))
        return (
            sets[rewards.groups[order]],
            rewards.weights[order],
            rewards.inside(self.instance.n_servers)[rewards.sets[order]],
            starts.astype(np.int64),
        )

    def _fits(self, a: int, b: int) -> bool:
        """Whether the knapsack in two capacities is small enough."""
        rooms = [int(self.instance.capacities_bytes[n]) // self._unit + 1 for n in (a, b)]
        largest = int((self._counts * self._sizes)[self._small].sum()) + 1
        choices = float(((self._counts[self._small] + 1.0) ** 2).sum())
        return min(rooms[0], largest) * min(rooms[1], largest) * choices <= MOST_STEPS

    def improved(self, holds: BoolArray, a: int, b: int, layers: BoolArray | None = None) -> BoolArray | None:
        """``holds`` with servers ``a`` and ``b`` filled as well as possible; None if that saves no more.

        Parameters
        ----------
        layers : (B,) bool, optional
            Layers that may change; all by default.
        """
        movable = self._small if layers is None else self._small & layers
        masks = np.zeros((self.instance.n_servers, self.instance.n_layers), np.int64)
        small = self._small[self._layers]
        for n in range(self.instance.n_servers):
            bits = np.left_shift(holds[n, self._named[small]].astype(np.int64), self._bits[small])
            masks[n] = np.bincount(self._layers[small], bits, minlength=self.instance.n_layers)
        kept = ~movable[self.instance.expert_layers]
        rooms = np.empty(2, np.int64)
        for i, n in enumerate((a, b)):
            taken = int(self.instance.expert_bytes[holds[n] & kept].sum())
            rooms[i] = (int(self.instance.capacities_bytes[n]) - taken) // self._unit
        gain, chosen = _fill_two(
            self._shared, a, b, self._sets, self._weights, self._inside, self._starts,
            self._counts, movable, self._sizes, masks, rooms,
        )  # fmt: skip
        if not gain:
            return None
        better = holds.copy()
        for i, n in enumerate((a, b)):
            better[n, ~kept] = False
            mine = movable[self._layers]
            better[n, self._named[mine]] = chosen[i, self._layers[mine]] >> self._bits[mine] & 1 == 1
        return better


def sweep_pairs(
    moves: PairMoves,
    start: Placement,
    on_improvement: Callable[[Placement], None],
    expired: Callable[[], bool],
    rng: np.random.Generator | None = None,
    layers: BoolArray | None = None,
) -> Placement:
    """Fill pairs of servers in turn until a whole round improves none; never worse than ``start``."""
    holds = start.holds
    unchanged = 0
    while unchanged < len(moves.pairs):
        for i in range(len(moves.pairs)) if rng is None else rng.permutation(len(moves.pairs)):
            if unchanged == len(moves.pairs) or expired():
                return Placement(holds)
            better = moves.improved(holds, *moves.pairs[i], layers)
            unchanged += 1
            if better is not None:
                holds, unchanged = better, 0
                on_improvement(Placement(holds))
    return Placement(holds)


@compiled
def _fill_two(
    shared: bool,
    a: int,
    b: int,
    sets: IntArray,
    weights: FloatArray,
    inside: BoolArray,
    starts: IntArray,
    counts: IntArray,
    small: BoolArray,
    sizes: IntArray,
    masks: IntArray,
    rooms: IntArray,
) -> tuple[bool, IntArray]:
    """Whether the two save more than now, and their sets (2, B) as bits."""
    n_layers, widest = len(counts), 0
    for layer in range(n_layers):
        if small[layer]:
            widest = max(widest, counts[layer])
    best = np.full((n_layers, widest + 1, widest + 1), -np.inf)
    args = np.zeros((2, n_layers, widest + 1, widest + 1), np.int64)
    now = 0.0
    for layer in range(n_layers):
        if not small[layer]:
            best[layer, 0, 0] = 0.0
            continue
        k = counts[layer]
        alone_a, alone_b, joint = _tables(
            shared, a, b, sets, weights, inside, starts[layer], starts[layer + 1], k, masks[:, layer]
        )
        x, y = masks[a, layer], masks[b, layer]
        now += alone_a[x] + alone_b[y] + joint[x | y if shared else x & y]
        candidates = np.arange(1 << k)
        if k > EVERY_PAIR:
            candidates = _candidates(shared, alone_a, joint, k, x, y)
        _pair_profile(shared, alone_a, alone_b, joint, k, candidates, best[layer], args[:, layer])
    largest = np.sum(counts[small] * sizes[small])
    reach_a, reach_b = min(rooms[0], largest), min(rooms[1], largest)
    curve = np.zeros((reach_a + 1, reach_b + 1))
    choice = np.zeros((n_layers, reach_a + 1, reach_b + 1), np.int16)
    for layer in range(n_layers):
        joined = np.full(curve.shape, -np.inf)
        most = counts[layer] if small[layer] else 0
        for i in range(most + 1):
            for j in range(most + 1):
                value, di, dj = best[layer, i, j], i * sizes[layer], j * sizes[layer]
                for p in range(di, reach_a + 1):
                    for q in range(dj, reach_b + 1):
                        if curve[p - di, q - dj] + value > joined[p, q]:
                            joined[p, q] = curve[p - di, q - dj] + value
                            choice[layer, p, q] = i * (most + 1) + j
        curve = joined
    chosen = np.zeros((2, n_layers), np.int64)
    p, q = reach_a, reach_b
    for layer in range(n_layers - 1, -1, -1):
        most = counts[layer] if small[layer] else 0
        i, j = divmod(choice[layer, p, q], most + 1)
        chosen[0, layer], chosen[1, layer] = args[0, layer, i, j], args[1, layer, i, j]
        p, q = p - i * sizes[layer], q - j * sizes[layer]
    return curve[reach_a, reach_b] > now * (1 + 1e-12), chosen  # rounding is no improvement


@compiled
def _tables(
    shared: bool,
    a: int,
    b: int,
    sets: IntArray,
    weights: FloatArray,
    inside: BoolArray,
    start: int,
    stop: int,
    k: int,
    masks: IntArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A, B, and -D or U of one layer, (2^k,) each."""
    alone_a, alone_b, joint = np.zeros(1 << k), np.zeros(1 << k), np.zeros(1 << k)
    for r in range(start, stop):
        in_a, in_b = inside[r, a], inside[r, b]
        if not (in_a or in_b):
            continue
        missing, served = sets[r], False
        for n in range(len(masks)):
            if n not in {a, b} and inside[r, n]:
                if shared:
                    missing &= ~masks[n]
                else:
                    served |= missing & ~masks[n] == 0
        if served or missing == 0:
            continue
        if in_a and in_b and shared:
            joint[missing] += weights[r]
            continue
        if in_a:
            alone_a[missing] += weights[r]
        if in_b:
            alone_b[missing] += weights[r]
        if in_a and in_b:
            joint[missing] -= weights[r]
    subset_sums(alone_a, k)
    subset_sums(alone_b, k)
    subset_sums(joint, k)
    return alone_a, alone_b, joint


@compiled
def _candidates(shared: bool, alone: FloatArray, joint: FloatArray, k: int, x: int, y: int) -> IntArray:
    """Sets of a worth trying: the best of each size beside an empty b, or beside b's present; a's own."""
    found = np.empty(2 * (k + 1) + 1, np.int64)
    sums, best, arg = np.empty(1 << k), np.empty(k + 1), np.empty(k + 1, np.int64)
    sizes = set_sizes(k)
    for beside in range(2):
        held = y if beside else 0
        for mask in range(1 << k):
            sums[mask] = alone[mask] + joint[mask | held if shared else mask & held]
        best_of_size(sums, sizes, best, arg)
        found[beside * (k + 1) : (beside + 1) * (k + 1)] = arg
    found[-1] = x
    return np.unique(found)


@compiled
def _pair_profile(
    shared: bool,
    alone_a: FloatArray,
    alone_b: FloatArray,
    joint: FloatArray,
    k: int,
    candidates: IntArray,
    best: FloatArray,
    args: IntArray,
) -> None:
    """Write the most that sets of i and j experts save together, and the sets, for all i, j up to k."""
    sizes = set_sizes(k)
    by_size = np.argsort(sizes, kind="mergesort")
    ends = np.searchsorted(sizes[by_size], np.arange(k + 1), side="right")
    second = alone_b[by_size]
    for x in candidates:
        i, first = sizes[x], 0
        for j in range(k + 1):
            most, reached_by = -np.inf, -1
            for r in range(first, ends[j]):
                y = by_size[r]
                value = second[r] + joint[x | y if shared else x & y]
                if value > most:
                    most, reached_by = value, r
            first = ends[j]
            if alone_a[x] + most > best[i, j]:
                best[i, j] = alone_a[x] + most
                args[0, i, j], args[1, i, j] = x, by_size[reached_by]
