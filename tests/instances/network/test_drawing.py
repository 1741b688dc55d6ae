import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.instances.network import (
    Network,
    RadioNetwork,
    draw_capacities_bytes,
    draw_network,
    draw_servers,
)
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.zoo import zoo_model

MODELS = [zoo_model("mixtral-8x7b"), zoo_model("olmoe-1b-7b")]
SEEDS = st.integers(0, 2**32)


def drawn(seed: Any = 0, **parameters: Any) -> RadioNetwork:
    network = msgspec.structs.replace(Network(), **parameters)
    servers = draw_servers(network, np.random.default_rng(0))
    return draw_network(network, servers, MODELS, np.random.default_rng(seed))


def radio_by_hand(network: Network, distance_m: float, users_of_cell: int, bits: float) -> float:
    """Seconds up and down without shadowing, in plain watts."""
    distance_3d = math.sqrt(distance_m**2 + 8.5**2)
    loss_db = 35.3 * math.log10(distance_3d) + 22.4 + 21.3 * math.log10(network.carrier_ghz)
    gain = 10 ** (-loss_db / 10)
    noise_w_per_hz = 10 ** ((network.noise_dbm_per_hz - 30) / 10)
    band = network.bandwidth_hz / users_of_cell
    sent_w = 10 ** ((network.user_power_dbm - 30) / 10)
    up_noise_w = noise_w_per_hz * band * 10 ** (network.server_noise_figure_db / 10)
    up = band * math.log2(1 + sent_w * gain / up_noise_w)
    sent_w = 10 ** ((network.server_power_dbm - 30) / 10) / users_of_cell
    down_noise_w = noise_w_per_hz * band * 10 ** (network.user_noise_figure_db / 10)
    down = band * math.log2(1 + sent_w * gain / down_noise_w)
    return bits / up + bits / down


def test_latencies_are_those_computed_by_hand() -> None:
    network = Network(shadowing_db=0, users=7)
    radio = drawn(5, shadowing_db=0, users=7)
    for u in range(7):
        distances = [math.dist(radio.user_positions_m[u], p) for p in radio.server_positions_m]
        own = distances.index(min(distances))  # without shadowing the nearest is the strongest
        assert radio.own_cells[u] == own
        for m, model in enumerate(MODELS):
            bits = 16 * model.hidden_size
            air = radio_by_hand(network, distances[own], list(radio.own_cells).count(own), bits)
            flop = model.top_k * 2 * model.params_per_expert
            assert radio.cloud_latency_s[u, m] == pytest.approx(air + 0.05 + flop / 2e12, abs=2e-9)
            for n in range(3):
                hop = 0.0 if n == own else 2 * (2e-3 + bits / 1e9)
                reachable = n == own or distances[n] <= network.coverage_radius_m
                expected = air + flop / 6e11 + hop if reachable else math.inf
                assert radio.edge_latency_s[u, n, m] == pytest.approx(expected, abs=2e-9)


@given(SEEDS)
def test_every_user_reaches_its_own_cell_and_no_other_server_is_faster(seed: int) -> None:
    radio = drawn(seed)
    own = radio.edge_latency_s[np.arange(10), radio.own_cells]
    assert np.isfinite(own).all()
    assert (own[:, None, :] <= radio.edge_latency_s).all()


def test_by_default_the_cloud_is_several_times_slower_and_not_every_server_is_reachable() -> None:
    radios = [drawn(seed) for seed in range(20)]
    edge = np.stack([radio.edge_latency_s for radio in radios])
    cloud = np.stack([radio.cloud_latency_s for radio in radios])
    reachable = np.isfinite(edge)
    assert 0.4 < reachable.mean() < 0.7
    assert 3 < np.median(cloud) / np.median(edge[reachable]) < 50
    assert 0.03 < cloud.min() <= cloud.max() < 0.1


def test_without_backhaul_only_the_own_cell_is_left() -> None:
    assert np.isfinite(drawn(backhaul_delay_s=math.inf).edge_latency_s[:, :, 0]).sum() == 10


def test_with_unlimited_coverage_every_server_is_reachable() -> None:
    assert np.isfinite(drawn(coverage_radius_m=1e6).edge_latency_s).all()


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("bandwidth_hz", 1e9),
        ("user_power_dbm", 33.0),
        ("server_power_dbm", 60.0),
        ("server_noise_figure_db", 0.0),
    ],
)
def test_a_better_radio_is_faster_for_everyone(parameter: str, value: float) -> None:
    assert (drawn(**{parameter: value}).cloud_latency_s < drawn().cloud_latency_s).all()


def test_shadowing_has_the_given_standard_deviation() -> None:
    users = {"users": 4000, "servers": 1}
    # Deep in noise the uplink's rate is proportional to the gain, and the uplink is all that takes time.
    quiet = {"bandwidth_hz": 1e12, "server_power_dbm": 100.0, "cloud_round_trip_s": 0.0, "area_side_m": 1.0}
    compute = MODELS[0].group_flop / 2e12
    power = {"user_power_dbm": -50.0}
    far = drawn(**users, **quiet, **power, shadowing_db=6.0).cloud_latency_s[:, 0] - compute
    near = drawn(**users, **quiet, **power, shadowing_db=0.0).cloud_latency_s[:, 0] - compute
    shadows_db = 10 * np.log10(far / near)
    assert np.std(shadows_db) == pytest.approx(6.0, rel=0.05)
    assert np.mean(shadows_db) == pytest.approx(0.0, abs=0.3)


@given(SEEDS, st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**50))
def test_capacities_stay_within_their_spread(seed: int, share: float, spread: float, total: int) -> None:
    network = Network(servers=20, capacity_share=share, capacity_spread=spread)
    servers = draw_servers(network, np.random.default_rng(0))
    capacities = draw_capacities_bytes(servers, spread, total, np.random.default_rng(seed))
    assert capacities.dtype == np.int64
    assert capacities.min() >= share * (1 - spread) * total * (1 - 1e-12) - 1
    assert capacities.max() <= min(share * (1 + spread), 1) * total * (1 + 1e-12)


def test_capacities_differ_unless_the_spread_is_zero() -> None:
    rng = np.random.default_rng(0)
    servers = draw_servers(Network(), rng)
    assert len(set(draw_capacities_bytes(servers, 0.2, 10**9, rng))) == 3
    assert set(draw_capacities_bytes(servers, 0, 10**9, rng)) == {25 * 10**7}


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("servers", 0),
        ("users", 0),
        ("area_side_m", 0.0),
        ("bandwidth_hz", math.inf),
        ("shadowing_db", -1.0),
        ("carrier_ghz", math.nan),
        ("cloud_round_trip_s", math.inf),
        ("capacity_share", 1.5),
    ],
)
def test_parameters_out_of_range_are_named(parameter: str, value: float) -> None:
    with pytest.raises(InstanceError, match=rf"^network\.{parameter}: is {value}, expected"):
        msgspec.structs.replace(Network(), **{parameter: value})
