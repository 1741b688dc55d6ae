"""Radio network: where servers and users are, and how long one layer's token takes from each to each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from slimbench.instances.arrays import BoolArray, FloatArray, IntArray
from slimbench.instances.errors import InstanceError
from slimbench.instances.validation import MAX_SERVERS, MAX_USERS, check_sizes
from slimbench.instances.zoo import ZooModel

SERVER_HEIGHT_M: Final = 10.0  # UMi street canyon, TR 38.901 table 7.2-1
USER_HEIGHT_M: Final = 1.5  # TR 38.901 table 7.2-1
LATENCY_DECIMALS: Final = 9  # whole nanoseconds: last bits differ between platforms' logarithms

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "servers": (1, MAX_SERVERS),
    "users": (1, MAX_USERS),
    "area_side_m": (1, 1e6),
    "coverage_radius_m": (0, 1e6),
    "carrier_ghz": (0.5, 100),  # where the path loss formula holds
    "shadowing_db": (0, 30),
    "bandwidth_hz": (1, 1e12),
    "server_power_dbm": (-50, 100),
    "user_power_dbm": (-50, 100),
    "noise_dbm_per_hz": (-300, 0),
    "server_noise_figure_db": (0, 50),
    "user_noise_figure_db": (0, 50),
    "backhaul_delay_s": (0, math.inf),
    "backhaul_bit_per_s": (1, 1e18),
    "cloud_round_trip_s": (0, 1e3),
    "server_flop_per_s": (1, 1e24),
    "cloud_flop_per_s": (1, 1e24),
    "device_flop_per_s": (1, 1e24),
    "capacity_share": (0, 1),
    "capacity_spread": (0, 1),
}


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a radio network; units are in the names.

    A user sends through its own cell, the server it receives best. Cells do not disturb each other, and share
    their bandwidth equally among their users. Other servers within the coverage radius are one backhaul hop
    away.

    Parameters
    ----------
    servers, users : int
        Placed uniformly at random in a square.
    area_side_m : float
        Default: three cells of 200 m inter-site distance (UMi, TR 38.901 table 7.2-1) need about (320 m)^2.
    coverage_radius_m : float
        Servers beyond it do not serve the user, its own cell excepted. Default: our choice, so that about
        half of the pairs are reachable.
    carrier_ghz : float
        Default: band n78, 3GPP TS 38.101-1.
    shadowing_db : float
        Standard deviation of log-normal shadowing; TR 38.901 table 7.4.1-1, UMi street canyon without line of
        sight, whose path loss 22.4 + 35.3 log10(d_3D / m) + 21.3 log10(f / GHz) dB is used.
    bandwidth_hz : float
        Of one cell, in each direction. Default: a channel bandwidth of TS 38.101-1.
    server_power_dbm : float
        Spread over the whole band. Default: UMi, TR 38.901 table 7.8-1.
    user_power_dbm : float
        Spread over the user's share of the band. Default: power class 3, TS 38.101-1.
    noise_dbm_per_hz : float
        Thermal noise, Boltzmann's constant times 290 K.
    server_noise_figure_db, user_noise_figure_db : float
        Defaults: TR 36.942, base station and user equipment.
    backhaul_delay_s, backhaul_bit_per_s : float
        One hop, one way; a delay of inf is no backhaul, and a user reaches its own cell only. Defaults:
        within "fiber access 3" of TR 36.932 table 6.1-1 (2 to 5 ms, 50 Mbit/s to 10 Gbit/s).
    cloud_round_trip_s : float
        From a server to the cloud and back. Default: our choice, in the range of tens of milliseconds that
        Charyyev et al., Latency comparison of cloud datacenters and edge servers, GLOBECOM 2020, report.
    server_flop_per_s, cloud_flop_per_s, device_flop_per_s : float
        One token at a time is bound by reading the weights: two operations on each two-byte weight, so one
        operation a second for each byte a second of memory bandwidth. Defaults from the data sheets of NVIDIA
        A10 (600 GB/s), A100 80 GB (2,039 GB/s) and Jetson Orin NX (102 GB/s), rounded.
    capacity_share : float
        Mean capacity of a server as a share of the bytes of all experts. Default: our choice.
    capacity_spread : float
        Capacities are uniform in capacity_share * (1 -+ capacity_spread). Default: our choice.

    Raises
    ------
    InstanceError
        If a parameter is out of its range; the field is ``network.NAME``.
    """

    servers: int = 3
    users: int = 10
    area_side_m: float = 400.0
    coverage_radius_m: float = 200.0
    carrier_ghz: float = 3.5
    shadowing_db: float = 7.82
    bandwidth_hz: float = 40e6
    server_power_dbm: float = 44.0
    user_power_dbm: float = 23.0
    noise_dbm_per_hz: float = -174.0
    server_noise_figure_db: float = 5.0
    user_noise_figure_db: float = 9.0
    backhaul_delay_s: float = 2e-3
    backhaul_bit_per_s: float = 1e9
    cloud_round_trip_s: float = 50e-3
    server_flop_per_s: float = 6e11
    cloud_flop_per_s: float = 2e12
    device_flop_per_s: float = 1e11
    capacity_share: float = 0.25
    capacity_spread: float = 0.2

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:  # NaN too
                raise InstanceError(f"network.{name}", f"is {value}, expected {low:g} to {high:g}")


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


