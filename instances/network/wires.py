"""The graph of wires between servers, and how long a token takes over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from slimbench.instances.network.backhaul import Backhaul, Mesh, OneHop, Ring, Tree, Wires
from slimbench.instances.network.parameters import Network
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

_MILLIMETRE: Final = 1e-3  # distances that differ by less are equal: no wire depends on the last bit
_DECIMALS: Final = 3


@dataclass(frozen=True, eq=False)
class WiredGraph:
    """Wires of L links between N servers and the switches numbered after them.

    Parameters
    ----------
    positions_m : (N + S, 2) float64, metres
        Of servers and switches; a switch is drawn in the middle of what hangs on it.
    ends : (L, 2) int64
    delays_s : (L,) float64, one way
    bit_per_s : (L,) float64
    """

    positions_m: FloatArray
    ends: IntArray
    delays_s: FloatArray
    bit_per_s: FloatArray

    def times_s(self, sources: IntArray, bits: float) -> FloatArray:
        """(len(sources), N + S) seconds one way over the fastest path, delay + bits / rate a wire."""
        return self._shortest(self.delays_s + bits / self.bit_per_s, sources)

    def hops(self, sources: IntArray) -> FloatArray:
        """(len(sources), N + S) fewest wires, inf if there is no path."""
        return self._shortest(np.ones(len(self.ends)), sources)

    def among(self, in_service: BoolArray) -> WiredGraph:
        """The wires that are left when only the servers ``in_service`` (N,) are; switches always are."""
        nodes = np.ones(len(self.positions_m), np.bool_)
        nodes[: len(in_service)] = in_service
        left = nodes[self.ends].all(axis=1)
        return WiredGraph(self.positions_m, self.ends[left], self.delays_s[left], self.bit_per_s[left])

    def _shortest(self, weights: FloatArray, sources: IntArray) -> FloatArray:
        nodes = len(self.positions_m)
        graph = scipy.sparse.csr_array((weights, (self.ends[:, 0], self.ends[:, 1])), shape=(nodes, nodes))
        return np.asarray(scipy.sparse.csgraph.dijkstra(graph, directed=False, indices=sources))


def connect(network: Network, servers_m: FloatArray) -> WiredGraph | None:
    """The wires between servers at ``servers_m`` (N, 2); None for ``one-hop``."""
    nodes_m = np.round(servers_m, _DECIMALS) + 0.0
    match network.backhaul:
        case OneHop():
            return None
        case Ring():
            ends = _ring(nodes_m)
        case Tree(branching=branching):
            nodes_m, ends = _tree(nodes_m, branching)
        case Mesh(neighbours=neighbours):
            ends = _mesh(nodes_m, neighbours)
        case Wires(wires=wires):
            ends = np.array([wire.between for wire in wires], np.int64).reshape(-1, 2)
            delays = [network.backhaul_delay_s if w.delay_s is None else w.delay_s for w in wires]
            rates = [network.backhaul_bit_per_s if w.bit_per_s is None else w.bit_per_s for w in wires]
            return WiredGraph(nodes_m, ends, np.array(delays, np.float64), np.array(rates, np.float64))
    count = len(ends)
    return WiredGraph(
        nodes_m, ends, np.full(count, network.backhaul_delay_s), np.full(count, network.backhaul_bit_per_s)
    )


def detours_s(
    network: Network,
    bits: FloatArray,
    own_cells: IntArray,
    servers_m: FloatArray,
    distances_m: FloatArray,
    in_service: BoolArray,
) -> FloatArray:
    """(U, N, M) seconds there and back between own cell and server, inf where it does not serve the user.

    Parameters
    ----------
    network : Network
    bits : (M,) float64, of a hidden state
    own_cells : (U,) int64
    servers_m : (N, 2) float64
    distances_m : (U, N) float64, from user to server
    in_service : (N,) bool
        A server out of service is not reached, and its wires are dead: nothing passes through it.
    """
    own = own_cells[:, None] == np.arange(len(servers_m))
    graph = connect(network, servers_m)
    if graph is None:
        hop_s = 2 * (network.backhaul_delay_s + bits / network.backhaul_bit_per_s)
        near = ((distances_m <= network.coverage_radius_m) & in_service)[:, :, None]
        return np.where(own[:, :, None], 0.0, np.where(near, hop_s, np.inf))
    graph = graph.among(in_service)
    cells, cell_of = np.unique(own_cells, return_inverse=True)
    servers = len(servers_m)
    ways_s = np.stack([2 * graph.times_s(cells, size)[:, :servers] for size in bits], axis=2)
    ways_s[~_within(network.backhaul, graph, cells, servers)] = np.inf
    return np.asarray(ways_s[cell_of])


def _within(backhaul: Backhaul, graph: WiredGraph, cells: IntArray, servers: int) -> BoolArray:
    """(cells, N) bool, whether a path has few enough wires."""
    most = None if isinstance(backhaul, OneHop) else backhaul.max_hops
    if most is None:
        return np.ones((len(cells), servers), np.bool_)
    return np.asarray(graph.hops(cells)[:, :servers] <= most)


# Graphs


def _ring(nodes_m: FloatArray) -> IntArray:
    """(L, 2); two servers have one wire, a single one has none."""
    away_m = np.round(nodes_m - nodes_m.mean(axis=0), _DECIMALS) + 0.0
    order = np.argsort(np.round(np.arctan2(away_m[:, 1], away_m[:, 0]), 9), kind="stable")
    around = np.column_stack([order, np.roll(order, -1)])
    return np.asarray(around[: len(order) if len(order) > 2 else len(order) - 1], np.int64)


def _tree(nodes_m: FloatArray, branching: int) -> tuple[FloatArray, IntArray]:
    """(N + S, 2) positions with those of switches, and (L, 2) wires."""
    positions_m, ends = [nodes_m], [np.empty((0, 2), np.int64)]
    first, level_m = 0, nodes_m
    while len(level_m) > 1:
        groups = _groups(level_m, np.arange(len(level_m)), branching)
        switches = first + len(level_m) + np.arange(len(groups))
        for switch, group in zip(switches, groups, strict=True):
            ends.append(np.column_stack([first + group, np.full(len(group), switch)]))
        first, level_m = first + len(level_m), np.array([level_m[group].mean(axis=0) for group in groups])
        level_m = np.round(level_m, _DECIMALS)
        positions_m.append(level_m)
    return np.concatenate(positions_m), np.concatenate(ends)


def _groups(nodes_m: FloatArray, members: IntArray, most: int) -> list[IntArray]:
    """Members in groups of at most ``most``, all but one full: the longer side is cut where groups end."""
    if len(members) <= most:
        return [members]
    sides_m = np.round(np.ptp(nodes_m[members], axis=0), _DECIMALS)
    axis = int(sides_m[1] > sides_m[0])
    ordered = members[np.argsort(nodes_m[members, axis], kind="stable")]
    count = -(-len(members) // most)
    cut = count // 2 * most
    return [*_groups(nodes_m, ordered[:cut], most), *_groups(nodes_m, ordered[cut:], most)]


def _mesh(nodes_m: FloatArray, neighbours: int) -> IntArray:
    """(L, 2), each wire once."""
    nearest = min(neighbours, len(nodes_m) - 1)
    if nearest == 0:
        return np.empty((0, 2), np.int64)
    places = scipy.spatial.KDTree(nodes_m)
    distances_m, _ = places.query(nodes_m, [nearest + 1])  # the nearest of all is itself
    reach_m = np.asarray(distances_m)[:, 0]
    near = places.query_ball_point(nodes_m, reach_m + _MILLIMETRE)
    pairs = {(min(i, j), max(i, j)) for i, found in enumerate(near) for j in found if i != j}
    return np.array(sorted(pairs), np.int64)
