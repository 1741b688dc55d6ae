"""The picture of an instance draws its places, who is fastest for whom, and wires where they are known."""

import numpy as np
import pytest
from samples import two_cells, with_fields

from slimbench.instances import Instance
from slimbench.instances.generators.generate import make_instance, read_recipe, wires_of
from slimbench.instances.generators.scenario import scenario_fields
from slimbench.instances.network import WiredGraph
from slimbench.reports.charts.chart import renderings
from slimbench.reports.placement import network_map as drawn
from slimbench.reports.placement.metres import metre_axes
from slimbench.reports.placement.network_map import FASTEST, REACHED, WIRE, network_map

EVIL = ("<script>alert(1)</script>", "' + datum.x + '")
POSITIONS = {"server_positions_m": [[0, 0], [90, 30]], "user_positions_m": [[10, 5], [80, 40]]}


def made(name: str) -> tuple[Instance, WiredGraph | None]:
    changes = {"layers": 1, "network": {"servers": 6, "users": 9}, "routing": {"tokens": 2}}
    recipe = read_recipe(scenario_fields(name, changes))
    return make_instance(recipe)[0], wires_of(recipe)


def ends(chart: object, line: str) -> set[tuple[float, ...]]:
    frame = chart.sources[drawn.LINES].query("line == @line")
    return set(frame[["x_m", "y_m", "x2_m", "y2_m"]].itertuples(index=False, name=None))


def test_nothing_is_drawn_without_all_places() -> None:
    assert network_map(two_cells()) is None
    assert network_map(with_fields(two_cells(), server_positions_m=POSITIONS["server_positions_m"])) is None


def test_lines_go_to_the_fastest_server_and_to_others_faster_than_the_cloud() -> None:
    chart = network_map(with_fields(two_cells(), **POSITIONS))
    assert chart is not None
    assert ends(chart, FASTEST) == {(10, 5, 0, 0), (80, 40, 0, 0)}  # u1 reaches edge-0 only, however far
    assert ends(chart, REACHED) == {(10, 5, 90, 30)}
    assert ends(chart, WIRE) == set()
    assert chart.how_to_read.endswith("faster for it than the cloud.")


def test_known_wires_are_drawn_with_their_switches() -> None:
    instance, wires = made("metro-tree")
    assert wires is not None
    chart = network_map(instance, wires)
    assert chart is not None
    assert len(ends(chart, WIRE)) == len(wires.ends) == 6 + 2
    assert ends(chart, REACHED) == set()
    assert chart.data["kind"].value_counts().to_dict() == {"user": 9, "server": 6, "switch": 3}
    shown = chart.data.query("kind == 'server'")
    assert shown["capacity_bytes"].tolist() == instance.capacities_bytes.tolist()
    assert np.array_equal(shown[["x_m", "y_m"]], instance.server_positions_m)


@pytest.mark.parametrize(
    ("name", "kind", "groups"),
    [
        ("multi-tenant", "user", ["assistant", "camera", "translator"]),
        ("heterogeneous", "server", ["macro", "micro", "pico"]),
        ("urban-micro", "server", ["server"]),
    ],
)
def test_classes_and_tenants_are_told_apart(name: str, kind: str, groups: list[str]) -> None:
    chart = network_map(*made(name))
    assert chart is not None
    assert sorted(chart.data.query("kind == @kind")["group"].unique()) == groups


@pytest.mark.parametrize("wired", [True, False])
def test_any_names_are_drawn_the_same_every_time(wired: bool, capfd: pytest.CaptureFixture[str]) -> None:
    instance = with_fields(
        two_cells(), **POSITIONS, server_names=EVIL, user_names=("u", "$x$"), name="</script> \\ [b]"
    )
    graph = WiredGraph(
        np.array([[0, 0], [90, 30], [45, 15]], float), np.array([[0, 2], [2, 1]]), *np.ones((2, 2))
    )
    one, other = (renderings(network_map(instance, graph if wired else None)) for _ in range(2))
    assert one == other
    assert b"<script" not in one["svg"]
    assert b"NaN" not in one["svg"]
    assert "ERROR" not in capfd.readouterr().err


def test_only_so_many_places_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MAX_PLACES", 1)
    chart = network_map(with_fields(two_cells(), **POSITIONS))
    assert chart is not None
    assert chart.data["name"].tolist() == ["edge-0", "u0"]
    assert ends(chart, FASTEST) == {(10, 5, 0, 0)}
    assert "Only the first 1 servers and users are drawn." in chart.how_to_read


def test_a_road_is_drawn_wider_than_it_is_and_says_so() -> None:
    road = made("highway")[0]
    chart = network_map(road)
    assert chart is not None
    axes = [axis for layer in chart.specification["layer"] for axis in [layer["encoding"]["y"]["title"]]]
    assert all("times as wide" in title for title in axes)
    wide, high = (chart.specification[side] for side in ("width", "height"))
    assert wide == drawn.SIDE
    assert high > 0.2 * wide


def test_a_square_is_drawn_to_scale() -> None:
    places = network_map(made("urban-micro")[0]).data
    x, y, width, height = metre_axes(places, 500)
    spans = [axis["scale"]["domain"][1] - axis["scale"]["domain"][0] for axis in (x.to_dict(), y.to_dict())]
    assert width / spans[0] == pytest.approx(height / spans[1], rel=0.01)
    assert max(width, height) == 500
