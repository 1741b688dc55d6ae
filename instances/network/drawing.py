"""A radio network drawn: how long one layer's token takes from each user to each server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from slimbench.instances.network.layout import (
    HexagonalLayout,
    HighwayLayout,
    OfficeLayout,
    RandomLayout,
    StreetsLayout,
)
from slimbench.instances.network.parameters import Network
from slimbench.instances.network.path_loss import LinkDraws, draw_links, link_loss
from slimbench.instances.network.servers import Servers
from slimbench.instances.network.wires import detours_s
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray
from slimbench.instances.problem.validation import check_sizes
from slimbench.instances.zoo import ZooModel

LATENCY_DECIMALS: Final = 9  # whole nanoseconds: last bits differ between platforms' logarithms


@dataclass(frozen=True, eq=False)
class RadioNetwork:
    """A network that was drawn.

    Parameters
    ----------
    server_positions_m : (N, 2) float64, metres
    user_positions_m : (U, 2) float64, metres
    own_cells : (U,) int64
        The server with the strongest mean received power.
    edge_latency_s : (U, N, M) float64, seconds a token and layer, inf = unreachable
    cloud_latency_s : (U, M) float64, seconds a token and layer
    """

    server_positions_m: FloatArray
    user_positions_m: FloatArray
    own_cells: IntArray
    edge_latency_s: FloatArray
    cloud_latency_s: FloatArray


class Places(NamedTuple):
    """Where everything is, and what is random about what lies between.

    Attributes
    ----------
    servers_m, users_m : (N, 2), (U, 2) float64
    links : LinkDraws
    """

    servers_m: FloatArray
    users_m: FloatArray
    links: LinkDraws


def place(network: Network, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(N, 2) servers and (U, 2) users, metres."""
    servers_m = place_servers(network, rng)
    return servers_m, place_users(network, servers_m, network.users, rng)


def place_servers(network: Network, rng: np.random.Generator) -> FloatArray:
    """(N, 2) metres."""
    match network.layout:
        case RandomLayout():
            return np.asarray(network.area_side_m * rng.random((network.servers, 2)))
        case regular:
            return regular.sites_m(network.servers)


def place_users(network: Network, servers_m: FloatArray, users: int, rng: np.random.Generator) -> FloatArray:
    """(users, 2) metres, where users may be around the servers (N, 2)."""
    match network.layout:
        case RandomLayout():
            return np.asarray(network.area_side_m * rng.random((users, 2)))
        case HexagonalLayout() as hexagonal:
            return hexagonal.users_m(servers_m, users, rng)
        case OfficeLayout() as office:
            return office.users_m(users, rng)
        case HighwayLayout() | StreetsLayout() as road:
            return road.users_m(network.servers, users, rng)


def draw_places(network: Network, rng: np.random.Generator) -> Places:
    """Draw positions and links."""
    servers_m, users_m = place(network, rng)
    return Places(servers_m, users_m, draw_links((network.users, network.servers), rng))


def draw_network(
    network: Network, servers: Servers, models: Sequence[ZooModel], rng: np.random.Generator
) -> RadioNetwork:
    """Draw positions and links, and compute the latencies of M models."""
    check_sizes(network.servers, network.users, len(models))
    return radio_network(network, servers, models, draw_places(network, rng))


def radio_network(
    network: Network,
    servers: Servers,
    models: Sequence[ZooModel],
    places: Places,
    in_service: BoolArray | None = None,
) -> RadioNetwork:
    """Latencies of M models between servers and users at given places.

    With b the bits of a hidden state, and up and down the rates B_u log2(1 + SNR) of the user's own cell,
    radio = b / up + b / down. A server takes radio + compute of ``top_k`` experts + twice the way over wires
    from the own cell (one wire: delay + b / rate); the cloud takes radio + round trip + compute.

    Parameters
    ----------
    in_service : (N,) bool, at least one; all by default
        A server out of service is nobody's cell, serves nobody, and nothing passes through it.
    """
    servers_m, users_m, links = places
    if in_service is None:
        in_service = np.ones(len(servers_m), np.bool_)
    offsets_m = users_m[:, None] - servers_m[None]
    loss_db, deviations_db = link_loss(network.path_loss, offsets_m, network.carrier_ghz, links)
    if network.shadowing_db is not None:
        deviations_db = np.full(loss_db.shape, network.shadowing_db)
    gains_db = np.where(in_service, deviations_db * links.shadows - loss_db, -np.inf)
    own_cells = np.argmax(gains_db + (servers.power_dbm - network.server_power_dbm), axis=1)
    own_gains_db = gains_db[np.arange(len(users_m)), own_cells]
    up, down = _rates_bit_per_s(network, own_gains_db, servers.power_dbm[own_cells], own_cells)

    bits = np.array([8.0 * model.hidden_state_bytes for model in models])
    flop = np.array([float(model.group_flop) for model in models])
    radio_s = (1 / up + 1 / down)[:, None] * bits
    distances_m = np.linalg.norm(offsets_m, axis=2)
    served_s = radio_s[:, None, :] + flop / servers.flop_per_s[:, None]
    edge_s = served_s + detours_s(network, bits, own_cells, servers_m, distances_m, in_service)
    cloud_s = radio_s + network.cloud_round_trip_s + flop / network.cloud_flop_per_s
    return RadioNetwork(
        servers_m, users_m, own_cells, np.round(edge_s, LATENCY_DECIMALS), np.round(cloud_s, LATENCY_DECIMALS)
    )


def _rates_bit_per_s(
    network: Network, gains_db: FloatArray, power_dbm: FloatArray, own_cells: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(U,) uplink and (U,) downlink, Shannon's formula on an equal share of the own cell's band."""
    share_hz = network.bandwidth_hz / np.bincount(own_cells)[own_cells]
    noise_up_dbm = network.noise_dbm_per_hz + network.server_noise_figure_db + 10 * np.log10(share_hz)
    noise_down_dbm = (
        network.noise_dbm_per_hz + network.user_noise_figure_db + 10 * np.log10(network.bandwidth_hz)
    )
    snr_up = 10 ** ((network.user_power_dbm + gains_db - noise_up_dbm) / 10)
    snr_down = 10 ** ((power_dbm + gains_db - noise_down_dbm) / 10)
    return share_hz * np.log1p(snr_up) / np.log(2), share_hz * np.log1p(snr_down) / np.log(2)
