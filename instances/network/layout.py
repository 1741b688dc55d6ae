"""Where servers and users are."""

from __future__ import annotations

import math
from typing import Annotated, Final

import msgspec
import numpy as np

from slimbench.instances.files.ranges import check_ranges
from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.sampling.uniform import choices

Lanes = Annotated[int, msgspec.Meta(ge=1, le=100)]

_METRES: Final = (0.1, 1e6)


class RandomLayout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="random"
):
    """Servers and users uniformly at random in a square of ``network.area_side_m``."""


class HexagonalLayout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="hexagonal"
):
    """Servers on a hexagonal grid, from its middle ring by ring; users uniform in the cells.

    Parameters
    ----------
    inter_site_distance_m : float
        Default: UMi street canyon, TR 38.901 table 7.2-1.
    """

    inter_site_distance_m: float = 200.0

    def __post_init__(self) -> None:
        check_ranges(self, "network.layout", {"inter_site_distance_m": _METRES})

    def sites_m(self, servers: int) -> FloatArray:
        """(N, 2) metres."""
        steps = [(-1, 1), (-1, 0), (0, -1), (1, -1), (1, 0), (0, 1)]  # around a ring, in lattice coordinates
        lattice = [(0, 0)]
        for ring in range(1, math.isqrt(servers) + 1):  # rings up to r hold 1 + 3 r (r + 1) sites
            at = (ring, 0)
            for step in steps:
                for _ in range(ring):
                    lattice.append(at)
                    at = (at[0] + step[0], at[1] + step[1])
        basis = np.array([[1.0, 0.0], [0.5, math.sqrt(3) / 2]])
        return np.asarray(self.inter_site_distance_m * (np.array(lattice[:servers], np.float64) @ basis))

    def users_m(self, sites_m: FloatArray, users: int, rng: np.random.Generator) -> FloatArray:
        """(U, 2) metres, uniform in the union of the hexagonal cells.

        A cell is three rhombi, each spanned by two of its corners as seen from the site, 120 degrees apart.
        """
        radius_m = self.inter_site_distance_m / math.sqrt(3)
        angles = np.pi / 6 + 2 * np.pi / 3 * np.arange(3)
        corners_m = radius_m * np.column_stack([np.cos(angles), np.sin(angles)])
        cells = choices(rng, np.ones(len(sites_m)), users)
        rhombi = choices(rng, np.ones(3), users)
        along = rng.random((users, 2))
        inside_m = along[:, :1] * corners_m[rhombi] + along[:, 1:] * corners_m[(rhombi + 1) % 3]
        return np.asarray(sites_m[cells] + inside_m)


