import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial import distance

from slimbench.instances.network import Network, place
from slimbench.instances.network.layout import (
    HexagonalLayout,
    HighwayLayout,
    OfficeLayout,
    StreetsLayout,
)
from slimbench.instances.problem.errors import InstanceError


def placed(layout: Any, servers: int, users: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    return place(Network(servers=servers, users=users, layout=layout), np.random.default_rng(2))


@pytest.mark.parametrize(("servers", "farthest"), [(1, 0), (7, 1), (19, 2), (37, 3), (61, 4)])
def test_full_rings_of_a_hexagonal_grid(servers: int, farthest: int) -> None:
    sites_m = HexagonalLayout(inter_site_distance_m=200).sites_m(servers)
    assert sites_m[0].tolist() == [0, 0]
    assert np.linalg.norm(sites_m, axis=1).max() == pytest.approx(200 * farthest)
    if servers > 1:
        distances_m = distance.squareform(distance.pdist(sites_m))
        np.fill_diagonal(distances_m, math.inf)
        assert distances_m.min(axis=1) == pytest.approx(200)
        assert (np.isclose(distances_m, 200).sum(axis=1) == 6).sum() == 1 + 3 * (farthest - 1) * farthest


def test_every_number_of_sites_is_a_part_of_the_grid_without_a_site_twice() -> None:
    layout = HexagonalLayout()
    all_m = layout.sites_m(100)
    assert len({tuple(site) for site in all_m.round(6).tolist()}) == 100
    for servers in (2, 6, 8, 20):
        assert np.array_equal(layout.sites_m(servers), all_m[:servers])


def test_users_of_a_hexagonal_grid_are_uniform_in_the_cells_of_the_sites() -> None:
    sites_m, users_m = placed(HexagonalLayout(inter_site_distance_m=200), 7, 28_000)
    distances_m = np.linalg.norm(users_m[:, None] - sites_m, axis=2)
    assert distances_m.min(axis=1).max() <= 200 / math.sqrt(3) + 1e-9  # the corner of a cell
    nearest = np.bincount(distances_m.argmin(axis=1), minlength=7)
    assert nearest == pytest.approx(4000, rel=0.07)
    # A circle within the cell holds its share of the cell's area, sqrt(3) / 2 of the squared distance.
    within = (distances_m.min(axis=1) <= 100).mean()
    assert within == pytest.approx(math.pi / (2 * math.sqrt(3)), abs=0.01)
    away_m = users_m - sites_m[distances_m.argmin(axis=1)]
    assert away_m.mean(axis=0) == pytest.approx(0, abs=1.5)


def test_the_office_of_the_standard_has_two_rows_of_six() -> None:
    sites_m, users_m = placed(OfficeLayout(), 12)
    assert sorted(set(sites_m[:, 0])) == [10, 30, 50, 70, 90, 110]
    assert sorted(set(sites_m[:, 1])) == [15, 35]
    assert (users_m >= 0).all()
    assert (users_m <= [120, 50]).all()
    assert users_m.mean(axis=0) == pytest.approx([60, 25], rel=0.03)


def test_an_office_takes_no_more_sites_than_fit() -> None:
    with pytest.raises(InstanceError, match=r"^network.servers: is 13, expected at most 12, 20 m apart"):
        placed(OfficeLayout(), 13)


def test_vehicles_of_a_highway_keep_to_its_lanes() -> None:
    sites_m, users_m = placed(HighwayLayout(), 8)
    assert sites_m[:, 0].tolist() == [50, 150, 250, 350, 450, 550, 650, 750]
    assert set(sites_m[:, 1]) == {0}
    lanes, counts = np.unique(users_m[:, 1], return_counts=True)
    assert lanes.tolist() == [-10, -6, -2, 2, 6, 10]
    assert counts == pytest.approx(4000 / 6, rel=0.12)
    assert 0 <= users_m[:, 0].min() < users_m[:, 0].max() <= 800


def test_vehicles_of_a_grid_are_on_the_lanes_of_its_streets_by_their_length() -> None:
    sites_m, users_m = placed(StreetsLayout(), 9, 20_000)
    assert sorted(set(sites_m[:, 0])) == [125, 375, 625]
    assert sorted(set(sites_m[:, 1])) == [216.5, 649.5, 1082.5]
    lanes_m = np.array([-5.25, -1.75, 1.75, 5.25])
    north = np.isclose((users_m[:, :1] - [125, 375, 625])[..., None], lanes_m).any(axis=(1, 2))
    east = np.isclose((users_m[:, 1:] - [216.5, 649.5, 1082.5])[..., None], lanes_m).any(axis=(1, 2))
    assert (north | east).all()
    assert (users_m >= 0).all()
    assert (users_m <= [750, 1299]).all()
    assert north.mean() == pytest.approx(3 * 1299 / (3 * 1299 + 3 * 750), abs=0.02)


@pytest.mark.parametrize(("servers", "columns"), [(1, 1), (2, 2), (5, 3), (9, 3), (10, 4)])
def test_crossings_are_as_near_to_a_square_of_blocks_as_can_be(servers: int, columns: int) -> None:
    sites_m = StreetsLayout().sites_m(servers)
    assert len(sites_m) == servers
    assert len(set(sites_m[:, 0])) == columns


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: HexagonalLayout(inter_site_distance_m=0), "network.layout.inter_site_distance_m: is 0"),
        (lambda: OfficeLayout(width_m=math.nan), "network.layout.width_m: is nan"),
        (lambda: HighwayLayout(spacing_m=-1), "network.layout.spacing_m: is -1"),
        (lambda: StreetsLayout(block_m=(250, 0)), r"network.layout.block_m: is \[250, 0\], expected two of"),
        (
            lambda: Network(layout=HexagonalLayout(), area_side_m=300),
            "network.area_side_m: goes with the layout random only",
        ),
        (lambda: Network(path_loss="v2x-urban"), "network.path_loss: is v2x-urban, expected another or"),
    ],
)
def test_what_does_not_fit_is_named(make: Any, problem: str) -> None:
    with pytest.raises(InstanceError, match=f"^{problem}"):
        make()
