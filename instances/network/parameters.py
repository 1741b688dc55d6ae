"""Parameters of a radio network and of the wires between its servers."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from slimbench.instances.files.ranges import WEIGHT, check_ranges
from slimbench.instances.files.records import refuse_same_names
from slimbench.instances.network.backhaul import BIT_PER_S, Backhaul, OneHop, Wires, check_wires
from slimbench.instances.network.layout import Layout, RandomLayout, StreetsLayout
from slimbench.instances.network.path_loss import PathLoss
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.validation import MAX_SERVERS, MAX_USERS

FLOP_PER_S: Final = (1, 1e24)
POWER_DBM: Final = (-50, 100)
SHARE: Final = (0, 1)
AREA_SIDE_M: Final = 400.0
COVERAGE_RADIUS_M: Final = 200.0

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "servers": (1, MAX_SERVERS),
    "users": (1, MAX_USERS),
    "area_side_m": (1, 1e6),
    "coverage_radius_m": (0, 1e6),
    "carrier_ghz": (0.5, 100),  # where the path loss formulas hold
    "shadowing_db": (0, 30),
    "bandwidth_hz": (1, 1e12),
    "server_power_dbm": POWER_DBM,
    "user_power_dbm": POWER_DBM,
    "noise_dbm_per_hz": (-300, 0),
    "server_noise_figure_db": (0, 50),
    "user_noise_figure_db": (0, 50),
    "backhaul_delay_s": (0, math.inf),
    "backhaul_bit_per_s": BIT_PER_S,
    "cloud_round_trip_s": (0, 1e3),
    "server_flop_per_s": FLOP_PER_S,
    "cloud_flop_per_s": FLOP_PER_S,
    "device_flop_per_s": FLOP_PER_S,
    "capacity_share": SHARE,
    "capacity_spread": (0, 1),
}


class ServerClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers of one kind; without a figure of its own a class has that of the network.

    Parameters
    ----------
    name : str
        Its servers are called NAME-0, NAME-1, ...
    share : float
        Of all servers, relative to the shares of the other classes.
    capacity_share : float, optional
        Mean capacity as a share of the bytes of all experts.
    flop_per_s : float, optional
    power_dbm : float, optional
    """

    name: str
    share: float
    capacity_share: float | None = None
    flop_per_s: float | None = None
    power_dbm: float | None = None

    def __post_init__(self) -> None:
        check_ranges(
            self,
            "network.classes",
            {"share": WEIGHT, "capacity_share": SHARE, "flop_per_s": FLOP_PER_S, "power_dbm": POWER_DBM},
        )


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a radio network; units are in the names.

    A user sends through its own cell, the server it receives best. Cells do not disturb each other, and share
    their bandwidth equally among their users. Other servers are reached from the own cell over wires.

    Parameters
    ----------
    servers, users : int
    layout : Layout
        Where they are. Default: uniformly at random in a square.
    area_side_m : float
        Of that square; goes with the layout ``random``. Default: three cells of 200 m inter-site distance
        (UMi, TR 38.901 table 7.2-1) need about (320 m)^2.
    coverage_radius_m : float
        Servers beyond it do not serve the user, its own cell excepted; goes with the backhaul ``one-hop``.
        Default: our choice, so that about half of the pairs are reachable.
    path_loss : PathLoss
        Default: UMi street canyon without line of sight, TR 38.901 table 7.4.1-1.
    carrier_ghz : float
        Default: band n78, 3GPP TS 38.101-1.
    shadowing_db : float, optional
        Standard deviation of log-normal shadowing. Default: as ``path_loss`` has it for each link's state.
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
    backhaul : Backhaul
        Which wires there are. Default: every server is one hop from every other.
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
    classes : tuple of ServerClass
        Kinds of servers; without any, all are alike.

    Raises
    ------
    InstanceError
        If a parameter is out of its range, or does not go with another; the field is ``network.NAME``.
    """

    servers: int = 3
    users: int = 10
    layout: Layout = RandomLayout()
    area_side_m: float = AREA_SIDE_M
    coverage_radius_m: float = COVERAGE_RADIUS_M
    path_loss: PathLoss = "umi-nlos"
    carrier_ghz: float = 3.5
    shadowing_db: float | None = None
    bandwidth_hz: float = 40e6
    server_power_dbm: float = 44.0
    user_power_dbm: float = 23.0
    noise_dbm_per_hz: float = -174.0
    server_noise_figure_db: float = 5.0
    user_noise_figure_db: float = 9.0
    backhaul: Backhaul = OneHop()
    backhaul_delay_s: float = 2e-3
    backhaul_bit_per_s: float = 1e9
    cloud_round_trip_s: float = 50e-3
    server_flop_per_s: float = 6e11
    cloud_flop_per_s: float = 2e12
    device_flop_per_s: float = 1e11
    capacity_share: float = 0.25
    capacity_spread: float = 0.2
    classes: tuple[ServerClass, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self, "network", _RANGES)
        if not isinstance(self.layout, RandomLayout) and self.area_side_m != AREA_SIDE_M:
            raise InstanceError("network.area_side_m", "goes with the layout random only")
        if not isinstance(self.backhaul, OneHop) and self.coverage_radius_m != COVERAGE_RADIUS_M:
            raise InstanceError(
                "network.coverage_radius_m", "goes with the backhaul one-hop, expected backhaul.max_hops"
            )
        if self.path_loss == "v2x-urban" and not isinstance(self.layout, StreetsLayout):
            raise InstanceError("network.path_loss", "is v2x-urban, expected another or the layout streets")
        if isinstance(self.backhaul, Wires):
            check_wires(self.backhaul, self.servers)
        refuse_same_names([kind.name for kind in self.classes], "network.classes")