def draw_network(network: Network, models: Sequence[ZooModel], rng: np.random.Generator) -> RadioNetwork:
    """Draw positions and shadowing, and compute the latencies of M models.

    With b the bits of a hidden state, and up and down the rates B_u log2(1 + SNR) of the user's own cell,
    radio = b / up + b / down. A server takes radio + compute of ``top_k`` experts + (0 if it is the own cell,
    else 2 (backhaul delay + b / backhaul rate)); the cloud takes radio + round trip + compute.
    """
    n, u = network.servers, network.users
    check_sizes(n, u, len(models))
    servers = network.area_side_m * rng.random((n, 2))
    users = network.area_side_m * rng.random((u, 2))
    distances_m = np.linalg.norm(users[:, None] - servers[None], axis=2)
    path_3d_m = np.hypot(distances_m, SERVER_HEIGHT_M - USER_HEIGHT_M)
    # TR 38.901 takes the larger of this and the line-of-sight loss, which at these heights is never larger.
    path_loss_db = 22.4 + 35.3 * np.log10(path_3d_m) + 21.3 * np.log10(network.carrier_ghz)
    gains_db = network.shadowing_db * standard_normal(rng, (u, n)) - path_loss_db
    own_cells = np.argmax(gains_db, axis=1)
    up, down = _rates_bit_per_s(network, gains_db[np.arange(u), own_cells], own_cells)

    bits = np.array([8.0 * model.hidden_state_bytes for model in models])
    flop = np.array([float(model.group_flop) for model in models])
    radio_s = (1 / up + 1 / down)[:, None] * bits
    own = own_cells[:, None] == np.arange(n)
    edge_s = (radio_s + flop / network.server_flop_per_s)[:, None, :] + _detours_s(
        network, bits, own, distances_m
    )
    cloud_s = radio_s + network.cloud_round_trip_s + flop / network.cloud_flop_per_s
    return RadioNetwork(
        servers, users, own_cells, np.round(edge_s, LATENCY_DECIMALS), np.round(cloud_s, LATENCY_DECIMALS)
    )


def draw_capacities_bytes(network: Network, total_bytes: int, rng: np.random.Generator) -> IntArray:
    """(N,) int64, capacities of the servers; ``total_bytes`` is the size of all experts of all models."""
    spread = 1 + network.capacity_spread * (2 * rng.random(network.servers) - 1)
    shares = np.minimum(network.capacity_share * spread, 1.0)
    return np.asarray(np.floor(shares * total_bytes), np.int64)


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal numbers by Box and Muller, from uniform ones alone: those never change with NumPy."""
    radius, angle = rng.random(shape), rng.random(shape)
    return np.asarray(np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle))


def _rates_bit_per_s(
    network: Network, gains_db: FloatArray, own_cells: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(U,) uplink and (U,) downlink, Shannon's formula on an equal share of the own cell's band."""
    share_hz = network.bandwidth_hz / np.bincount(own_cells)[own_cells]
    noise_up_dbm = network.noise_dbm_per_hz + network.server_noise_figure_db + 10 * np.log10(share_hz)
    noise_down_dbm = (
        network.noise_dbm_per_hz + network.user_noise_figure_db + 10 * np.log10(network.bandwidth_hz)
    )
    snr_up = 10 ** ((network.user_power_dbm + gains_db - noise_up_dbm) / 10)
    snr_down = 10 ** ((network.server_power_dbm + gains_db - noise_down_dbm) / 10)
    return share_hz * np.log1p(snr_up) / np.log(2), share_hz * np.log1p(snr_down) / np.log(2)


def _detours_s(network: Network, bits: FloatArray, own: BoolArray, distances_m: FloatArray) -> FloatArray:
    """(U, N, M) seconds there and back between own cell and server, inf where it does not serve the user."""
    hop_s = 2 * (network.backhaul_delay_s + bits / network.backhaul_bit_per_s)
    near = (distances_m <= network.coverage_radius_m)[:, :, None]
    return np.where(own[:, :, None], 0.0, np.where(near, hop_s, np.inf))
