import msgspec
import numpy as np
import pytest

from slimbench.instances.network import Network, draw_network, draw_servers
from slimbench.instances.network.servers import ServerClass
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.zoo import zoo_model

BIG = ServerClass(name="big", share=1, capacity_share=0.5, flop_per_s=4e12, power_dbm=50)
SMALL = ServerClass(name="small", share=3, capacity_share=0.1)
MIXED = Network(servers=8, users=30, classes=(BIG, SMALL))
MODELS = [zoo_model("mixtral-8x7b")]


def test_servers_without_classes_are_alike_and_numbered() -> None:
    servers = draw_servers(Network(servers=3), np.random.default_rng(0))
    assert servers.names == ("edge-0", "edge-1", "edge-2")
    assert servers.capacity_shares.tolist() == [0.25] * 3
    assert servers.flop_per_s.tolist() == [6e11] * 3
    assert servers.power_dbm.tolist() == [44] * 3


def test_classes_have_their_shares_and_what_they_do_not_say_is_the_networks() -> None:
    servers = draw_servers(MIXED, np.random.default_rng(0))
    big = np.array([name.startswith("big-") for name in servers.names])
    assert big.sum() == 2
    assert sorted(servers.names) == ["big-0", "big-1", *(f"small-{i}" for i in range(6))]
    for figures, of_big, of_small in (
        (servers.capacity_shares, 0.5, 0.1),
        (servers.flop_per_s, 4e12, 6e11),
        (servers.power_dbm, 50, 44),
    ):
        assert set(figures[big]) == {of_big}
        assert set(figures[~big]) == {of_small}


def test_which_servers_are_of_a_class_is_drawn() -> None:
    names = {draw_servers(MIXED, np.random.default_rng(seed)).names for seed in range(10)}
    assert len(names) > 3


def test_a_faster_server_computes_faster_and_a_stronger_one_attracts_users() -> None:
    servers = draw_servers(MIXED, np.random.default_rng(0))
    mixed = draw_network(MIXED, servers, MODELS, np.random.default_rng(1))
    alike_network = msgspec.structs.replace(MIXED, classes=())
    alike = draw_network(
        alike_network, draw_servers(alike_network, np.random.default_rng(0)), MODELS, np.random.default_rng(1)
    )
    big = np.flatnonzero([name.startswith("big-") for name in servers.names])
    attracted = np.isin(mixed.own_cells, big)
    assert attracted.sum() > np.isin(alike.own_cells, big).sum()
    assert attracted[np.isin(alike.own_cells, big)].all()
    # Between two servers of one hop, or the own cell and itself, radio is the same: compute tells them apart.
    user = int(np.flatnonzero(~attracted)[0])
    reached = np.flatnonzero(np.isfinite(mixed.edge_latency_s[user, :, 0]))
    for server in set(reached) - {mixed.own_cells[user]}:
        own_s = mixed.edge_latency_s[user, mixed.own_cells[user], 0]
        flop = MODELS[0].group_flop
        faster_s = flop / 6e11 - flop / servers.flop_per_s[server]
        hop_s = 2 * (2e-3 + 8 * MODELS[0].hidden_state_bytes / 1e9)
        assert mixed.edge_latency_s[user, server, 0] == pytest.approx(own_s + hop_s - faster_s, abs=2e-9)


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        ((BIG, BIG), r"network.classes\[1\].name: is 'big' a second time"),
        ((msgspec.structs.replace(BIG, name=""),), r"network.classes\[0\].name: is '', expected 1 to"),
    ],
)
def test_names_of_classes_are_checked(classes: tuple[ServerClass, ...], problem: str) -> None:
    with pytest.raises(InstanceError, match=f"^{problem}"):
        Network(classes=classes)


@pytest.mark.parametrize(("field", "value"), [("share", 0), ("capacity_share", 2), ("power_dbm", 1000)])
def test_figures_of_classes_are_checked(field: str, value: float) -> None:
    with pytest.raises(InstanceError, match=rf"^network.classes.{field}: is {value}, expected"):
        msgspec.structs.replace(BIG, **{field: value})
