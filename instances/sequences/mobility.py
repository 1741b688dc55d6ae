"""Random waypoint mobility: users' places in each period, and their shadowing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from slimbench.instances.files.ranges import check_ranges
from slimbench.instances.network import Network, Places, place_users
from slimbench.instances.network.layout import HighwayLayout, StreetsLayout
from slimbench.instances.network.path_loss import LinkDraws, draw_links
from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.problem.errors import InstanceError

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "min_speed_m_per_s": (0.01, 1e3),  # at speed 0 a trip never ends (Yoon, Liu, Noble, INFOCOM 2003)
    "max_speed_m_per_s": (0.01, 1e3),
    "decorrelation_m": (0.001, 1e6),
}


class RandomWaypoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Users walk straight to a point of the area at a uniform speed, then to the next one.

    Points are drawn as the layout draws users: uniformly from the square, the cells or the floor.

    The random waypoint model without pauses: Johnson, Maltz, Dynamic source routing in ad hoc wireless
    networks, 1996.

    Parameters
    ----------
    min_speed_m_per_s, max_speed_m_per_s : float
        Defaults: 3 and 30 km/h, users on foot and in cars of the scenario dense urban, 3GPP TR 38.913.
    decorrelation_m : float
        Shadowing at two places d apart has correlation exp(-d / decorrelation_m) (Gudmundson 1991); with this
        probability too nothing that decides on line of sight has come or gone. Default: UMi street canyon
        without line of sight, TR 38.901 table 7.5-6.

    Raises
    ------
    InstanceError
        If a parameter is out of its range; the field is ``mobility.NAME``.
    """

    min_speed_m_per_s: float = 3 / 3.6
    max_speed_m_per_s: float = 30 / 3.6
    decorrelation_m: float = 13.0

    def __post_init__(self) -> None:
        check_ranges(self, "mobility", _RANGES)
        if self.min_speed_m_per_s > self.max_speed_m_per_s:
            raise InstanceError("mobility.min_speed_m_per_s", "is larger than max_speed_m_per_s")


def walks(
    mobility: RandomWaypoint, network: Network, start: Places, period_s: float, rng: np.random.Generator
) -> Iterator[Places]:
    """Places in one period after another, without end; the first is ``start``.

    Parameters
    ----------
    period_s : float
        Seconds from one period to the next.
    rng : numpy Generator
        Only its uniform numbers are used.

    Raises
    ------
    InstanceError
        If users are on roads, which nobody leaves to walk straight on.
    """
    if isinstance(network.layout, HighwayLayout | StreetsLayout):
        raise InstanceError("mobility", "goes with the layouts random, hexagonal and office: not along roads")
    return _walks(mobility, network, start, period_s, rng)


def _walks(
    mobility: RandomWaypoint, network: Network, start: Places, period_s: float, rng: np.random.Generator
) -> Iterator[Places]:
    servers, users, links = start
    waypoints, speeds = _trips(mobility, network, servers, len(users), rng)
    while True:
        yield Places(servers, users, links)
        before, users = users, users.copy()
        left_s = np.full(len(users), period_s)
        while (walking := np.flatnonzero(left_s > 0)).size:
            ahead = waypoints[walking] - users[walking]
            distances = np.linalg.norm(ahead, axis=1)
            needed_s = distances / speeds[walking]
            arrives = needed_s <= left_s[walking]
            share = np.where(arrives, 1.0, left_s[walking] / np.where(arrives, 1.0, needed_s))
            users[walking] += share[:, None] * ahead
            left_s[walking] = np.where(arrives, left_s[walking] - needed_s, 0.0)
            done = walking[arrives]
            waypoints[done], speeds[done] = _trips(mobility, network, servers, len(done), rng)
        moved_m = np.linalg.norm(users - before, axis=1)
        links = _further_on(links, np.exp(-moved_m / mobility.decorrelation_m)[:, None], rng)


def _further_on(links: LinkDraws, kept: FloatArray, rng: np.random.Generator) -> LinkDraws:
    """Links with correlation ``kept`` (U, 1) to those before, of the same distribution."""
    fresh, same = draw_links(links.shadows.shape, rng), rng.random(links.shadows.shape) < kept
    return LinkDraws(
        kept * links.shadows + np.sqrt(1 - kept**2) * fresh.shadows,
        np.where(same, links.sights, fresh.sights),
        np.where(same, links.blockers, fresh.blockers),
    )


def _trips(
    mobility: RandomWaypoint, network: Network, servers: FloatArray, count: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Waypoints (count, 2) and speeds (count,)."""
    waypoints = place_users(network, servers, count, rng)
    low, high = mobility.min_speed_m_per_s, mobility.max_speed_m_per_s
    return waypoints, low + (high - low) * rng.random(count)
