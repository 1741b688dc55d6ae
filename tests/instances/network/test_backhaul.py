"""Wires against networkx, and detours against sums by hand."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest

from slimbench.instances.network import Network, WiredGraph, connect, draw_network, draw_servers
from slimbench.instances.network.backhaul import Mesh, Ring, Tree, Wire, Wires
from slimbench.instances.network.layout import HexagonalLayout, HighwayLayout
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.zoo import zoo_model

MODELS = [zoo_model("mixtral-8x7b"), zoo_model("switch-base-8")]
SOME = Wires(
    wires=(
        Wire(between=(0, 1), delay_s=1e-3, bit_per_s=1e9),
        Wire(between=(1, 2), delay_s=1e-3),
        Wire(between=(0, 2), delay_s=5e-3),
        Wire(between=(3, 2), bit_per_s=1e6),
    )
)
KINDS: list[Any] = [
    Ring(),
    Ring(max_hops=2),
    Tree(),
    Tree(branching=2, max_hops=4),
    Mesh(),
    Mesh(neighbours=1),
    SOME,
]


def sites(servers: int, seed: int = 0) -> np.ndarray:
    return 400 * np.random.default_rng(seed).random((servers, 2))


def graph_of(backhaul: Any, servers_m: np.ndarray) -> WiredGraph:
    graph = connect(Network(servers=len(servers_m), backhaul=backhaul), servers_m)
    assert graph is not None
    return graph


def by_networkx(graph: WiredGraph, bits: float) -> nx.Graph:
    drawn = nx.Graph()
    drawn.add_nodes_from(range(len(graph.positions_m)))
    for (one, other), delay_s, rate in zip(graph.ends.tolist(), graph.delays_s, graph.bit_per_s, strict=True):
        assert not drawn.has_edge(one, other)
        drawn.add_edge(one, other, weight=delay_s + bits / rate)
    return drawn


@pytest.mark.parametrize("backhaul", KINDS, ids=repr)
def test_times_and_hops_are_those_of_networkx(backhaul: Any) -> None:
    graph = graph_of(backhaul, sites(11))
    known = by_networkx(graph, 65_536)
    times_s, hops = graph.times_s(np.arange(11), 65_536), graph.hops(np.arange(11))
    for source in range(11):
        expected_s = nx.single_source_dijkstra_path_length(known, source)
        assert {n: t for n, t in enumerate(times_s[source]) if t < math.inf} == pytest.approx(expected_s)
        expected = nx.single_source_shortest_path_length(known, source)
        assert {n: h for n, h in enumerate(hops[source]) if h < math.inf} == expected


@pytest.mark.parametrize("backhaul", KINDS, ids=repr)
def test_latency_is_radio_and_compute_and_twice_the_way(backhaul: Any) -> None:
    network = Network(servers=8, users=12, backhaul=backhaul)
    servers = draw_servers(network, np.random.default_rng(0))
    radio = draw_network(network, servers, MODELS, np.random.default_rng(3))
    graph = graph_of(backhaul, radio.server_positions_m)
    for m, model in enumerate(MODELS):
        known = by_networkx(graph, 8 * model.hidden_state_bytes)
        for user, own in enumerate(radio.own_cells.tolist()):
            least_s = radio.edge_latency_s[user, own, m]
            ways_s = nx.single_source_dijkstra_path_length(known, own)
            hops = nx.single_source_shortest_path_length(known, own)
            for server in range(8):
                most = math.inf if backhaul.max_hops is None else backhaul.max_hops
                reached = hops.get(server, math.inf) <= most and server in ways_s
                expected = least_s + 2 * ways_s[server] if reached else math.inf
                assert radio.edge_latency_s[user, server, m] == pytest.approx(expected, abs=2e-9)


def test_a_ring_goes_once_around() -> None:
    angles = np.random.default_rng(4).permutation(9) * 2 * np.pi / 9
    servers_m = 100 * np.column_stack([np.cos(angles), np.sin(angles)])
    graph = graph_of(Ring(), servers_m)
    assert len(graph.ends) == 9
    lengths_m = np.linalg.norm(servers_m[graph.ends[:, 0]] - servers_m[graph.ends[:, 1]], axis=1)
    assert lengths_m == pytest.approx(200 * math.sin(math.pi / 9), abs=0.01)  # neighbours on the circle


@pytest.mark.parametrize(("servers", "wires"), [(1, 0), (2, 1), (3, 3)])
def test_small_rings(servers: int, wires: int) -> None:
    assert len(graph_of(Ring(), sites(servers)).ends) == wires


@pytest.mark.parametrize(("servers", "branching"), [(1, 2), (2, 2), (7, 2), (16, 4), (17, 4), (30, 12)])
def test_a_tree_joins_all_servers_and_no_switch_has_more_wires_down_than_it_may(
    servers: int, branching: int
) -> None:
    graph = graph_of(Tree(branching=branching), sites(servers))
    known = by_networkx(graph, 1)
    assert nx.is_tree(known)
    degrees = dict(known.degree())
    assert all(degrees[server] == (servers > 1) for server in range(servers))
    down = [degrees[switch] - 1 for switch in range(servers, len(degrees))]
    assert not down or (down[-1] + 1 <= branching and max(down) <= branching)


def test_sixteen_servers_hang_on_four_switches_that_hang_on_one() -> None:
    graph = graph_of(Tree(), sites(16))
    assert len(graph.positions_m) == 16 + 4 + 1
    hops = graph.hops(np.arange(16))[:, :16]
    assert [(hops[0] == h).sum() for h in (0, 2, 4)] == [1, 3, 12]


def test_neighbours_of_a_mesh_that_are_equally_near_are_all_wired() -> None:
    graph = graph_of(Mesh(neighbours=3), HexagonalLayout().sites_m(7))
    assert len(graph.ends) == 6 + 6
    line = graph_of(Mesh(neighbours=1), HighwayLayout().sites_m(5))
    assert line.ends.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert len(graph_of(Mesh(neighbours=9), sites(4)).ends) == 6
    assert len(graph_of(Mesh(), sites(1)).ends) == 0


def test_servers_on_one_spot_are_wired() -> None:
    for backhaul, wires in ((Ring(), 4), (Mesh(), 6), (Tree(), 4)):
        assert len(graph_of(backhaul, np.zeros((4, 2))).ends) == wires


def test_an_infinite_delay_is_no_wire() -> None:
    network = Network(servers=4, users=9, backhaul=Ring(), backhaul_delay_s=math.inf)
    servers = draw_servers(network, np.random.default_rng(0))
    radio = draw_network(network, servers, MODELS, np.random.default_rng(3))
    assert np.isfinite(radio.edge_latency_s).sum() == 9 * len(MODELS)


def test_parts_without_a_wire_between_them_do_not_serve_each_other() -> None:
    servers_m = np.array([[0, 0], [1, 0], [100, 0], [101, 0]], float)
    times_s = graph_of(Mesh(neighbours=1), servers_m).times_s(np.array([0]), 1)
    assert np.isinf(times_s[0]).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: Network(servers=3, backhaul=SOME),
            r"network.backhaul.wires\[3\].between: is \[3, 2\], expected two different servers from 0 to 2",
        ),
        (
            lambda: Network(backhaul=Wires(wires=(Wire(between=(1, 1)),))),
            r"network.backhaul.wires\[0\].between: is \[1, 1\], expected two different",
        ),
        (
            lambda: Network(backhaul=Wires(wires=(Wire(between=(0, 1)), Wire(between=(1, 0))))),
            r"network.backhaul.wires\[1\].between: is \[1, 0\] a second time",
        ),
        (lambda: Wire(between=(0, 1), delay_s=-1), "network.backhaul.wires.delay_s: is -1, expected 0 to"),
        (
            lambda: Network(backhaul=Ring(), coverage_radius_m=100),
            "network.coverage_radius_m: goes with the backhaul one-hop",
        ),
    ],
)
def test_wires_that_cannot_be_are_named(make: Any, problem: str) -> None:
    with pytest.raises(InstanceError, match=f"^{problem}"):
        make()