class OfficeLayout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="office"
):
    """Servers under the ceiling of an open floor, row after row; users uniform on it.

    Parameters
    ----------
    length_m, width_m, spacing_m : float
        Defaults: indoor office, TR 38.901 table 7.2-2, where two rows of six sites fill the floor.
    """

    length_m: float = 120.0
    width_m: float = 50.0
    spacing_m: float = 20.0

    def __post_init__(self) -> None:
        check_ranges(self, "network.layout", {"length_m": _METRES, "width_m": _METRES, "spacing_m": _METRES})

    def sites_m(self, servers: int) -> FloatArray:
        """(N, 2) metres; rows are centred on the floor."""
        columns = int(self.length_m // self.spacing_m)
        most = columns * int(self.width_m // self.spacing_m)
        if servers > most:
            raise InstanceError(
                "network.servers",
                f"is {servers}, expected at most {most}, {self.spacing_m:g} m apart in an office of "
                f"{self.length_m:g} m x {self.width_m:g} m",
            )
        rows, column = np.divmod(np.arange(servers), columns)
        margin_m = (self.length_m - (columns - 1) * self.spacing_m) / 2
        across_m = self.width_m / 2 + self.spacing_m * (rows - rows.max() / 2)
        return np.column_stack([margin_m + self.spacing_m * column, across_m])

    def users_m(self, users: int, rng: np.random.Generator) -> FloatArray:
        """(U, 2) metres."""
        return np.asarray(rng.random((users, 2)) * [self.length_m, self.width_m])


class HighwayLayout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="highway"
):
    """Road-side units along the middle of a straight road, vehicles on its lanes.

    Vehicles are a spatial Poisson process (TR 36.885 table A.1.2-1) given their number, that is, uniform.

    Parameters
    ----------
    spacing_m : float
        From one road-side unit to the next; the road is as long as there are units. Default: TR 36.885,
        annex A.1.
    lanes_per_direction : int
    lane_width_m : float
        Defaults: freeway, TR 36.885 table A.1.2-1.
    """

    spacing_m: float = 100.0
    lanes_per_direction: Lanes = 3
    lane_width_m: float = 4.0

    def __post_init__(self) -> None:
        check_ranges(self, "network.layout", {"spacing_m": _METRES, "lane_width_m": _METRES})

    def sites_m(self, servers: int) -> FloatArray:
        """(N, 2) metres, along the first axis."""
        return np.column_stack([self.spacing_m * (np.arange(servers) + 0.5), np.zeros(servers)])

    def users_m(self, servers: int, users: int, rng: np.random.Generator) -> FloatArray:
        """(U, 2) metres."""
        along_m = servers * self.spacing_m * rng.random(users)
        return np.column_stack([along_m, _lane_offsets_m(self, users, rng)])


class StreetsLayout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="streets"
):
    """Road-side units on the crossings of a grid of streets, row after row, vehicles on the lanes.

    Crossings are as near to a square number of blocks as can be, and streets go on for half a block beyond
    the outer ones. Vehicles are uniform on all lanes, as ``HighwayLayout`` says.

    Parameters
    ----------
    block_m : (float, float)
        From street to street, along each axis.
    lanes_per_direction : int
    lane_width_m : float
        Defaults: urban, TR 36.885 table A.1.2-1.
    """

    block_m: tuple[float, float] = (250.0, 433.0)
    lanes_per_direction: Lanes = 2
    lane_width_m: float = 3.5

    def __post_init__(self) -> None:
        check_ranges(self, "network.layout", {"lane_width_m": _METRES})
        if not all(_METRES[0] <= side <= _METRES[1] for side in self.block_m):
            raise InstanceError(
                "network.layout.block_m",
                f"is {list(self.block_m)}, expected two of {_METRES[0]:g} to {_METRES[1]:g}",
            )

    def sites_m(self, servers: int) -> FloatArray:
        """(N, 2) metres."""
        rows, columns = np.divmod(np.arange(servers), _grid_shape(servers)[0])
        return np.asarray(np.column_stack([columns + 0.5, rows + 0.5]) * np.array(self.block_m))

    def users_m(self, servers: int, users: int, rng: np.random.Generator) -> FloatArray:
        """(U, 2) metres."""
        streets = np.array(_grid_shape(servers))  # that cross the first axis, and that cross the second
        lengths_m = streets[::-1] * np.array(self.block_m)[::-1]
        axis = choices(rng, streets * lengths_m, users)
        street = np.floor(rng.random(users) * streets[axis])
        across_m = np.array(self.block_m)[axis] * (street + 0.5) + _lane_offsets_m(self, users, rng)
        along_m = lengths_m[axis] * rng.random(users)
        return np.where(
            (axis == 0)[:, None],
            np.column_stack([across_m, along_m]),
            np.column_stack([along_m, across_m]),
        )


Layout = RandomLayout | HexagonalLayout | OfficeLayout | HighwayLayout | StreetsLayout


def _lane_offsets_m(road: HighwayLayout | StreetsLayout, users: int, rng: np.random.Generator) -> FloatArray:
    """(U,) metres from the middle of the road to the middle of a lane of either direction."""
    lanes = 2 * road.lanes_per_direction
    lane = np.floor(rng.random(users) * lanes)
    return np.asarray(road.lane_width_m * (lane - (lanes - 1) / 2))


def _grid_shape(servers: int) -> tuple[int, int]:
    """Columns and rows of crossings; the last row may lack units."""
    columns = math.isqrt(servers - 1) + 1
    return columns, -(-servers // columns)
